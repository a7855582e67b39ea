"""One SQLite file: one writer that commits in groups, and readers apart.

Every embedded driver writes through the same `SqliteFile.write`. What waits while the previous
group commits goes into the next one, so that a group needs one fsync; an idle file adds no delay.
WAL with `synchronous=FULL`: a commit that returned survives a power cut, as far as the disk honours
fsync. Only the writer's connection writes and checkpoints, which also keeps clear of the WAL-reset
fault of SQLite before 3.51.3 (two connections that checkpoint at once).
"""

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from observatory.core import limits
from observatory.core.errors import Unavailable
from observatory.core.event import Event
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.migrations import Migration
from observatory.engine.recent_events import RecentEvents
from observatory.engine.sqlite_migrations import migrate
from observatory.engine.sqlite_text import decode_with_care, is_of_text
from observatory.engine.write_groups import Answer, Unit, WriteGroups
from observatory.engine.writers import Writer

T = TypeVar("T")
Deadline = tuple[Callable[[], float], float]
"""A clock of seconds, and its reading at which a read has taken too long."""


@contextlib.contextmanager
def translated(unavailable: type[Unavailable]) -> Generator[None]:
    """Turn every error of the engine into *unavailable*; errors of ours pass."""
    try:
        yield
    except sqlite3.Error as error:
        raise unavailable(f"{type(error).__name__}: {error}") from error


class CommitUnknown(sqlite3.OperationalError):
    """A commit failed and left no transaction to roll back: it may have taken effect."""


class FileGone(sqlite3.OperationalError):
    """The path does not name the open file any more: it was deleted, moved or replaced. Nothing was written."""


