"""Numbered SQL migrations for the SQLite file: forward only, each in one transaction, checked by digest.

`PRAGMA user_version` is the number of the newest one applied. Before an existing file is changed,
a copy named `NAME.before-NNN` is made beside it.
"""

import hashlib
import re
import sqlite3
from pathlib import Path

import msgspec

from observatory.core.errors import DataFolderUnusable, DataTooNew

_FILE = re.compile(r"^(?P<number>\d{3})_(?P<name>\w+)\.sql$")


class Migration(msgspec.Struct, frozen=True):
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations(folder: Path) -> list[Migration]:
    """The migrations of *folder*, in order; their numbers are 1..n without a gap."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.match(path.name)
        assert match, f"{path.name} is not named NNN_name.sql"
        found.append(Migration(int(match["number"]), match["name"], path.read_text(encoding="utf-8")))
    assert [migration.number for migration in found] == list(range(1, len(found) + 1)), "numbers have a gap"
    return found


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
        DataFolderUnusable: A migration that was applied is not the one this release knows, or none of ours was.
    """
    version = schema_version(connection)
    _refuse_newer(version, migrations, path)
    if version:
        _check_applied(connection, migrations[:version], path)
    todo = migrations[version:]
    copy = _copy_before(connection, path, version) if todo and version else None
    for migration in todo:
        _apply(connection, migration)
    return copy


def refuse_newer(path: Path, migrations: list[Migration]) -> None:
    """
    Look at an existing file without changing a byte of it.

    Raises:
        DataTooNew: It was written by a later release.
    """
    if path.exists() and path.stat().st_size:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            _refuse_newer(schema_version(connection), migrations, path)
        finally:
            connection.close()


def _refuse_newer(version: int, migrations: list[Migration], path: Path) -> None:
    if version > len(migrations):
        raise DataTooNew(
            f"{path} has schema {version}; this release knows up to {len(migrations)}",
            "install the release that wrote it, or point ODD_DATA_DIR at another folder",
        )


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
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone() is None:
        raise DataFolderUnusable(f"{path} is not one of ours", "point ODD_DATA_DIR at another folder")
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
