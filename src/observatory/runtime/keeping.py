"""What commands do with a data folder without the services: the same work, given its drivers."""

from pathlib import Path

from observatory.audit.auditor import Say
from observatory.audit.report import AuditReport
from observatory.engine.migrations import load_migrations
from observatory.runtime import backing_up, restoring
from observatory.runtime.auditing import audit_folder, schema_numbers
from observatory.runtime.backing_up import Say as SayPart
from observatory.runtime.backup_files import Manifest
from observatory.runtime.build_info import build_info
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.ports.sqlite import DRIVERS, open_file
from observatory.runtime.rebuilding import Compared, Rebuilt, compare_folder, rebuild_folder
from observatory.runtime.rebuilding import Say as SayCount
from observatory.runtime.schema import Migrated
from observatory.runtime.sources import SystemClock, SystemIds


def audit(data_dir: Path, *, say: Say | None = None) -> AuditReport:
    """Compare what was accepted in *data_dir* with what exists; see `auditing.audit_folder`. Only reads."""
    return audit_folder(data_dir, drivers=DRIVERS, say=say)


def compare_counters(data_dir: Path, *, say: SayCount) -> Compared:
    """See `rebuilding.compare_folder`. Only reads."""
    return compare_folder(data_dir, drivers=DRIVERS, say=say)


def rebuild_counters(data_dir: Path, *, say: SayCount) -> Rebuilt:
    """See `rebuilding.rebuild_folder`."""
    return rebuild_folder(data_dir, drivers=DRIVERS, open_file=open_file, ids=SystemIds(), say=say)


def back_up(data_dir: Path, target: Path, *, is_compact: bool, say: SayPart) -> Manifest:
    """See `backing_up.back_up`. Only reads *data_dir*."""
    return backing_up.back_up(
        data_dir,
        target,
        drivers=DRIVERS,
        version=build_info().version,
        clock=SystemClock(),
        is_compact=is_compact,
        say=say,
    )


def restore_backup(backup: Path, data_dir: Path, *, is_forced: bool, say: SayPart) -> tuple[Manifest, Path | None]:
    """See `restoring.restore`."""
    return restoring.restore(
        backup, data_dir, drivers=DRIVERS, open_file=open_file, ids=SystemIds(), is_forced=is_forced, say=say
    )


def schema_of(data_dir: Path) -> tuple[int, int] | None:
    """The schema of *data_dir* and the newest that the drivers know; see `auditing.schema_numbers`. Only reads."""
    return schema_numbers(data_dir, DRIVERS.migrations)


def migrate_folder(data_dir: Path) -> Migrated:
    """
    Bring the database of *data_dir* to the schema of this release; makes it when there is none.

    Raises:
        DataFolderInUse: Another process owns it, and migrated it when it began.
        DataTooNew, DataFolderUnusable: As `open_file`.
    """
    folder = DataFolder(data_dir)
    folder.open()
    try:
        before = schema_of(data_dir)
        file, copy = open_file(folder.database)
        file.abandon()
    finally:
        folder.close()
    todo = load_migrations(DRIVERS.migrations)[before[0] if before else 0 :]
    return Migrated(
        applied=tuple(f"{migration.number:03} {migration.name}" for migration in todo), copy=copy and copy.name
    )