class SqliteFile:
    """
    The file at *path*, opened once by its owner.

    Args:
        writer: Runs the transactions. The simulator passes one that runs inline.
        readers: Runs reads beside the writer.
    """

    def __init__(self, path: Path, *, writer: Writer, readers: Executor) -> None:
        self.path = path
        self._writer = writer
        self._readers_executor = readers
        self._connection = self.open_connection()
        self._identity = _identity(path)
        self._has_begun = False
        """Of the last transaction: False when not even its BEGIN succeeded."""
        self._reader_local = threading.local()
        """The deadline of the read that runs in this thread."""
        self._reader_connections: list[sqlite3.Connection] = []
        self._free_readers: list[sqlite3.Connection] = []
        """Those of them that no read uses. Taken from and given back to by several threads."""
        self._groups = WriteGroups(writer, write=self.run_group, note=self._note)
        self._is_closed = False
        self.recent_events = RecentEvents()
        """What `written` was told, as far as it is committed."""
        self._written: list[tuple[Event, int]] = []
        """Events of the transaction that is open. Of the writer's thread."""
        self._committed: list[tuple[Event, int]] = []
        """Events of transactions that committed and are not in `recent_events` yet."""
        self.has_committed = asyncio.Event()
        """Set after every group that wrote events, or may have. Whoever waits for it clears it."""
        self.write_error: sqlite3.Error | None = None
        """Why the file did not take the last unit that it was given; None once it took one again."""

    def check_name(self) -> None:
        """
        Return when the path still names the file that is open. Costs one look at the folder.

        Raises:
            FileGone: It does not: what would be written now is lost when the file is closed.
        """
        if _identity(self.path) != self._identity:
            raise FileGone(f"{self.path} was deleted, moved or replaced while it was open")

    async def write(self, unit: Unit[T]) -> T:
        """
        Run *unit* in a transaction and return its value after the commit.

        Atomic: all of its writes or none. Units take effect in the order of their calls. A caller
        that is cancelled while it waits may still have its unit committed.

        Raises:
            sqlite3.Error: The file did not take it; nothing was written.
            CommitUnknown: It is not known whether the unit took effect.
            FileGone: The file has no name any more, so nothing was written.
            ObservatoryError: Raised by *unit* itself; nothing was written.
        """
        if self._is_closed:
            raise sqlite3.ProgrammingError("the file is closed")
        return await self._groups.join(unit)

    async def read(self, query: Unit[T]) -> T:
        """
        Run *query* on a reader's connection: it sees every commit that returned before the call.

        Raises:
            sqlite3.Error: The file did not answer, or not within `limits.STATEMENT_S_MAX`.
        """
        loop = asyncio.get_running_loop()
        ends_at_s = loop.time() + limits.STATEMENT_S_MAX
        return await loop.run_in_executor(self._readers_executor, self._read, query, (loop.time, ends_at_s))

    def written(self, events: Iterable[tuple[Event, int]]) -> None:
        """
        Say inside a unit which events it wrote, in order, each with its position and the bytes of its payload.

        They appear in `recent_events` once the transaction has committed; those of one that rolls back are forgotten.
        """
        self._written.extend(events)

    def migrate(self, migrations: list[Migration]) -> Path | None:
        """
        Bring the schema up to date before the services start; see `sqlite_migrations.migrate`.

        Then all readers are opened: a file that is deleted later is still read through them.
        """
        backup = migrate(self._connection, migrations, path=self.path)
        count = 1 if isinstance(self._readers_executor, InlineExecutor) else limits.READERS
        while len(self._reader_connections) < count:
            self._free_readers.append(self._open_reader())
        return backup

    def write_now(self, unit: Unit[T]) -> T:
        """Run *unit* in a transaction of its own, in this thread. Only before the services start."""
        return self._run(unit)

    def read_now(self, query: Unit[T]) -> T:
        """Run *query* in this thread, for as long as it takes."""
        return self._read(query, None)

    async def close(self) -> None:
        """Finish what waits, checkpoint, close. Safe to call twice."""
        self._is_closed = True
        await self._groups.rest()
        self.abandon()

    def abandon(self) -> None:
        """
        Close the connections without writing what waits: its callers get an error.

        A group that the writer has begun is finished; the calling thread waits for it.
        """
        self._is_closed = True
        self._writer.end()
        for connection in [*self._reader_connections, self._connection]:
            connection.close()
        self._reader_connections.clear()
        self._free_readers.clear()

    # --- the writer ---------------------------------------------------------------------------

    def _note(self, answers: list[Answer]) -> None:
        """What a group means for those who follow the events, and what it says about the file."""
        is_sure = all(error is None for _, error in answers)
        has_news = bool(self._committed) or not is_sure
        self.recent_events.offer(self._committed)
        if not is_sure:
            self.recent_events.doubt()
        self._committed.clear()
        for _, error in answers:
            if error is None:
                self.write_error = None
            elif _is_fault_of_file(error):
                self.write_error = error
        if has_news:
            self.has_committed.set()

    def run_group(self, units: list[Unit[Any]]) -> list[Answer]:
        """
        Commit *units* together; if one of them fails, roll back and commit each by itself.

        They are not run again when the commit of the group may have taken effect, nor when the file has
        lost its name, nor when the group could not begin: each would wait as long again for the same lock.
        """
        if len(units) > 1:
            try:
                values = self._run(lambda connection: [unit(connection) for unit in units])
            except (CommitUnknown, FileGone) as error:
                return [(None, error)] * len(units)
            except Exception as error:  # noqa: BLE001 — the unit that failed fails again below, without the others
                if not self._has_begun:
                    return [(None, error)] * len(units)
            else:
                return [(value, None) for value in values]
        return [self._run_single(unit) for unit in units]

    def _run_single(self, unit: Unit[Any]) -> Answer:
        try:
            return self._run(unit), None
        except Exception as error:  # noqa: BLE001 — handed to the caller of `write`, who raises it
            return None, error

    def _run(self, unit: Unit[T]) -> T:
        """*unit* in a transaction; in a second one if it met a text that is not UTF-8."""
        try:
            with self._transaction():
                return unit(self._connection)
        except sqlite3.OperationalError as error:
            if not is_of_text(error):
                raise
        decode_with_care(self._connection)
        with self._transaction():
            return unit(self._connection)

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        self._has_begun = False
        self._written.clear()
        self._roll_back()  # of a transaction whose own rollback failed
        self._connection.execute("BEGIN IMMEDIATE")
        self._has_begun = True
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        try:
            self.check_name()
            self.commit(self._connection)
        except sqlite3.Error as error:
            if not self._connection.in_transaction:
                raise CommitUnknown(f"{type(error).__name__}: {error}") from error
            self._roll_back()
            raise
        self._committed += self._written

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def open_connection(self, *, is_reader: bool = False) -> sqlite3.Connection:
        """A connection of its own. A seam: `SqliteReader` opens the file without the right to change it."""
        connection = connect(self.path, is_reader=is_reader)
        if is_reader:
            connection.set_progress_handler(self._is_overdue, limits.STATEMENT_STEPS)
        return connection

    def commit(self, connection: sqlite3.Connection) -> None:
        """Make the transaction durable. A seam: the simulator fails it before or after its effect."""
        connection.execute("COMMIT")

    # --- the readers --------------------------------------------------------------------------

    def _read(self, query: Unit[T], deadline: Deadline | None) -> T:
        if self._is_closed:
            raise sqlite3.ProgrammingError("the file is closed")
        if deadline is not None and deadline[0]() > deadline[1]:
            raise sqlite3.OperationalError(f"no reader was free within {limits.STATEMENT_S_MAX:g} s")
        try:
            connection = self._free_readers.pop()
        except IndexError:
            connection = self._open_reader()
        self._reader_local.deadline = deadline
        try:
            return _answer_of(query, connection)
        finally:
            self._free_readers.append(connection)

    def _open_reader(self) -> sqlite3.Connection:
        self.check_name()  # else the reader would open another file, or make an empty one
        self._reader_local.deadline = None
        connection = self.open_connection(is_reader=True)
        try:
            # SQLite opens the WAL and its index at the first read of a table: later their names may be gone.
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        except BaseException:
            connection.close()
            raise
        self._reader_connections.append(connection)
        return connection

    def _is_overdue(self) -> bool:
        """Asked by SQLite in the thread of the read, every `limits.STATEMENT_STEPS`; True interrupts it."""
        deadline: Deadline | None = self._reader_local.deadline
        return deadline is not None and deadline[0]() > deadline[1]


