"""The audit changes no byte, whatever state the data folder is in, and says in one line when it cannot read it."""

import asyncio
import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from observatory.core.errors import CannotStart, DataFolderUnusable, DataTooNew
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.sqlite_reader import SqliteReader
from observatory.testing.manual_sources import SeededIds
from tests.unit.audit.conftest import audit
from tests.unit.audit.populated import World


def bytes_of(folder: Path) -> dict[str, str]:
    """A digest of every file. Never while a database is open in this process: closing a file drops its locks."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def changed(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(folder / "observatory.db")
    with connection:
        connection.execute(sql)
    connection.close()


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The files as an owner leaves them that was killed: what it wrote last is only in the WAL."""
    running, folder = tmp_path / "running", tmp_path / "killed"
    running.mkdir()

    async def live() -> None:
        world = World(running)
        await world.submit(5)
        await world.count()
        shutil.copytree(running, folder)
        await world.file.close()

    asyncio.run(live())
    assert (folder / "observatory.db-wal").stat().st_size > 0
    return folder


def test_a_closed_folder_is_not_changed(copy: Path) -> None:
    before = bytes_of(copy)

    report = audit(copy)

    assert report.is_clean
    assert bytes_of(copy) == before


def test_what_a_killed_owner_left_is_read_from_the_wal_and_not_changed(killed: Path) -> None:
    before = bytes_of(killed)

    report = audit(killed)

    assert report.is_clean
    assert report.checked.jobs == 5
    after = bytes_of(killed)
    assert {name: after[name] for name in after if not name.endswith("-shm")} == {
        name: before[name] for name in before if not name.endswith("-shm")
    }


def test_a_copy_with_a_wal_and_without_its_index_is_read_and_nothing_is_created(killed: Path) -> None:
    (killed / "observatory.db-shm").unlink()
    before = bytes_of(killed)

    report = audit(killed)

    assert report.is_clean
    assert report.checked.jobs == 5
    assert bytes_of(killed) == before


def test_no_file_appears_even_for_a_moment(copy: Path) -> None:
    reader = SqliteReader(copy / "observatory.db", readers=InlineExecutor())

    def names_during_a_read(connection: sqlite3.Connection) -> list[str]:
        rows = connection.execute("SELECT * FROM jobs")
        assert rows.fetchone()
        return [path.name for path in copy.iterdir()]

    names = reader.read_now(names_during_a_read)

    reader.abandon()
    assert names == ["observatory.db"]


@pytest.mark.parametrize("prepare", [lambda folder: None, lambda folder: (folder / "observatory.db-shm").unlink()])
def test_writing_through_the_reader_is_refused_by_the_engine(killed: Path, prepare: Callable[[Path], None]) -> None:
    prepare(killed)
    reader = SqliteReader(killed / "observatory.db", readers=InlineExecutor())

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.write_now(lambda connection: connection.execute("DELETE FROM jobs"))

    reader.abandon()


def test_an_owner_that_comes_while_a_copy_is_read_without_locks_is_noticed(copy: Path) -> None:
    reader = SqliteReader(copy / "observatory.db", readers=InlineExecutor())
    reader.read_now(lambda connection: connection.execute("SELECT count(*) FROM jobs").fetchone())
    assert not reader.was_overtaken()

    async def own() -> None:
        world = World(copy)
        world.ids = SeededIds("another owner")
        await world.submit(1)
        assert reader.was_overtaken()
        await world.file.close()

    asyncio.run(own())
    assert reader.was_overtaken()
    reader.abandon()


def test_an_audit_that_was_overtaken_begins_again_beside_the_owner(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[bool] = []
    answers = iter([True, False])

    def was_overtaken(reader: SqliteReader) -> bool:
        opened.append(reader.has_owner_file)
        return next(answers)

    monkeypatch.setattr(SqliteReader, "was_overtaken", was_overtaken)

    report = audit(copy)

    assert report.is_clean
    assert len(opened) == 2


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataFolderUnusable, match="does not exist"):
        audit(tmp_path / "nowhere")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"this is no database at all, and it is long enough to have a header" * 20])
def test_a_file_that_is_no_database_of_ours(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "observatory.db").write_bytes(content)
    before = bytes_of(tmp_path)

    with pytest.raises(DataFolderUnusable, match=r"observatory\.db .*not a database") as caught:
        audit(tmp_path)

    assert "\n" not in str(caught.value)
    assert bytes_of(tmp_path) == before


def test_a_newer_schema(copy: Path) -> None:
    changed(copy, "PRAGMA user_version = 999")
    before = bytes_of(copy)

    with pytest.raises(DataTooNew, match="999"):
        audit(copy)

    assert bytes_of(copy) == before


def test_a_database_cut_off_in_the_middle_is_not_called_healthy(copy: Path) -> None:
    database = copy / "observatory.db"
    with database.open("r+b") as file:
        file.truncate(database.stat().st_size // 2)

    with pytest.raises(CannotStart, match="cannot be read"):
        audit(copy)
