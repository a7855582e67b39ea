"""Whether a SQLite file is what its migrations made, and whether SQLite itself finds it sound. Only reads."""

import sqlite3
from pathlib import Path

from observatory.core import limits
from observatory.engine.migrations import Migration
from observatory.engine.sqlite_migrations import migrate

Objects = dict[tuple[str, str], str]
"""The statement that made each table, index, trigger and view, by its type and name."""


def schema_faults(connection: sqlite3.Connection, migrations: list[Migration]) -> list[str]:
    """One line for everything that is missing, that differs, or that *migrations* did not make."""
    there, made = _objects(connection), _made_by(migrations)
    faults: list[str] = []
    for kind, name in sorted(there.keys() | made.keys()):
        if (kind, name) not in there:
            faults.append(f"the {kind} {name} is missing")
        elif (kind, name) not in made:
            faults.append(f"the {kind} {name} is not one of ours")
        elif there[kind, name] != made[kind, name]:
            faults.append(f"the {kind} {name} is not as the migrations make it")
    return faults


def damage(connection: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong: pages, and indexes that are not what their tables say. Reads the whole file."""
    lines: list[str] = []
    try:
        for (text,) in connection.execute(f"PRAGMA integrity_check({limits.DAMAGE_LINES_MAX})"):
            lines += [line.strip() for line in text.splitlines() if not line.startswith("***")]
    except sqlite3.DatabaseError as error:
        # Over some pages the check itself stumbles. It may have said nothing before.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        lines.append(str(error))
    return [] if lines == ["ok"] else lines[: limits.DAMAGE_LINES_MAX]


def _made_by(migrations: list[Migration]) -> Objects:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, migrations, path=Path(":memory:"))
        return _objects(connection)
    finally:
        connection.close()


def _objects(connection: sqlite3.Connection) -> Objects:
    # What SQLite makes for itself, such as the index behind a UNIQUE column, belongs to its table.
    sql = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    return {(kind, name): text or "" for kind, name, text in connection.execute(sql)}
