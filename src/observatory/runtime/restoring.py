"""
A backup brought back into a data folder.

The database is copied, checked and migrated under another name, and gets its own name at the end: a kill leaves
either what was there before, or nothing under that name.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from observatory.core.errors import DataFolderUnusable, DataTooNew
from observatory.core.sources import Ids
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.runtime.auditing import Drivers
from observatory.runtime.backup_files import DATABASE, Manifest, copy_checked, read_manifest, sync_file, sync_folder
from observatory.runtime.data_folder import DataFolder, usable

Say = Callable[[str, int, int], None]
"""Told what is being done, and (done, total) of it."""

OpenFile = Callable[[Path], tuple[SqliteFile, Path | None]]

_BESIDE = ("-wal", "-shm")


def restore(
    backup: Path, data_dir: Path, *, drivers: Drivers, open_file: OpenFile, ids: Ids, is_forced: bool, say: Say
) -> tuple[Manifest, Path | None]:
    """
    Put the database of *backup* in place in *data_dir*, which nobody may own.

    Leases in it end when the next owner starts. The history gets another generation, because positions after the
    backup may be given to other events than before.

    Args:
        is_forced: Move a database that is there aside and leave other files as they are, instead of refusing.

    Returns:
        The manifest, and where the earlier database was moved to, if there was one.

    Raises:
        BackupUnusable: It is not a backup, not whole, or changed.
        DataTooNew: A later release made it.
        DataFolderInUse, DataFolderUnusable: The folder has an owner, has data or files of something else, or cannot be
            written.
    """
    manifest = read_manifest(backup)
    known = len(load_migrations(drivers.migrations))
    if manifest.schema > known:
        raise DataTooNew(
            f"{backup} has schema {manifest.schema}; this release knows up to {known}",
            f"restore it with release {manifest.version} or a later one",
        )
    folder = DataFolder(data_dir)
    if not is_forced:
        _refuse_foreign(folder)
    folder.open()
    try:
        has_data = folder.database.exists() and folder.database.stat().st_size > 0
        if has_data and not is_forced:
            raise DataFolderUnusable(
                f"{data_dir} has a database already", "name another folder, or move it aside with --force"
            )
        with usable(data_dir):
            coming = folder.database.with_name(f"{DATABASE}.restoring")
            _remove(coming)  # of a restore that was killed
            try:
                copy_checked(manifest, backup / DATABASE, coming, lambda done, total: say("copying bytes", done, total))
                _prepare(coming, open_file, ids)
            except BaseException:
                _remove(coming)
                raise
            aside = _put_in_place(coming, folder)
        return manifest, aside
    finally:
        folder.close()


def _refuse_foreign(folder: DataFolder) -> None:
    """Nothing is touched in a folder that is somebody else's. One with a database is ours, whatever is beside it."""
    with usable(folder.path):
        if not folder.path.is_dir() or (folder.database.exists() and folder.database.stat().st_size > 0):
            return
        foreign = sorted(path.name for path in folder.path.iterdir() if not folder.is_own(path.name))
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise DataFolderUnusable(
            f"{folder.path} is not empty and has no jobs: it holds {foreign[0]}{more}",
            "name an empty folder, or leave those files as they are with --force",
        )


def _put_in_place(coming: Path, folder: DataFolder) -> Path | None:
    sync_file(coming)
    aside = _move_aside(folder.database) if folder.database.exists() else None
    for suffix in _BESIDE:  # of a database that is gone: it would be taken for the new one's
        folder.database.with_name(folder.database.name + suffix).unlink(missing_ok=True)
    coming.rename(folder.database)
    folder.remove_running()
    sync_folder(folder.path)
    return aside


def _prepare(coming: Path, open_file: OpenFile, ids: Ids) -> None:
    """Migrate it and give its history another generation; ends without a write-ahead log."""
    file, copy = open_file(coming)
    try:
        file.write_now(lambda connection: connection.execute("UPDATE history SET generation = ?", (ids.new_id(),)))
    finally:
        file.abandon()
    if copy is not None:
        copy.unlink()  # the backup itself is as it was before


def _move_aside(database: Path) -> Path:
    """Under a name that is free. First its write-ahead log goes into it, as far as it can still be read."""
    _write_back(database)
    number = 1
    while (aside := database.with_name(f"{database.name}.aside-{number:03}")).exists():
        number += 1
    database.rename(aside)
    for suffix in _BESIDE:
        beside = database.with_name(database.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    return aside


def _write_back(database: Path) -> None:
    try:
        connection = sqlite3.connect(database, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return  # it is damaged; its parts are moved aside as they are


def _remove(path: Path) -> None:
    for suffix in ("", *_BESIDE):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
