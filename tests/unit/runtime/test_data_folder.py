"""One owner at a time, a private token, and what is said when the folder cannot be used."""

import asyncio
import errno
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from observatory.client.data_folder import Running, read_running, read_token
from observatory.core import limits
from observatory.core.errors import DataFolderInUse, DataFolderUnusable, StoreUnavailable
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.sqlite_file import CommitUnknown, FileGone, SqliteFile, translated
from observatory.engine.writers import InlineWriter
from observatory.runtime import data_folder
from observatory.runtime.data_folder import CannotWrite, DataFolder, answering, check_writes, make_private, usable
from observatory.runtime.ports.sqlite import open_file
from tests.e2e.process import BY_PERMISSIONS, odd

RUNNING = Running(
    pid=1, instance_id="a", version="1", started_at=datetime(2026, 1, 1, tzinfo=UTC), gateway="http://127.0.0.1:1",
    read_model="http://127.0.0.1:2",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Generator[DataFolder]:
    opened = DataFolder(tmp_path / "some" / "data")
    opened.open()
    yield opened
    opened.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- the owner ------------------------------------------------------------------------------------


def test_a_new_folder_and_its_files_are_private(folder: DataFolder) -> None:
    folder.token()
    folder.write_running(RUNNING)

    assert mode(folder.path) == 0o700
    assert {path.name: mode(path) for path in folder.path.iterdir()} == {
        "lock": 0o600,
        "running.json": 0o600,
        "token": 0o600,
    }


def test_a_second_owner_is_refused_and_the_first_may_give_it_back(folder: DataFolder) -> None:
    other = DataFolder(folder.path)

    with pytest.raises(DataFolderInUse, match="is held by another process") as caught:
        other.open()
    folder.close()
    folder.close()
    other.open()
    other.close()

    assert "ODD_DATA_DIR" in caught.value.remedy


def test_another_process_is_kept_out_too(folder: DataFolder) -> None:
    code = (
        "import sys; from pathlib import Path; from observatory.runtime.data_folder import DataFolder\n"
        "try: DataFolder(Path(sys.argv[1])).open()\n"
        "except Exception as error: print(type(error).__name__)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, folder.path], capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout == "DataFolderInUse\n"


def test_a_lock_file_that_a_dead_owner_left_keeps_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("", encoding="utf-8")
    folder = DataFolder(tmp_path)

    folder.open()
    folder.close()


def test_a_folder_that_knows_no_locks_is_not_said_to_be_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(fd: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(data_folder, "_lock", no_locks)

    with pytest.raises(DataFolderUnusable, match=r"cannot be locked \(no locks available\)") as caught:
        DataFolder(tmp_path).open()

    assert "local disk" in caught.value.remedy


ANEW = "the data folder was used before but has no jobs: beginning anew"


@pytest.mark.parametrize("content", [None, b""], ids=["absent", "empty"])
def test_a_used_folder_whose_jobs_are_gone_is_warned_about(folder: DataFolder, content: bytes | None) -> None:
    folder.token()
    folder.close()
    if content is not None:
        folder.database.write_bytes(content)
    assert folder.warnings == []

    again = DataFolder(folder.path)
    again.open()
    again.close()

    assert again.warnings == [ANEW]


def test_a_folder_with_its_jobs_and_a_new_one_are_not_warned_about(folder: DataFolder) -> None:
    folder.token()
    folder.close()
    folder.database.write_bytes(b"jobs")

    again = DataFolder(folder.path)
    again.open()
    again.close()

    assert (folder.warnings, again.warnings) == ([], [])


# --- the token and the addresses ------------------------------------------------------------------


def test_the_token_is_made_once_and_read_by_the_clients(folder: DataFolder) -> None:
    first = folder.token()

    assert DataFolder(folder.path).token() == first
    assert read_token(folder.path) == first


def test_an_empty_token_file_is_filled(folder: DataFolder) -> None:
    folder.token_file.write_text("\n", encoding="utf-8")

    assert folder.token()
    assert mode(folder.token_file) == 0o600


@pytest.mark.parametrize("length", [limits.TOKEN_CHARS_MIN, limits.TOKEN_CHARS_MAX])
def test_a_token_of_ones_own_is_kept(folder: DataFolder, length: int) -> None:
    folder.token_file.write_text("t" * length, encoding="utf-8")
    folder.token_file.chmod(0o600)

    assert folder.token() == "t" * length == read_token(folder.path)
    assert folder.warnings == []


@pytest.mark.parametrize(
    "content",
    [
        b"t" * (limits.TOKEN_CHARS_MIN - 1),
        b"t" * (limits.TOKEN_CHARS_MAX + 1),
        b"\xff" * 20,
        "é".encode() * 20,
        b"two words of some length",
        b"two lines\nof some length",
    ],
    ids=["too short", "too long", "no UTF-8", "not ASCII", "two words", "two lines"],
)
def test_a_token_file_that_holds_no_token_is_refused_and_kept(folder: DataFolder, content: bytes) -> None:
    folder.token_file.write_bytes(content)

    with pytest.raises(DataFolderUnusable, match=f"^{folder.token_file} does not hold a token") as caught:
        folder.token()

    assert caught.value.remedy.startswith("remove the file")
    assert folder.token_file.read_bytes() == content


@pytest.mark.parametrize("open_to_others", [0o644, 0o640, 0o602])
def test_a_token_that_others_could_read_is_kept_from_them_with_a_warning(
    folder: DataFolder, open_to_others: int
) -> None:
    token = folder.token()
    folder.token_file.chmod(open_to_others)

    again = DataFolder(folder.path)

    assert again.token() == token
    assert mode(folder.token_file) == 0o600
    assert again.warnings == [f"other users could read token (mode {open_to_others:04o}); its mode is 0600 now"]


def test_the_database_is_private_in_a_folder_that_is_not(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    tmp_path.chmod(0o755)

    file, _ = open_file(folder.database)

    modes = {path.name: mode(path) for path in tmp_path.iterdir()}
    asyncio.run(file.close())
    assert modes == dict.fromkeys(["observatory.db", "observatory.db-wal", "observatory.db-shm"], 0o600)


def test_the_mode_of_a_database_that_exists_is_its_owners_choice(tmp_path: Path) -> None:
    database = tmp_path / "observatory.db"
    make_private(database)
    database.chmod(0o640)

    make_private(database)

    assert mode(database) == 0o640


def test_the_addresses_are_published_whole_and_taken_back(folder: DataFolder) -> None:
    folder.write_running(RUNNING)
    assert read_running(folder.path) == RUNNING

    folder.remove_running()
    folder.remove_running()

    assert read_running(folder.path) is None
    assert sorted(path.name for path in folder.path.iterdir()) == ["lock"]


# --- what cannot be used --------------------------------------------------------------------------


def test_a_file_in_place_of_the_folder_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("", encoding="utf-8")

    for wanted, what in ((path, "it"), (path / "below", path), (path / "far" / "below", path)):
        with pytest.raises(DataFolderUnusable) as caught:
            DataFolder(wanted).open()
        assert str(caught.value) == f"{wanted} cannot be written ({what} is not a folder)"
        assert "ODD_DATA_DIR" in caught.value.remedy


@pytest.mark.parametrize("target", ["gone", "link"], ids=["to what is gone", "to itself"])
def test_a_link_that_leads_nowhere_is_named_in_one_clear_line(tmp_path: Path, target: str) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / target)

    with pytest.raises(DataFolderUnusable) as caught:
        DataFolder(link).open()
    assert str(caught.value) == f"{link} cannot be written (it is a link that leads nowhere)"

    with pytest.raises(DataFolderUnusable) as caught:
        DataFolder(link / "below").open()
    said = {"gone": f"{link} is a link that leads nowhere", "link": os.strerror(errno.ELOOP).lower()}
    assert str(caught.value) == f"{link / 'below'} cannot be written ({said[target]})"


def test_a_link_to_a_file_is_not_a_folder(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    (tmp_path / "file").write_text("", encoding="utf-8")

    for wanted, what in ((link, "it"), (link / "below", link)):
        with pytest.raises(DataFolderUnusable) as caught:
            DataFolder(wanted).open()
        assert str(caught.value) == f"{wanted} cannot be written ({what} is not a folder)"


@pytest.mark.parametrize("below", ["", "new"], ids=["the folder", "a folder to be made in it"])
def test_up_in_a_read_only_folder_is_one_clear_line_with_its_cure(tmp_path: Path, below: str) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(0o500)

    done = odd(folder / below, "up", "--json", before=BY_PERMISSIONS)

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert f"{folder / below} cannot be written (permission denied)" in line
    assert "point ODD_DATA_DIR at another folder" in line
    assert list(folder.iterdir()) == []


def test_up_on_a_read_only_database_is_one_clear_line_with_its_cure(folder: DataFolder) -> None:
    connection = sqlite3.connect(folder.database)
    connection.executescript("CREATE TABLE t (x); DROP TABLE t;")
    connection.close()
    folder.database.chmod(0o400)
    folder.close()

    done = odd(folder.path, "up", "--json", before=BY_PERMISSIONS)

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert f"{folder.database} cannot be written (attempt to write a readonly database)" in line


def raised(code: int, text: str) -> sqlite3.Error:
    """An error as SQLite raises it, with its extended result code."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "problem", "remedy"),
    [
        (OSError(errno.ENOSPC, ""), "no space is left for", "free some space"),
        (OSError(errno.EDQUOT, ""), "no space is left for", "free some space"),
        (OSError(errno.EROFS, ""), "cannot be written (read-only file system)", "allow it"),
        (OSError("strange"), "cannot be written (strange)", "allow it"),
        (raised(sqlite3.SQLITE_FULL, "database or disk is full"), "no space is left for", "free some space"),
        (raised(sqlite3.SQLITE_READONLY, "readonly"), "cannot be written (readonly)", "allow it"),
        (raised(sqlite3.SQLITE_CANTOPEN_ISDIR, "unable to open"), "cannot be written (unable to open)", "allow it"),
        (
            raised(sqlite3.SQLITE_IOERR_WRITE, "disk I/O error"),
            "cannot be written (disk I/O error)",
            "look at the disk",
        ),
        (raised(sqlite3.SQLITE_BUSY, "database is locked"), "is in use (database is locked)", "close the program"),
        (raised(sqlite3.SQLITE_CORRUPT, "malformed"), "is damaged (malformed)", "bring back a copy"),
        (raised(sqlite3.SQLITE_NOTADB, "not a database"), "is damaged (not a database)", "bring back a copy"),
        (sqlite3.DatabaseError("of the driver"), "is damaged (of the driver)", "bring back a copy"),
    ],
    ids=lambda value: repr(value)[:50] if isinstance(value, Exception) else "",
)
def test_each_fault_has_its_line_and_its_cure(tmp_path: Path, error: Exception, problem: str, remedy: str) -> None:
    path = tmp_path / "observatory.db"

    with pytest.raises(DataFolderUnusable) as caught, usable(path):
        raise error

    assert str(path) in str(caught.value)
    assert problem in str(caught.value)
    assert caught.value.remedy.startswith(remedy)
    assert caught.value.remedy.endswith("point ODD_DATA_DIR at another folder")


def test_an_input_or_output_error_on_a_disk_without_space_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = os.statvfs(tmp_path)
    monkeypatch.setattr(
        data_folder.shutil, "disk_usage", lambda _: data_folder.shutil._ntuple_diskusage(usage.f_blocks, 0, 0)
    )

    with pytest.raises(DataFolderUnusable, match="no space is left"), usable(tmp_path / "observatory.db"):
        raise raised(sqlite3.SQLITE_IOERR_SHMSIZE, "disk I/O error")


def test_what_a_service_translated_already_is_understood_too(tmp_path: Path) -> None:
    with pytest.raises(DataFolderUnusable, match="no space is left"), answering(tmp_path), translated(StoreUnavailable):
        raise raised(sqlite3.SQLITE_FULL, "database or disk is full")


def test_a_service_that_is_away_for_another_reason_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable), answering(tmp_path):
        raise StoreUnavailable("of its own")


# --- whether writes work --------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Generator[SqliteFile]:
    opened = SqliteFile(tmp_path / "observatory.db", writer=InlineWriter(), readers=InlineExecutor())
    yield opened
    opened.abandon()


def lost_commit(error: sqlite3.Error) -> CommitUnknown:
    unknown = CommitUnknown(str(error))
    unknown.__cause__ = error
    return unknown


FULL = raised(sqlite3.SQLITE_FULL, "database or disk is full")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FULL, "disk_full"),
        (lost_commit(FULL), "disk_full"),
        (raised(sqlite3.SQLITE_IOERR_WRITE, "disk I/O error"), "write_failed"),
        (sqlite3.OperationalError("of the driver"), "write_failed"),
    ],
)
def test_a_write_that_failed_is_known_until_one_succeeds(file: SqliteFile, error: sqlite3.Error, code: str) -> None:
    file.write_error = error

    with pytest.raises(CannotWrite, match="the last write failed") as caught:
        check_writes(file)
    file.write_error = None
    check_writes(file)

    assert caught.value.code == code


def test_a_deleted_file_is_not_ready_before_anybody_writes(file: SqliteFile) -> None:
    check_writes(file)
    file.path.unlink()

    with pytest.raises(CannotWrite) as caught:
        check_writes(file)

    assert caught.value.code == "file_gone"
    assert isinstance(caught.value.__cause__, FileGone)


def test_processes_that_make_the_token_at_the_same_time_get_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    made: list[str] = []

    def another_is_quicker() -> str:
        monkeypatch.setattr(data_folder, "new_token", lambda: "f" * 43)
        made.append(first.token())
        return "s" * 43

    monkeypatch.setattr(data_folder, "new_token", another_is_quicker)

    assert second.token() == made[0] == "f" * 43
    assert {path.name for path in tmp_path.iterdir()} == {"token"}
