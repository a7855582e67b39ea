"""The ports over PostgreSQL: one bounded pool for all of them. Any number of processes share one database."""

from pathlib import Path

from observatory import job_store
from observatory.core.errors import CannotStart, StoreUnavailable
from observatory.engine import postgres_migrations
from observatory.engine.migrations import load_migrations
from observatory.engine.postgres_database import PostgresDatabase, translated
from observatory.runtime.ports import Ports
from observatory.runtime.schema import Migrated, Schema
from observatory.runtime.settings import Settings
from observatory.runtime.settings_urls import shown_url
from observatory.runtime.sources import Sources

MIGRATIONS = Path(job_store.__file__).parent / "migrations" / "postgres"


def open_postgres(settings: Settings, sources: Sources) -> Ports:
    """
    The ports over the database that *settings* name, for one process, in its running event loop.

    Connects to nothing yet: a process starts while its database is away, and its ports work when it comes.

    Raises:
        CannotStart: The driver is not there.
    """
    raise CannotStart(
        "this release has no driver for PostgreSQL yet", "unset POSTGRES_URL: the embedded data needs no engine"
    )


async def schema_of_database(settings: Settings) -> Schema:
    """See `opening.schema_of`."""
    database = _database(settings)
    try:
        with translated(StoreUnavailable):
            status = await postgres_migrations.schema_status(database, load_migrations(MIGRATIONS))
    finally:
        await database.close()
    return Schema(place=shown_url(settings.postgres_url), number=status.number, newest=status.newest)


async def migrate_database(settings: Settings) -> Migrated:
    """See `opening.migrate`."""
    database = _database(settings)
    try:
        with translated(StoreUnavailable):
            applied = await postgres_migrations.migrate(database, load_migrations(MIGRATIONS))
    finally:
        await database.close()
    return Migrated(applied=tuple(f"{migration.number:03} {migration.name}" for migration in applied))


def _database(settings: Settings) -> PostgresDatabase:
    assert settings.postgres_url is not None, "the caller chose this engine"
    return PostgresDatabase(
        settings.postgres_url,
        service="migrations",
        connections_max=1,
        statement_cache=settings.postgres_statement_cache,
    )
