"""Numbered SQL migrations for the SQLite file: forward only, each in one transaction, checked by digest.

`PRAGMA user_version` is the number of the newest one applied. Before an existing file is changed,
a copy named `NAME.before-NNN` is made beside it.
"""

import sqlite3
from pathlib import Path

from observatory.core.errors import DataFolderUnusable, DataTooNew
from observatory.engine.migrations import Migration


def schema_version(connection: sqlite3.Connection) -> int:
    """Number of the newest migration the file has; 0 for a new file."""
    return connection.execute("PRAGMA user_version").fetchone()[0]


def migrate(connection: sqlite3.Connection, migrations: list[Migration], *, path: Path) -> Path | None:
    """
    Bring the file to the newest schema.

    A kill between two migrations leaves the file at the first; running again goes on from there.

    Returns:
        The copy made before an existing file was changed; None when nothing was to do or the file was new.

    Raises:
        DataTooNew: The file was written by a later release; it was not touched.
        DataFolderUnusable: Another program's file, or a migration that was applied is not the one this release
            knows; it was not touched.
    """
    version = usable_version(connection, migrations, path)
    todo = migrations[version:]
    copy = _copy_before(connection, path, version) if todo and version else None
    for migration in todo:
        _apply(connection, migration)
    return copy


def refuse_unusable(path: Path, migrations: list[Migration]) -> None:
    """
    Look at an existing file without changing a byte of it: opening it for writing already would.

    Raises:
        DataTooNew: It was written by a later release.
        DataFolderUnusable: It is another program's, or holds a migration that this release does not know.
    """
    if path.exists() and path.stat().st_size:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            usable_version(connection, migrations, path)
        finally:
            connection.close()


def usable_version(connection: sqlite3.Connection, migrations: list[Migration], path: Path) -> int:
    """
    The version of a file that may be migrated; any other one is refused. Only reads.

    Raises:
        DataTooNew: The file was written by a later release.
        DataFolderUnusable: Another program's file, or of a modified build.
    """
    version = schema_version(connection)
    is_empty = connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    has_our_record = not is_empty and version > 0 and _has_our_record(connection)
    if version > len(migrations) and (is_empty or has_our_record):
        raise DataTooNew(
            f"{path} has schema {version}; this release knows up to {len(migrations)}",
            "install the release that wrote it, or point ODD_DATA_DIR at another folder",
        )
    if not has_our_record and not (is_empty and version == 0):
        raise DataFolderUnusable(f"{path} is another program's database", "point ODD_DATA_DIR at another folder")
    if version:
        _check_applied(connection, migrations[:version], path)
    return version


def _has_our_record(connection: sqlite3.Connection) -> bool:
    """Many programs have a table of this name; ours has a digest."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(migrations)")}
    return columns >= {"number", "name", "digest"}


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    script = (
        f"BEGIN IMMEDIATE;\n{migration.sql}\n"
        f"INSERT INTO migrations (number, name, digest) VALUES ({migration.number}, "
        f"'{migration.name}', '{migration.digest}');\n"
        f"PRAGMA user_version = {migration.number};\nCOMMIT;"
    )
    try:
        connection.executescript(script)
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _check_applied(connection: sqlite3.Connection, applied: list[Migration], path: Path) -> None:
    digests = dict(connection.execute("SELECT number, digest FROM migrations"))
    for migration in applied:
        if digests.get(migration.number) != migration.digest:
            raise DataFolderUnusable(
                f"{path}: migration {migration.number:03} ({migration.name}) is not the one of this release",
                "the data was written by a modified build; use that build, or another ODD_DATA_DIR",
            )


def _copy_before(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    copy = path.with_name(f"{path.name}.before-{version + 1:03}")
    target = sqlite3.connect(copy)
    try:
        connection.backup(target)
    finally:
        target.close()
    return copy
