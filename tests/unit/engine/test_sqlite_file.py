"""Does the one writer commit in groups, in order, and let nobody suffer for another?"""

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from observatory.core import limits
from observatory.core.errors import ObservatoryError, StoreUnavailable, UnknownJob
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.sqlite_file import CommitUnknown, FileGone, SqliteFile, translated
from observatory.engine.sqlite_text import DamagedRow
from observatory.engine.writers import InlineWriter, WriterThread
from observatory.testing.factories import JobFactory


class CountingFile(SqliteFile):
    """Counts commits; *lost* of them take effect but answer with an error."""

    commits = 0
    lost = 0

    def commit(self, connection):
        super().commit(connection)
        self.commits += 1
        if self.lost:
            self.lost -= 1
            raise sqlite3.OperationalError("disk I/O error")


@pytest.fixture(params=["threads", "inline"])
def file(request, tmp_path):
    is_inline = request.param == "inline"
    writer = InlineWriter() if is_inline else WriterThread()
    readers = InlineExecutor() if is_inline else ThreadPoolExecutor(2)
    file = CountingFile(tmp_path / "test.db", writer=writer, readers=readers)
    file.write_now(lambda connection: connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT"))
    file.commits = 0
    yield file
    readers.shutdown()
    file.abandon()


def insert(number):
    def unit(connection):
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        return number

    return unit


def failing(number, error):
    """Writes, then raises *error*."""

    def unit(connection):
        insert(number)(connection)
        raise error

    return unit


def select(connection):
    return [number for (number,) in connection.execute("SELECT n FROM t ORDER BY n")]


def slow_select(connection):
    """Long enough for the other readers to be asked too."""
    numbers = select(connection)
    time.sleep(0.002)
    return numbers


async def write_all(file, units):
    return await asyncio.gather(*(file.write(unit) for unit in units), return_exceptions=True)


async def test_what_waits_together_is_committed_together(file):
    values = await write_all(file, [insert(number) for number in range(100)])

    assert values == list(range(100))
    assert file.commits == 1
    assert await file.read(select) == list(range(100))


async def test_a_group_is_bounded(file):
    await write_all(file, [insert(number) for number in range(limits.WRITE_GROUP_MAX + 1)])

    assert file.commits == 2


async def test_units_take_effect_in_the_order_of_their_calls(file):
    order = []

    def unit(number):
        return lambda connection: order.append(number)

    await write_all(file, [unit(number) for number in range(50)])

    assert order == list(range(50))


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.IntegrityError("x"),
        UnknownJob("x"),
        AssertionError("x"),
        KeyError("x"),
        OverflowError("x"),
        RuntimeError("x"),
        AttributeError("x"),
        RecursionError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_one_failing_unit_fails_alone(file, error):
    values = await write_all(file, [insert(1), failing(2, error), insert(3)])

    assert [values[0], values[2]] == [1, 3]
    assert values[1] is error
    assert await file.read(select) == [1, 3]


async def test_a_single_failing_unit_leaves_nothing(file):
    with pytest.raises(UnknownJob):
        await file.write(failing(1, UnknownJob("x")))

    assert await file.read(select) == []
    assert await file.write(insert(1)) == 1


async def test_a_group_whose_commit_may_have_taken_effect_is_not_run_again(file):
    file.lost = 1

    values = await write_all(file, [insert(1), insert(2)])

    assert [type(value) for value in values] == [CommitUnknown, CommitUnknown]
    assert await file.read(select) == [1, 2]
    assert await file.write(insert(3)) == 3


async def test_a_single_unit_whose_commit_may_have_taken_effect_says_so(file):
    file.lost = 1

    with pytest.raises(CommitUnknown):
        await file.write(insert(1))

    assert await file.read(select) == [1]


async def test_a_commit_that_was_refused_is_rolled_back_and_tried_one_by_one(file, monkeypatch):
    refusals = [sqlite3.OperationalError("database or disk is full")]

    def commit(connection):
        if refusals:
            raise refusals.pop()
        SqliteFile.commit(file, connection)

    monkeypatch.setattr(file, "commit", commit)

    assert await write_all(file, [insert(1), insert(2)]) == [1, 2]
    assert await file.read(select) == [1, 2]


async def test_a_group_that_cannot_begin_is_not_tried_one_by_one(file, monkeypatch):
    said = sqlite3.OperationalError("database is locked")

    class Locked:
        """A connection to a file that somebody else holds."""

        in_transaction = False
        begun = 0

        def execute(self, sql, *values):
            assert sql == "BEGIN IMMEDIATE"
            self.begun += 1
            raise said

    locked = Locked()
    real = file._connection
    monkeypatch.setattr(file, "_connection", locked)

    values = await write_all(file, [insert(number) for number in range(limits.WRITE_GROUP_MAX)])

    assert all(value is said for value in values)
    assert locked.begun == 1
    monkeypatch.setattr(file, "_connection", real)
    assert await file.write(insert(1)) == 1
    assert await file.read(select) == [1]


async def test_a_transaction_whose_rollback_failed_does_not_block_the_writer(file, monkeypatch):
    class NoRollback:
        def __init__(self, connection):
            self.connection = connection
            self.in_transaction = False  # as if it could not be seen

        def execute(self, sql, *values):
            if sql == "BEGIN IMMEDIATE":
                self.connection.execute(sql)
                raise sqlite3.OperationalError("injected after BEGIN")
            return self.connection.execute(sql, *values)

        def close(self):
            self.connection.close()

    real = file._connection
    monkeypatch.setattr(file, "_connection", NoRollback(real))
    with pytest.raises(sqlite3.OperationalError):
        await file.write(insert(1))
    assert real.in_transaction
    monkeypatch.setattr(file, "_connection", real)

    assert await file.write(insert(2)) == 2
    assert await file.read(select) == [2]


async def test_a_broken_writer_fails_its_callers_instead_of_leaving_them_waiting(file, monkeypatch):
    class Broken(InlineWriter):
        def hand(self, call):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(file._groups, "_writer", Broken())

    async with asyncio.timeout(10.0):
        values = await write_all(file, [insert(1), insert(2)])

    assert [type(value) for value in values] == [sqlite3.OperationalError] * 2


async def test_after_a_writer_that_could_not_run_the_next_write_works(file, monkeypatch):
    class Broken(InlineWriter):
        def hand(self, call):
            raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(file._groups, "_writer", Broken())
        await write_all(file, [insert(1)])

    async with asyncio.timeout(10.0):
        assert await file.write(insert(2)) == 2


@pytest.mark.parametrize("error", [StopIteration(), GeneratorExit(), asyncio.CancelledError()])
async def test_whatever_a_unit_raises_the_next_write_works(file, error):
    async with asyncio.timeout(10.0):
        values = await write_all(file, [failing(1, error), insert(2)])
        assert isinstance(values[0], BaseException)
        assert await file.write(insert(3)) == 3

    assert 1 not in await file.read(select)


async def test_whoever_waits_when_the_file_is_abandoned_gets_an_error(file):
    async with asyncio.timeout(10.0):
        waiting = [asyncio.create_task(file.write(insert(number))) for number in range(3)]
        await asyncio.sleep(0)
        file.abandon()

        values = await asyncio.gather(*waiting, return_exceptions=True)
        await file.close()

    assert all(isinstance(value, sqlite3.Error) for value in values)


async def test_a_caller_that_left_before_its_turn_writes_nothing(file):
    async with asyncio.TaskGroup() as tasks:
        leaver = tasks.create_task(file.write(insert(1)))
        stayer = tasks.create_task(file.write(insert(2)))
        await asyncio.sleep(0)
        leaver.cancel()

    assert stayer.result() == 2
    assert await file.read(select) in ([2], [1, 2])  # its unit may have been on its way


async def test_a_cancelled_caller_does_not_cancel_the_writer(file):
    task = asyncio.create_task(file.write(insert(1)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await file.write(insert(2)) == 2


async def test_a_text_that_is_not_utf8_does_not_break_up_its_group(file):
    def unit(connection):
        return connection.execute("SELECT CAST(x'61ff' AS TEXT), 'ü', x'ff', 1").fetchone()

    async with asyncio.timeout(10.0):
        values = await write_all(file, [insert(1), unit, insert(2)])

    assert values == [1, ("a\\xff", "ü", b"\xff", 1), 2]
    assert isinstance(values[1], DamagedRow)
    assert file.commits == 1
    assert isinstance(await file.read(unit), DamagedRow)
    assert type(await file.read(lambda connection: connection.execute("SELECT 'ü'").fetchone())) is tuple


async def test_a_read_sees_every_commit_that_returned_before_it(file):
    for number in range(20):
        await file.write(insert(number))
        assert number in await file.read(select)


def endless(connection):
    connection.execute(
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    ).fetchone()


async def test_a_read_that_never_ends_is_ended_and_the_next_one_answers(file, monkeypatch):
    monkeypatch.setattr(limits, "STATEMENT_S_MAX", 0.05)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        await file.read(endless)
    with pytest.raises(StoreUnavailable), translated(StoreUnavailable):
        await file.read(endless)

    monkeypatch.undo()
    assert await file.read(select) == []
    assert await file.write(insert(1)) == 1


async def test_a_read_that_waits_too_long_for_a_reader_is_not_begun(file, monkeypatch):
    monkeypatch.setattr(limits, "STATEMENT_S_MAX", -1.0)
    begun = []

    with pytest.raises(sqlite3.OperationalError, match="no reader was free"):
        await file.read(begun.append)

    assert begun == []
    assert file.read_now(select) == []


async def test_a_read_can_change_nothing(file):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await file.read(insert(1))


async def test_a_commit_survives_the_file_being_left_as_it_is(file, tmp_path):
    await file.write(insert(1))

    file.abandon()

    again = SqliteFile(tmp_path / "test.db", writer=InlineWriter(), readers=InlineExecutor())
    assert again.read_now(select) == [1]
    again.abandon()


async def test_every_commit_waits_for_the_disk(file):
    pragmas = {
        name: file._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
    }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}


async def test_closing_finishes_what_waits(file, tmp_path):
    waiting = [asyncio.create_task(file.write(insert(number))) for number in range(5)]
    await asyncio.sleep(0)

    await file.close()
    await file.close()

    assert [await task for task in waiting] == list(range(5))
    left = sqlite3.connect(tmp_path / "test.db")
    assert select(left) == list(range(5))
    left.close()


async def test_a_closed_file_takes_and_gives_nothing(file):
    await file.close()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        await file.write(insert(1))
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        await file.read(select)


@pytest.mark.parametrize("lose", ["delete", "move", "replace"])
async def test_a_file_that_lost_its_name_takes_nothing(file, tmp_path, lose):
    await file.write(insert(1))
    path, elsewhere = file.path, tmp_path / "elsewhere.db"
    if lose == "delete":
        path.unlink()
    else:
        path.rename(elsewhere)
        if lose == "replace":
            path.write_bytes(elsewhere.read_bytes())

    values = await write_all(file, [insert(2), insert(3)])

    assert [type(value) for value in values] == [FileGone, FileGone]
    assert isinstance(file.write_error, FileGone)
    with pytest.raises(FileGone, match="deleted, moved or replaced"):
        file.check_name()
    assert select(file._connection) == [1]


async def test_a_new_reader_does_not_open_another_file_of_the_same_name(file):
    file.path.unlink()

    with pytest.raises(FileGone):
        await file.read(select)

    assert not file.path.exists()


@pytest.fixture
def migrated(file, tmp_path):
    """A file as a start leaves it."""
    migrated = SqliteFile(tmp_path / "migrated.db", writer=type(file._writer)(), readers=file._readers_executor)
    migrated.migrate([])
    migrated.write_now(lambda connection: connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT"))
    yield migrated
    migrated.abandon()


@pytest.mark.parametrize("read_first", [0, 1, 5])
async def test_a_deleted_file_is_still_read_by_every_reader(migrated, read_first):
    await migrated.write(insert(1))
    for _ in range(read_first):
        await migrated.read(select)

    for path in (migrated.path, *(migrated.path.with_name(migrated.path.name + suffix) for suffix in ("-wal", "-shm"))):
        path.unlink()

    assert await asyncio.gather(*(migrated.read(slow_select) for _ in range(20))) == [[1]] * 20
    assert not migrated.path.exists()


async def test_no_more_readers_are_opened_than_read_at_once(migrated):
    at_start = len(migrated._reader_connections)

    await asyncio.gather(*(migrated.read(slow_select) for _ in range(20)))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await migrated.read(insert(1))
    await migrated.read(select)

    assert len(migrated._reader_connections) == len(migrated._free_readers) == at_start <= limits.READERS


async def test_a_file_that_was_moved_back_takes_writes_again(file, tmp_path):
    file.path.rename(tmp_path / "elsewhere.db")
    await write_all(file, [insert(1)])
    (tmp_path / "elsewhere.db").rename(file.path)

    file.check_name()

    assert await file.write(insert(2)) == 2
    assert file.write_error is None


async def test_the_last_failed_write_is_remembered_until_one_succeeds(file, monkeypatch):
    full = sqlite3.OperationalError("database or disk is full")
    assert file.write_error is None

    with monkeypatch.context() as patched:
        patched.setattr(file, "commit", failing(0, full))
        await write_all(file, [insert(1)])
        assert file.write_error is full
    await write_all(file, [insert(2)])

    assert file.write_error is None


NO_TEXT = sqlite3.OperationalError("Could not decode to UTF-8 column 'payload' with text 'x'")


@pytest.mark.parametrize(
    "error", [UnknownJob("x"), sqlite3.IntegrityError("x"), AssertionError("x"), NO_TEXT], ids=repr
)
async def test_what_a_unit_gets_wrong_itself_is_not_the_files_fault(file, error):
    await write_all(file, [failing(1, error)])

    assert file.write_error is None


async def test_waiters_learn_of_a_commit_that_wrote_events(file):
    event = msgspec.structs.replace(JobFactory().pending().events[0], position=1)

    await file.write(insert(1))
    assert not file.has_committed.is_set()

    await file.write(lambda connection: file.written([(event, 2)]))

    assert file.has_committed.is_set()
    assert file.recent_events.after(0, count_max=10) == [event]


async def test_events_of_a_transaction_that_failed_are_not_told(file):
    event = msgspec.structs.replace(JobFactory().pending().events[0], position=1)

    def unit(connection):
        file.written([(event, 2)])
        raise KeyError("no")

    with pytest.raises(KeyError):
        await file.write(unit)

    assert file.recent_events.after(0, count_max=10) == []
    assert file.has_committed.is_set(), "whoever waits looks for what may have been written all the same"


def every_error(kind):
    return [kind, *(one for child in kind.__subclasses__() for one in every_error(child))]


@pytest.mark.parametrize("kind", every_error(sqlite3.Error), ids=lambda kind: kind.__name__)
def test_every_error_of_the_library_is_translated(kind):
    with pytest.raises(StoreUnavailable, match=kind.__name__) as raised, translated(StoreUnavailable):
        raise kind("no such thing")

    assert isinstance(raised.value.__cause__, kind)


@pytest.mark.parametrize("error", [UnknownJob("x"), AssertionError("x"), KeyError("x")], ids=repr)
def test_other_errors_pass_as_they_are(error):
    with pytest.raises((ObservatoryError, AssertionError, KeyError)) as raised, translated(StoreUnavailable):
        raise error

    assert raised.value is error


def test_the_inline_executor_hands_values_and_errors_on():
    executor = InlineExecutor()

    assert executor.submit(divmod, 7, 2).result() == (3, 1)
    assert isinstance(executor.submit(divmod, 7, 0).exception(), ZeroDivisionError)
