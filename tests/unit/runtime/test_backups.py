"""What is backed up can be brought back as it was, and nothing that is not whole passes for a backup."""

import asyncio
import errno
import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from observatory.core.errors import DataFolderInUse, DataFolderUnusable, DataTooNew
from observatory.runtime import backup_files, restoring
from observatory.runtime.backup_files import BackupUnusable
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.keeping import audit, back_up, compare_counters, restore_backup
from observatory.runtime.ports.sqlite import open_file
from tests.unit.audit.populated import World, populate
from tests.unit.runtime.test_rebuilding import nobody


def say(what: str, done: int, total: int) -> None:
    """Nobody watches."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    populate(folder)
    return folder


@pytest.fixture
def backup(source: Path, tmp_path: Path) -> Path:
    back_up(source, tmp_path / "backup", is_compact=False, say=say)
    return tmp_path / "backup"


def rows(folder: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "observatory.db")
    found = connection.execute("SELECT * FROM jobs ORDER BY number").fetchall()
    found += connection.execute("SELECT * FROM events ORDER BY position").fetchall()
    connection.close()
    return found


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("is_compact", [False, True])
def test_what_is_brought_back_is_what_was_there(source: Path, tmp_path: Path, is_compact: bool) -> None:
    manifest = back_up(source, tmp_path / "backup", is_compact=is_compact, say=say)
    restored, aside = restore_backup(tmp_path / "backup", tmp_path / "target", is_forced=False, say=say)

    assert (restored, aside) == (manifest, None)
    assert rows(tmp_path / "target") == rows(source)
    assert audit(tmp_path / "target").violations == []
    assert compare_counters(tmp_path / "target", say=nobody).is_equal
    assert manifest.jobs == 12
    assert manifest.violations == 0


def test_a_compact_backup_leaves_free_space_out(source: Path, tmp_path: Path) -> None:
    free_bytes = 1_000_000
    with closing(sqlite3.connect(source / "observatory.db")) as connection, connection:
        connection.execute("CREATE TABLE filler (bytes)")
        connection.execute("INSERT INTO filler VALUES (zeroblob(?))", (free_bytes,))
        connection.execute("DROP TABLE filler")

    whole = back_up(source, tmp_path / "whole", is_compact=False, say=say)
    compact = back_up(source, tmp_path / "compact", is_compact=True, say=say)

    assert whole.bytes - compact.bytes >= free_bytes
    assert compact.bytes == (tmp_path / "compact" / "observatory.db").stat().st_size


def test_a_backup_is_for_its_owner_alone_and_holds_no_token(source: Path, tmp_path: Path) -> None:
    (source / "token").write_text("0123456789abcdef0123")
    back_up(source, tmp_path / "backup", is_compact=False, say=say)
    back_up(source, tmp_path / "compact", is_compact=True, say=say)

    for folder in (tmp_path / "backup", tmp_path / "compact"):
        assert left_over(folder) == ["manifest.json", "observatory.db"]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_backup_beside_a_writer_is_one_instant_of_it(tmp_path: Path) -> None:
    async def story() -> tuple[int, int]:
        world = World(source)
        await world.submit(200)

        def goes_on(what: str, done: int, total: int) -> None:
            if what == "copying pages":
                file.write_now(lambda c: c.execute("UPDATE jobs SET metadata = '{}'"))

        file = world.file
        manifest = await asyncio.to_thread(lambda: back_up(source, tmp_path / "backup", is_compact=False, say=goes_on))
        await world.file.close()
        return manifest.jobs, manifest.violations

    source = tmp_path / "source"
    source.mkdir()

    assert asyncio.run(story()) == (200, 0)


def test_restoring_gives_the_history_another_generation(source: Path, backup: Path, tmp_path: Path) -> None:
    restore_backup(backup, tmp_path / "target", is_forced=False, say=say)

    def generation(folder: Path) -> str:
        connection = sqlite3.connect(folder / "observatory.db")
        (found,) = connection.execute("SELECT generation FROM history").fetchone()
        connection.close()
        return found

    assert generation(tmp_path / "target") != generation(source)


# --- what is refused --------------------------------------------------------------------------------


def test_nothing_is_overwritten_by_a_backup(source: Path, tmp_path: Path) -> None:
    for name in ("file", "folder", "link"):
        path = tmp_path / name
        {"file": path.touch, "folder": path.mkdir, "link": lambda path=path: path.symlink_to("nowhere")}[name]()
        with pytest.raises(BackupUnusable, match="exists already"):
            back_up(source, path, is_compact=False, say=say)


def test_an_interrupted_backup_leaves_nothing(source: Path, tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if what == "hashing bytes":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(source, tmp_path / "backup", is_compact=False, say=interrupt)

    assert left_over(tmp_path) == ["source"]


@pytest.mark.parametrize("inside", ["backup", "backups/today", "../elsewhere/backup"])
def test_a_backup_in_the_data_folder_is_refused(source: Path, tmp_path: Path, inside: str) -> None:
    (source / "backups").mkdir()
    (tmp_path / "elsewhere").symlink_to(source)
    before = left_over(source)

    with pytest.raises(BackupUnusable, match="is in the data folder"):
        back_up(source, source / inside, is_compact=False, say=say)

    assert left_over(source) == before


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell who runs")
def test_what_killed_backups_left_is_named(source: Path, tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"backup.partial-{dead.pid}", "backup.partial-1", "backup.partial-x", f"other.partial-{dead.pid}"):
        (tmp_path / name).mkdir()

    assert backup_files.left_over(tmp_path / "backup") == [tmp_path / f"backup.partial-{dead.pid}"]
    assert backup_files.left_over(tmp_path / "no" / "backup") == []


def test_what_a_killed_backup_with_our_number_left_is_named_and_not_touched(source: Path, tmp_path: Path) -> None:
    remains = tmp_path / f"backup.partial-{os.getpid()}"
    remains.mkdir()
    (remains / "observatory.db").write_text("half")

    with pytest.raises(BackupUnusable, match=r"is in the way: a backup that was killed left it"):
        back_up(source, tmp_path / "backup", is_compact=False, say=say)

    assert left_over(remains) == ["observatory.db"]


def test_a_backup_into_a_folder_that_is_not_there_is_one_clear_line(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataFolderUnusable, match="no such file or directory") as caught:
        back_up(source, tmp_path / "no" / "backup", is_compact=False, say=say)

    assert caught.value.remedy == "allow it, or name another folder for the backup"


def test_a_database_with_damaged_pages_gives_no_backup(source: Path, tmp_path: Path) -> None:
    database = source / "observatory.db"
    content = bytearray(database.read_bytes())
    for page in range(4, len(content) // 4096):
        content[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    database.write_bytes(content)

    with pytest.raises((BackupUnusable, DataFolderUnusable)):
        back_up(source, tmp_path / "backup", is_compact=False, say=say)

    assert left_over(tmp_path) == ["source"]


def test_a_faulty_history_is_backed_up_as_it_is_and_said_to_be_so(source: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(source / "observatory.db")
    with connection:
        connection.execute("DELETE FROM events WHERE position = 3")
    connection.close()

    manifest = back_up(source, tmp_path / "backup", is_compact=False, say=say)

    assert manifest.violations > 0
    restore_backup(tmp_path / "backup", tmp_path / "target", is_forced=False, say=say)
    assert rows(tmp_path / "target") == rows(source)


def cut_short(backup: Path) -> None:
    path = backup / "observatory.db"
    path.write_bytes(path.read_bytes()[:-4096])


def flip(backup: Path) -> None:
    content = bytearray((backup / "observatory.db").read_bytes())
    content[50_000] ^= 1
    (backup / "observatory.db").write_bytes(content)


def change_manifest(**changes: object):
    def change(backup: Path) -> None:
        path = backup / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("spoil", "error", "why"),
    [
        (cut_short, BackupUnusable, "bytes; its manifest says"),
        (flip, BackupUnusable, "is not what its manifest says"),
        (lambda backup: (backup / "manifest.json").unlink(), BackupUnusable, "has no manifest.json"),
        (lambda backup: (backup / "observatory.db").unlink(), BackupUnusable, "does not exist"),
        (lambda backup: (backup / "manifest.json").write_text("{"), BackupUnusable, "cannot be understood"),
        (lambda backup: (backup / "manifest.json").write_text("[" * 70_000), BackupUnusable, "is longer than"),
        (lambda backup: (backup / "manifest.json").write_bytes(b"\xff{}"), BackupUnusable, "cannot be understood"),
        (change_manifest(format=2), BackupUnusable, "has format 2"),
        (change_manifest(schema=999), DataTooNew, "has schema 999"),
        (change_manifest(bytes="many"), BackupUnusable, "cannot be understood"),
        (change_manifest(sha256="0" * 64), BackupUnusable, "is not what its manifest says"),
    ],
)
def test_what_is_not_a_whole_backup_is_refused_and_leaves_the_folder_as_it_was(
    backup: Path, tmp_path: Path, spoil, error: type[Exception], why: str
) -> None:
    spoil(backup)
    target = tmp_path / "target"

    with pytest.raises(error, match=why):
        restore_backup(backup, target, is_forced=True, say=say)

    assert not target.exists() or left_over(target) == ["lock"]


@pytest.mark.parametrize("wrong", ["nothing", "file"])
def test_another_path_is_no_backup(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(BackupUnusable, match="is not a complete backup"):
        restore_backup(tmp_path / wrong, tmp_path / "target", is_forced=False, say=say)


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
@pytest.mark.parametrize("name", ["manifest.json", "observatory.db"])
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(backup: Path, tmp_path: Path, name: str) -> None:
    (backup / name).unlink()
    os.mkfifo(backup / name)

    with pytest.raises(BackupUnusable, match=f"{name} is not a file"):
        restore_backup(backup, tmp_path / "target", is_forced=False, say=say)


def test_a_backup_that_cannot_be_read_is_not_said_to_be_the_folder_s_fault(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_it = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path == backup / "observatory.db":
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_it(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BackupUnusable, match=r"backup/observatory\.db cannot be read \(Permission denied\)"):
        restore_backup(backup, tmp_path / "target", is_forced=False, say=say)


def test_a_folder_in_use_or_with_data_is_refused(source: Path, backup: Path) -> None:
    before = rows(source)
    with pytest.raises(DataFolderUnusable, match="has a database already"):
        restore_backup(backup, source, is_forced=False, say=say)
    owner = DataFolder(source)
    owner.open()
    with pytest.raises(DataFolderInUse):
        restore_backup(backup, source, is_forced=True, say=say)
    owner.close()

    assert rows(source) == before


def test_a_folder_of_somebody_else_is_not_restored_into(backup: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    for name in ("letter.txt", "photos"):
        (target / name).write_text("mine")

    with pytest.raises(DataFolderUnusable, match=r"is not empty and has no jobs: it holds letter\.txt and 1 more"):
        restore_backup(backup, target, is_forced=False, say=say)
    assert left_over(target) == ["letter.txt", "photos"]

    restore_backup(backup, target, is_forced=True, say=say)
    assert (target / "letter.txt").read_text() == "mine"
    assert audit(target).violations == []


def test_what_an_observatory_without_jobs_left_is_restored_into(backup: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    (target / "lost+found").mkdir(parents=True)
    for name in ("lock", "token", "running.json", "config.toml", "observatory.db", "observatory.db.restoring"):
        (target / name).touch()

    restore_backup(backup, target, is_forced=False, say=say)

    assert audit(target).violations == []


def test_with_force_the_old_data_is_kept_whole_beside_the_new(source: Path, backup: Path) -> None:
    file, _ = open_file(source / "observatory.db")
    file.write_now(lambda c: c.execute('UPDATE jobs SET metadata = \'{"only": "old"}\''))
    before = file.read_now(lambda c: c.execute("SELECT * FROM jobs ORDER BY number").fetchall())
    # The process dies here: what it wrote last is in the write-ahead log alone.
    log = (source / "observatory.db-wal").read_bytes()
    file.abandon()
    (source / "observatory.db-wal").write_bytes(log)

    for number in (1, 2):
        _, aside = restore_backup(backup, source, is_forced=True, say=say)
        assert aside is not None
        assert aside.name == f"observatory.db.aside-{number:03}"

    connection = sqlite3.connect(source / "observatory.db.aside-001")
    assert connection.execute("SELECT * FROM jobs ORDER BY number").fetchall() == before
    connection.close()
    assert rows(source) == rows(backup)
    assert not (source / "observatory.db-wal").exists()


def test_a_restore_that_dies_leaves_what_was_there(source: Path, backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    before = rows(source)
    monkeypatch.setattr(restoring, "_put_in_place", die)
    with pytest.raises(Killed):
        restore_backup(backup, source, is_forced=True, say=say)
    assert rows(source) == before
    monkeypatch.undo()

    (source / "observatory.db.restoring").write_bytes(b"half of a copy")  # as a kill leaves it
    restore_backup(backup, source, is_forced=True, say=say)

    assert "observatory.db.restoring" not in left_over(source)
    assert audit(source).violations == []


def test_everything_is_on_the_disk_before_the_name_is(source: Path, tmp_path: Path, monkeypatch) -> None:
    steps: list[str] = []
    rename, fsync = Path.rename, os.fsync
    monkeypatch.setattr(Path, "rename", lambda self, to: (steps.append(f"rename {Path(to).name}"), rename(self, to))[1])
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append("fsync"), fsync(fd))[1])

    back_up(source, tmp_path / "backup", is_compact=False, say=say)

    assert steps == ["fsync", "fsync", "fsync", "rename backup", "fsync"]
    assert backup_files.read_manifest(tmp_path / "backup").jobs == 12
