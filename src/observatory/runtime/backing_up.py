"""A consistent copy of a data folder's database, also while its owner writes."""

import contextlib
import sqlite3
from collections.abc import Callable, Generator
from pathlib import Path

from observatory.audit.report import AuditReport
from observatory.core import limits
from observatory.core.sources import Clock
from observatory.engine.sqlite_migrations import schema_version
from observatory.engine.sqlite_reader import SqliteReader
from observatory.runtime.auditing import Drivers, audit_folder, read_folder
from observatory.runtime.backup_files import (
    DATABASE,
    FORMAT,
    BackupUnusable,
    Manifest,
    digest_of_file,
    new_folder,
    sync_file,
    write_manifest,
)
from observatory.runtime.data_folder import make_private, usable

Say = Callable[[str, int, int], None]
"""Told what is being done, and (done, total) of it."""

_ELSEWHERE = "name another folder for the backup"


def back_up(
    data_dir: Path, target: Path, *, drivers: Drivers, version: str, clock: Clock, is_compact: bool, say: Say
) -> Manifest:
    """
    Copy the database of *data_dir* into the new folder *target*, and audit the copy.

    The copy is one instant of a history that may go on. Writers are not held up; the write-ahead log grows until
    the copy is made. An interruption leaves no folder of that name.

    Args:
        is_compact: Leave free space out, which costs more work than copying pages, and lets the copy give space
            back to the disk later even if the source cannot.

    Raises:
        BackupUnusable: *target* exists or is in *data_dir*, or the copy is damaged as its source is.
        DataFolderUnusable, DataTooNew: The source cannot be read, or *target* not written.
    """
    target = target.absolute()
    if target.resolve().is_relative_to(data_dir.resolve()):
        raise BackupUnusable(f"{target} is in the data folder {data_dir}: both would be lost together", _ELSEWHERE)
    with usable(target.parent, elsewhere=_ELSEWHERE), new_folder(target) as folder:
        database = folder / DATABASE
        make_private(database)

        def copy(file: SqliteReader) -> None:
            # Begun anew when an owner came in between: what was copied without locks may be torn.
            say("copying", 0, 0)
            _compact(file, database) if is_compact else _copy(file, database, say)

        read_folder(data_dir, copy, migrations=drivers.migrations, in_snapshot=not is_compact)
        sync_file(database)
        report = audit_folder(folder, drivers=drivers, say=say)
        _refuse_damaged(report, data_dir)
        manifest = _manifest(database, report, version, clock, lambda done, total: say("hashing bytes", done, total))
        write_manifest(folder, manifest)
    return manifest


@contextlib.contextmanager
def _writing(database: Path) -> Generator[None]:
    """What goes wrong with the copy is said of the copy, not of what is read for it."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _OF_TARGETS:
            with usable(database, elsewhere=_ELSEWHERE):
                raise
        raise


_OF_TARGETS = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def _copy(file: SqliteReader, database: Path, say: Say) -> None:
    def copy(connection: sqlite3.Connection) -> None:
        target = sqlite3.connect(database, isolation_level=None)
        try:
            connection.backup(
                target,
                pages=limits.BACKUP_PAGES,
                progress=lambda _, remaining, total: say("copying pages", total - remaining, total),
            )
        finally:
            target.close()

    with _writing(database):
        file.read_now(copy)


def _compact(file: SqliteReader, database: Path) -> None:
    def copy(connection: sqlite3.Connection) -> None:
        database.unlink(missing_ok=True)
        connection.execute("PRAGMA query_only = OFF")  # of this connection, which may not change its own file
        if not connection.execute("PRAGMA auto_vacuum").fetchone()[0]:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of what comes out
        connection.execute("VACUUM INTO ?", (str(database),))
        database.chmod(0o600)

    with _writing(database):
        file.read_now(copy)


def _refuse_damaged(report: AuditReport, data_dir: Path) -> None:
    """A copy whose pages are damaged is no backup. One with other faults is: it may be all that there is."""
    damaged = [one.detail for one in report.violations if one.code == "file_damaged"]
    if damaged:
        raise BackupUnusable(
            f"the database of {data_dir} is damaged: {damaged[0]}", "see:  odd-dashboard audit; keep older backups"
        )


def _manifest(
    database: Path, report: AuditReport, version: str, clock: Clock, say: Callable[[int, int], None]
) -> Manifest:
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        schema = schema_version(connection)
        (generation,) = connection.execute("SELECT generation FROM history").fetchone()
    finally:
        connection.close()
    return Manifest(
        format=FORMAT,
        version=version,
        schema=schema,
        created_at=clock.now(),
        generation=generation,
        position=report.checked.position,
        jobs=report.checked.jobs,
        events=report.checked.events,
        pruned_jobs=report.ledger.pruned,
        violations=len(report.violations) + report.violations_left_out,
        bytes=database.stat().st_size,
        sha256=digest_of_file(database, say),
    )
