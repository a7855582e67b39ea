"""
The drivers of the four ports, and how a test opens each on nothing but a fresh folder.

A further driver joins a suite by one more entry in a list at the end of this file. The suites
know only the ports and what stands here: a clock, faults, and a restart.
"""

import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from observatory.core.event import Producer
from observatory.core.sources import Ids
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.migrations import load_migrations
from observatory.engine.recent_events import RecentEvents
from observatory.engine.sqlite_file import SqliteFile, connect
from observatory.engine.sqlite_migrations import migrate
from observatory.engine.writers import InlineWriter, Writer, WriterThread
from observatory.event_bus.in_process import InProcessBus
from observatory.event_log.sqlite import SqliteEventLog
from observatory.job_store.sqlite import (
    MIGRATIONS,
    SqliteAttemptLogs,
    SqliteJobQueries,
    SqliteJobStore,
    SqliteOutbox,
    SqlitePruning,
    SqliteQueues,
    SqliteSchedules,
    SqliteSelections,
)
from observatory.testing.manual_sources import ManualClock, SeededIds
from observatory.view_store.sqlite import SqliteViewStore
from tests.conformance.opened import Bus, Faults, Log, Truth, Views
from tests.conformance.postgres import PostgresEngine

# --- SQLite -----------------------------------------------------------------------------------------


def sqlite_errors() -> list[Exception]:
    """An instance of every exception class of the library; the usual one first."""
    found = [sqlite3.OperationalError]
    todo = [sqlite3.Error]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if kind not in found:
            found.append(kind)
    return [kind("injected") for kind in found]


class BreakableConnection:
    """Passes every statement on, unless a fault is due."""

    def __init__(self, connection: sqlite3.Connection, faults: Faults) -> None:
        self._connection = connection
        self._faults = faults

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, values: Iterable[object] = ()) -> sqlite3.Cursor:
        if sql != "ROLLBACK":
            self._faults.before_call()
        return self._connection.execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Iterable[object]]) -> sqlite3.Cursor:
        self._faults.before_call()
        return self._connection.executemany(sql, rows)

    def close(self) -> None:
        self._connection.close()


class BreakableFile(SqliteFile):
    """The file as it is, over connections that can fail."""

    def __init__(self, path: Path, faults: Faults, *, writer: Writer, readers: Executor) -> None:
        self._faults = faults
        super().__init__(path, writer=writer, readers=readers)

    def open_connection(self, *, is_reader=False):
        return BreakableConnection(super().open_connection(is_reader=is_reader), self._faults)

    def commit(self, connection):
        super().commit(connection)
        self._faults.after_commit()


@dataclass(kw_only=True)
class SqliteEngine:
    """Opens the SQLite drivers of all ports, on one file in *folder*."""

    name: str
    is_inline: bool
    """True runs every call in the calling thread, as the simulation does; False uses threads, as a service does."""

    def file(self, folder: Path, faults: Faults) -> tuple[BreakableFile, Callable[[], None]]:
        path = folder / "observatory.db"
        connection = connect(path)
        migrate(connection, load_migrations(MIGRATIONS), path=path)
        connection.close()
        writer = InlineWriter() if self.is_inline else WriterThread()
        readers = InlineExecutor() if self.is_inline else ThreadPoolExecutor(2)
        file = BreakableFile(path, faults, writer=writer, readers=readers)

        def end() -> None:
            readers.shutdown()
            file.abandon()

        return file, end

    def open_truth(self, folder: Path, clock: ManualClock | None = None, ids: Ids | None = None) -> Truth:
        faults = Faults(sqlite_errors())
        file, end = self.file(folder, faults)
        clock, ids = clock or ManualClock(), ids or SeededIds()

        def restarted() -> Truth:
            end()
            return self.open_truth(folder, clock, ids)

        def forget() -> None:
            file.recent_events = RecentEvents()

        def store(instance_id: str) -> SqliteJobStore:
            producer = Producer(service="gateway", instance_id=instance_id, version="1.2.3")
            return SqliteJobStore(file, producer=producer, clock=clock, ids=ids)

        stores = store("one"), store("two")
        schedules, other_schedules = (SqliteSchedules(file, store=one, clock=clock) for one in stores)
        return Truth(
            store=stores[0],
            other_store=stores[1],
            outbox=SqliteOutbox(file),
            schedules=schedules,
            other_schedules=other_schedules,
            queries=SqliteJobQueries(file),
            queues=SqliteQueues(file, clock=clock),
            selections=SqliteSelections(file),
            log=SqliteEventLog(file),
            attempt_logs=SqliteAttemptLogs(file, clock=clock),
            pruning=SqlitePruning(file, clock=clock),
            views=SqliteViewStore(file),
            clock=clock,
            ids=ids,
            faults=faults,
            forget=forget,
            restarted=restarted,
            end=end,
        )

    def open_log(self, folder: Path) -> Log:
        faults = Faults(sqlite_errors())
        file, end = self.file(folder, faults)

        def restarted() -> Log:
            end()
            return self.open_log(folder)

        return Log(log=SqliteEventLog(file), faults=faults, restarted=restarted, end=end)

    def open_views(self, folder: Path) -> Views:
        faults = Faults(sqlite_errors())
        file, end = self.file(folder, faults)

        def restarted() -> Views:
            end()
            return self.open_views(folder)

        views, other = SqliteViewStore(file), SqliteViewStore(file)
        return Views(views=views, other_views=other, faults=faults, restarted=restarted, end=end)


# --- in this process --------------------------------------------------------------------------------


@dataclass(kw_only=True)
class InProcessEngine:
    """Opens the bus that lives in memory."""

    name: str

    def open_bus(self, folder: Path) -> Bus:
        bus = InProcessBus()
        return Bus(bus=bus, other_bus=bus, end=lambda: None)


# --- which drivers each suite runs over -------------------------------------------------------------

SQLITE = SqliteEngine(name="sqlite", is_inline=False)
SQLITE_INLINE = SqliteEngine(name="sqlite-inline", is_inline=True)

POSTGRES = PostgresEngine(name="postgres")
ELSEWHERE = PostgresEngine(name="postgres-elsewhere", is_elsewhere=True)

JOB_STORES = [SQLITE, SQLITE_INLINE, POSTGRES, ELSEWHERE]
EVENT_LOGS = [SQLITE, SQLITE_INLINE, POSTGRES]
VIEW_STORES = [SQLITE, SQLITE_INLINE, POSTGRES, ELSEWHERE]
EVENT_BUSES = [InProcessEngine(name="in_process"), POSTGRES]
