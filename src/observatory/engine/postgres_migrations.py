"""Numbered SQL migrations of a PostgreSQL database: forward only, each in one transaction, checked by digest.

Everything of ours lies in the schema `observatory`, so that the database may be an application's own.
"""

import asyncio
from typing import Any

import asyncpg
import msgspec
import structlog

from observatory.core import limits
from observatory.core.errors import DatabaseUnusable, DataTooNew
from observatory.engine.migrations import Migration
from observatory.engine.postgres_database import Connection, PostgresDatabase, Statements
from observatory.engine.postgres_server import check_takes_writes

_LOCK = 0x6F64_6D69
"""Held while migrations run: one process brings the schema forward, the others wait and find it done."""

_log = structlog.get_logger("observatory.postgres")


_KEPT = """
SELECT current_setting('server_encoding') = 'UTF8', (
    SELECT (
        SELECT count(*) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = pg_namespace.oid AND relname = 'migrations'
            AND attname IN ('number', 'digest', 'works_with')
    ) FROM pg_namespace WHERE nspname = 'observatory'
)
"""
"""
Whether every text can be stored, and how many of the columns that tell what was applied are there, NULL without a
schema. Asks for no right to them.
"""
_KEPT_COLUMNS = 3


class SchemaStatus(msgspec.Struct, frozen=True):
    """Which schema a database has."""

    number: int
    """Of the newest migration it has; 0 for none."""
    newest: int
    """Of the newest migration that this release knows. The database may have later ones that leave it working."""

    @property
    def is_current(self) -> bool:
        return self.number >= self.newest


async def schema_status(database: PostgresDatabase, migrations: list[Migration]) -> SchemaStatus:
    """
    Only reads.

    Raises:
        DataTooNew: The schema was written by a later release that leaves this one not working.
        DatabaseUnusable: A migration that was applied is not the one of this release, the schema is another
            program's or lost its record, or the database cannot store every text.
    """
    number = await database.read(lambda connection: usable_number(connection, migrations))
    return SchemaStatus(number, len(migrations))


async def migrate(database: PostgresDatabase, migrations: list[Migration]) -> list[Migration]:
    """
    Bring the schema forward to the newest; returns what was applied, in order.

    May run in several processes at once, and beside processes that work. A kill, also of the server, leaves the schema
    at the last migration that was committed; running again goes on from there.

    Raises:
        DataTooNew, DatabaseUnusable: As `schema_status`; nothing was changed.
        StoreUnavailable: The server is read-only, also when nothing is to do: no process could work with it.
    """
    connection = await database.connect()
    try:
        await check_takes_writes(connection)
        return await _applied(connection, migrations)
    finally:
        await connection.close(timeout=limits.POSTGRES_CONNECT_S_MAX)


async def _applied(connection: Any, migrations: list[Migration]) -> list[Migration]:
    done: list[Migration] = []
    while (migration := await _applied_next(connection, migrations)) is not None:
        done.append(migration)
    return done


async def _applied_next(connection: Any, migrations: list[Migration]) -> Migration | None:
    """
    None when the schema is the newest.

    A lock on a table is waited for only shortly, again and again: whoever wants the table meanwhile stands behind it.
    """
    for _ in range(limits.POSTGRES_MIGRATION_TRIES_MAX - 1):
        try:
            return await _try_next(connection, migrations)
        except asyncpg.LockNotAvailableError as error:
            _log.warning("migration_waits", reason=str(error))
            await asyncio.sleep(limits.POSTGRES_MIGRATION_PAUSE_S)
    return await _try_next(connection, migrations)


async def _try_next(connection: Any, migrations: list[Migration]) -> Migration | None:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL statement_timeout = {_ms(limits.POSTGRES_MIGRATION_S_MAX)}")
        await connection.execute("SET LOCAL lock_timeout = 0")
        # Bound to the transaction, so that it works through a pooler too, and ends with a process that is killed.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK, timeout=limits.POSTGRES_MIGRATION_S_MAX)
        number = await usable_number(connection, migrations)
        if number >= len(migrations):
            return None
        await connection.execute(f"SET LOCAL lock_timeout = {_ms(limits.POSTGRES_MIGRATION_LOCK_S_MAX)}")
        await _apply(connection, migrations[number])
    return migrations[number]


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


async def _apply(connection: Connection, migration: Migration) -> None:
    await connection.execute(migration.sql, timeout=limits.POSTGRES_MIGRATION_S_MAX)
    record = "INSERT INTO observatory.migrations (number, name, digest, works_with) VALUES ($1, $2, $3, $4)"
    await connection.execute(record, migration.number, migration.name, migration.digest, migration.works_with)


async def usable_number(connection: Statements, migrations: list[Migration]) -> int:
    """
    Of the newest migration that the database has; 0 for none. Two statements, which change nothing.

    Raises:
        DataTooNew, DatabaseUnusable: As `schema_status`.
    """
    [(is_utf8, columns)] = await connection.fetch(_KEPT)
    if not is_utf8:
        raise DatabaseUnusable(
            "the database is not encoded in UTF8, so it cannot store every text that a job may hold",
            "use a database made with:  CREATE DATABASE jobs ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0",
        )
    if columns is None:
        return 0
    if columns < _KEPT_COLUMNS:
        raise DatabaseUnusable(
            "the database has a schema named observatory that another program made",
            "use another database, or rename that schema:  ALTER SCHEMA observatory RENAME TO another_name",
        )
    rows = await connection.fetch("SELECT number, digest, works_with FROM observatory.migrations ORDER BY number")
    applied = [tuple(row) for row in rows]
    if not applied:  # the first migration makes the table and its row in one transaction
        raise DatabaseUnusable(
            "the database has the schema observatory, and the record of its migrations is empty: somebody deleted it",
            "bring back a backup (Backups in docs/operations.md); migrate cannot know what the schema is",
        )
    later = applied[len(migrations) :]
    if later and max(works_with for _, _, works_with in later) > len(migrations):
        raise DataTooNew(
            f"a later release changed the database: its schema is {len(applied)}, and this release works up to "
            f"{len(migrations)}",
            "install that release or a later one, or use another database",
        )
    for (number, digest, _), migration in zip(applied, migrations, strict=False):
        if (number, digest) != (migration.number, migration.digest):
            raise DatabaseUnusable(
                f"a modified build changed the database: its migration {migration.number:03} ({migration.name}) is not "
                "that of this release",
                "run the build that did it, or use another database",
            )
    return len(applied)
