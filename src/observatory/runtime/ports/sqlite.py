"""The ports over one SQLite file. Its owner is the only process that writes; the bus lives and dies with it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from observatory.core import limits
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.sqlite_migrations import refuse_unusable
from observatory.engine.writers import WriterThread
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
from observatory.runtime.auditing import Drivers
from observatory.runtime.data_folder import check_writes, make_private, usable
from observatory.runtime.ports import Ports
from observatory.runtime.sources import Sources, SystemClock
from observatory.view_store.sqlite import SqliteViewStore

DRIVERS = Drivers(
    queries=SqliteJobQueries,
    log=SqliteEventLog,
    views=SqliteViewStore,
    pruning=lambda file: SqlitePruning(file, clock=SystemClock()),
    migrations=MIGRATIONS,
)
"""For the commands that work on a data folder without the services."""


def open_file(path: Path) -> tuple[SqliteFile, Path | None]:
    """
    Open and migrate the database; also gives the copy that was made before an older file was changed.

    Raises:
        DataTooNew: Written by a later release.
        DataFolderUnusable: Read-only, full, damaged, or another program's file, which stays as it is.
    """
    migrations = load_migrations(MIGRATIONS)
    with usable(path):
        refuse_unusable(path, migrations)
        readers = ThreadPoolExecutor(limits.READERS, thread_name_prefix="sqlite-reader")
        make_private(path)  # SQLite gives what it keeps beside the file the same mode
        file = SqliteFile(path, writer=WriterThread(), readers=readers)
        try:
            return file, file.migrate(migrations)
        except BaseException:
            file.abandon()
            raise


def sqlite_ports(file: SqliteFile, sources: Sources) -> Ports:
    """The ports over *file*, which was migrated; closing them closes it."""
    clock = sources.clock
    queries = SqliteJobQueries(file)

    def store_of(service: str) -> SqliteJobStore:
        return SqliteJobStore(file, producer=sources.producer(service), clock=clock, ids=sources.ids)

    async def check() -> None:
        """Reads go on when the disk is full or the file was deleted; a store that cannot be written is not ready."""
        check_writes(file)
        await queries.types()

    return Ports(
        source="sqlite",
        store_of=store_of,
        schedules_of=lambda service: SqliteSchedules(file, store=store_of(service), clock=clock),
        queries=queries,
        queues=SqliteQueues(file, clock=clock),
        selections=SqliteSelections(file),
        attempt_logs=SqliteAttemptLogs(file, clock=clock),
        outbox=SqliteOutbox(file),
        pruning=SqlitePruning(file, clock=clock),
        log=SqliteEventLog(file),
        views=SqliteViewStore(file),
        bus=InProcessBus(),
        announce=None,
        check=check,
        close=file.close,
    )
