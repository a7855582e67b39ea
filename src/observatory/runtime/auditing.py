"""The audit of a data folder, and whatever else reads one: opened to be read only, whether or not somebody owns it."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import msgspec

from observatory.audit.auditor import Auditor, Say
from observatory.audit.report import AuditReport, Code
from observatory.core import limits
from observatory.core.errors import DataFolderUnusable, DataTooNew, Unavailable
from observatory.core.folds import STATS_VIEW
from observatory.core.sources import Clock
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.migrations import Migration, load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.sqlite_migrations import schema_version, usable_version
from observatory.engine.sqlite_reader import SqliteReader
from observatory.engine.sqlite_schema import damage, schema_faults
from observatory.event_log.port import EventLog
from observatory.job_store.port import JobQueries
from observatory.job_store.pruning import Pruning, RollupUnreadable
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.sources import SystemClock
from observatory.view_store.port import ViewStore

T = TypeVar("T")

ELSEWHERE = "name the data folder with ODD_DATA_DIR"


class Drivers(msgspec.Struct, frozen=True):
    """The drivers of one file, given by the wiring, which alone knows their names."""

    queries: Callable[[SqliteFile], JobQueries]
    log: Callable[[SqliteFile], EventLog]
    views: Callable[[SqliteFile], ViewStore]
    pruning: Callable[[SqliteFile], Pruning]
    migrations: Path
    """Of the schema that they can read."""


def audit_folder(path: Path, *, drivers: Drivers, say: Say | None = None, clock: Clock | None = None) -> AuditReport:
    """
    Audit the database of the data folder at *path* without changing a byte of it.

    Beside an owner the history is read in short reads, so that the owner's write-ahead log can begin anew meanwhile.
    What is reported was found as of one instant: if the short reads find a fault, or something was pruned between
    them, all is read again in one. The check of the file itself is one long read. Not to be called in a running event
    loop.

    Args:
        say: Told at once that the file is checked, whose end nobody knows, then how far the reading is.

    Raises:
        DataFolderUnusable: Missing, not a database of ours, of an older release, or damaged.
        DataTooNew: Written by a later release.
        Unavailable: The database did not answer in time; nothing is known.
    """

    def audit(file: SqliteReader) -> AuditReport:
        if say is not None:
            say(f"checking the file, {file.path.stat().st_size / 1e6:,.0f} MB", 0, 0)
        migrations = load_migrations(drivers.migrations)
        known = _faults_of_file(file, migrations)

        def compare() -> AuditReport:
            auditor = Auditor(
                queries=drivers.queries(file),
                log=drivers.log(file),
                views=drivers.views(file),
                pruning=drivers.pruning(file),
                view=STATS_VIEW,
                clock=clock or SystemClock(),
                say=say,
                known=known,
            )
            return asyncio.run(auditor.run())

        if file.has_owner_file and not known:
            _end_snapshot(file)
            before = _pruned(file, drivers)
            report = compare()
            if report.is_clean and before is not None and before == _pruned(file, drivers):
                _check_schema(file, migrations)
                return report
            _begin_snapshot(file, migrations)
        return compare()

    return read_folder(path, audit, migrations=drivers.migrations)


def schema_numbers(path: Path, migrations: Path) -> tuple[int, int] | None:
    """
    The schema of the database in the data folder at *path*, and the newest one that this release knows.

    Only reads, also beside a running owner. None when there is no database yet.

    Raises:
        DataTooNew: Written by a later release.
        DataFolderUnusable: Another program's file, unreadable or damaged.
    """
    database = DataFolder(path).database
    with _clear_errors(database):
        if not database.exists() or not database.stat().st_size:
            return None
        known = load_migrations(migrations)
        file = SqliteReader(database, readers=InlineExecutor())
        try:
            return file.read_now(lambda connection: usable_version(connection, known, database)), len(known)
        finally:
            file.abandon()


def read_folder(path: Path, work: Callable[[SqliteReader], T], *, migrations: Path, in_snapshot: bool = True) -> T:
    """
    What *work* gives over the database of the data folder at *path*, of which no byte is changed.

    It is done again when an owner takes a folder that was read without locks.

    Args:
        in_snapshot: Everything is read as of one instant. The write-ahead log grows until that ends.

    Raises:
        DataFolderUnusable, DataTooNew, Unavailable: As `audit_folder`.
    """
    database = DataFolder(path).database
    for _ in range(limits.AUDIT_AGAIN_MAX):
        with _clear_errors(database):
            if not database.is_file():
                raise DataFolderUnusable(f"{database} does not exist", ELSEWHERE)
            file = SqliteReader(database, readers=InlineExecutor())
            try:
                if in_snapshot:
                    file.read_now(lambda connection: connection.execute("BEGIN"))
                _check_schema(file, load_migrations(migrations))
                answer = work(file)
            except (sqlite3.Error, Unavailable):
                if not file.was_overtaken():
                    raise
            else:
                if not file.was_overtaken():
                    return answer
            finally:
                file.abandon()
    raise DataFolderUnusable(f"{database} changes and is not locked", "try again when its owner runs or has ended")


def _faults_of_file(file: SqliteFile, migrations: list[Migration]) -> list[tuple[Code, str]]:
    schema = file.read_now(lambda connection: schema_faults(connection, migrations))
    damaged = file.read_now(damage)
    return [
        *((Code.SCHEMA_DIFFERS, f"{file.path}: {fault}") for fault in schema),
        *((Code.FILE_DAMAGED, f"{file.path}: {fault}") for fault in damaged),
    ]


def _end_snapshot(file: SqliteReader) -> None:
    file.read_now(lambda connection: connection.execute("COMMIT"))


def _begin_snapshot(file: SqliteReader, migrations: list[Migration]) -> None:
    """What is read from now on is as of one instant; an owner may have come meanwhile with another schema."""
    file.read_now(lambda connection: connection.execute("BEGIN"))
    _check_schema(file, migrations)


def _pruned(file: SqliteReader, drivers: Drivers) -> tuple[int, int] | None:
    """Jobs and events that were pruned so far: equal before and after, nothing was in between. None if unreadable."""
    try:
        rollup = asyncio.run(drivers.pruning(file).rollup(STATS_VIEW))
    except RollupUnreadable:
        return None
    return rollup.jobs, rollup.events


def _check_schema(file: SqliteFile, migrations: list[Migration]) -> None:
    """Refuse another release's; what else is wrong with the schema, the report says."""
    found, known = file.read_now(schema_version), len(migrations)
    if found > known:
        raise DataTooNew(
            f"{file.path} has schema {found}; this release knows up to {known}",
            "audit it with the release that wrote it",
        )
    if found == 0:
        raise DataFolderUnusable(f"{file.path} holds no jobs: it is not a database of the observatory", ELSEWHERE)
    if found < known:
        raise DataFolderUnusable(
            f"{file.path} has schema {found}; this release reads schema {known}",
            "start the observatory on it once, or audit it with the release that wrote it",
        )


def _stays(error: sqlite3.Error) -> bool:
    """
    True for what another try will not change.

    A table or a column is not there, which is SQLite's SQLITE_ERROR; the file was deleted meanwhile, which we
    say, without a code.
    """
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) == sqlite3.SQLITE_ERROR


@contextlib.contextmanager
def _clear_errors(database: Path) -> Generator[None]:
    """Say in one line why the database cannot be read."""
    try:
        yield
    except OSError as error:
        raise DataFolderUnusable(f"{database} cannot be read ({error.strerror or error})", ELSEWHERE) from error
    except (sqlite3.Error, Unavailable) as error:
        reason = error if isinstance(error, sqlite3.Error) else error.__cause__
        if isinstance(error, Unavailable) and isinstance(reason, sqlite3.OperationalError) and not _stays(reason):
            raise  # busy or out of memory: it may answer the next time
        raise DataFolderUnusable(
            f"{database} cannot be read ({reason})", f"bring back a copy, or {ELSEWHERE}"
        ) from error