def _answer_of(query: Unit[T], connection: sqlite3.Connection) -> T:
    """What *query* gives; asked again if it met a text that is not UTF-8."""
    try:
        return query(connection)
    except sqlite3.OperationalError as error:
        if not is_of_text(error):
            raise
    decode_with_care(connection)
    return query(connection)


def connect(path: Path, *, is_reader: bool = False) -> sqlite3.Connection:
    """Open *path* with the settings every connection needs. Statements begin no transaction by themselves."""
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=limits.BUSY_S_MAX, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    if is_reader:
        connection.execute("PRAGMA query_only = ON")
    else:
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            # Only a file without content can get it, and nothing else may have written its first page.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 2000")
        # What a statement of many rows needs to be undone alone would else go to a file in another folder.
        connection.execute("PRAGMA temp_store = MEMORY")
        # SQLite's 2 MiB do not hold the inner pages and the last leaves of every index of a large store.
        connection.execute(f"PRAGMA cache_size = -{limits.WRITER_CACHE_BYTES // 1024}")
        connection.execute(f"PRAGMA journal_size_limit = {limits.JOURNAL_BYTES_KEPT}")
    return connection


_FAULTS_OF_UNITS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file *path* names; None when it names none that can be found."""
    try:
        status = os.stat(path)  # noqa: PTH116 — asked before every commit, and Path.stat takes twice as long
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_fault_of_file(error: BaseException) -> TypeGuard[sqlite3.Error]:
    """False for what a unit raised by itself."""
    return isinstance(error, sqlite3.Error) and not isinstance(error, _FAULTS_OF_UNITS) and not is_of_text(error)
