"""The ports over PostgreSQL: one bounded pool for all of them. Any number of processes share one database."""

from observatory.audit.auditor import Auditor, Say
from observatory.audit.report import AuditReport
from observatory.core.errors import StoreUnavailable
from observatory.core.folds import STATS_VIEW
from observatory.engine import postgres_migrations
from observatory.engine.migrations import Migration, load_migrations
from observatory.engine.postgres_database import Connection, PostgresDatabase, translated
from observatory.engine.postgres_notices import PostgresNotices
from observatory.engine.postgres_server import check_takes_writes
from observatory.engine.postgres_snapshot import PostgresSnapshot
from observatory.event_bus.postgres import PostgresBus
from observatory.event_log.postgres import PostgresEventLog
from observatory.job_store.postgres import (
    MIGRATIONS,
    PostgresAttemptLogs,
    PostgresJobQueries,
    PostgresJobStore,
    PostgresOutbox,
    PostgresPruning,
    PostgresQueues,
    PostgresSchedules,
    PostgresSelections,
)
from observatory.runtime.ports import Ports
from observatory.runtime.schema import Migrated, Schema
from observatory.runtime.settings import Settings
from observatory.runtime.settings_urls import shown_url
from observatory.runtime.sources import Sources, SystemClock
from observatory.view_store.postgres import PostgresViewStore


def open_postgres(settings: Settings, sources: Sources, *, role: str) -> Ports:
    """
    The ports over the database that *settings* name, for one process, in its running event loop.

    The server lists its connections under *role*. Connects to nothing yet: a process starts while its database is
    away, and its ports work when it comes.
    """
    database = _database(settings, role)
    notices = PostgresNotices(database)
    outbox = PostgresOutbox(database, notices)
    bus = PostgresBus(database, notices)

    def store_of(service: str) -> PostgresJobStore:
        return PostgresJobStore(database, notices, producer=sources.producer(service), ids=sources.ids)

    migrations = load_migrations(MIGRATIONS)

    async def check() -> None:
        with translated(StoreUnavailable):
            await database.read(lambda connection: _check(connection, migrations))

    async def close() -> None:
        outbox.close()
        await notices.close()
        await database.close()

    return Ports(
        source="postgres",
        store_of=store_of,
        schedules_of=lambda service: PostgresSchedules(database, store=store_of(service)),
        queries=PostgresJobQueries(database),
        queues=PostgresQueues(database),
        selections=PostgresSelections(database),
        attempt_logs=PostgresAttemptLogs(database),
        outbox=outbox,
        pruning=PostgresPruning(database, clock=sources.clock),
        log=PostgresEventLog(database),
        views=PostgresViewStore(database),
        bus=bus,
        announce=bus.announce,
        check=check,
        close=close,
    )


async def _check(connection: Connection, migrations: list[Migration]) -> None:
    await check_takes_writes(connection)
    # It may have been migrated beyond this release since the process began.
    await postgres_migrations.usable_number(connection, migrations)


async def audit_database(settings: Settings, *, say: Say | None = None) -> AuditReport:
    """
    Audit the database that *settings* name, as of one instant, also while it is used. Only reads.

    Raises:
        CannotStart: As `schema_of_database`, or the schema is not one of this release.
        Unavailable: The database did not answer.
    """
    (await schema_of_database(settings)).check()
    assert settings.postgres_url is not None, "the caller chose this engine"
    clock = SystemClock()
    snapshot = PostgresSnapshot(
        settings.postgres_url, service="audit", statement_cache=settings.postgres_statement_cache
    )
    with translated(StoreUnavailable):
        async with snapshot.taken():
            return await Auditor(
                queries=PostgresJobQueries(snapshot),
                log=PostgresEventLog(snapshot),
                views=PostgresViewStore(snapshot),
                pruning=PostgresPruning(snapshot, clock=clock),
                view=STATS_VIEW,
                clock=clock,
                say=say,
            ).run()


async def schema_of_database(settings: Settings) -> Schema:
    """See `opening.schema_of`."""
    database = _database(settings, "schema")
    try:
        with translated(StoreUnavailable):
            status = await postgres_migrations.schema_status(database, load_migrations(MIGRATIONS))
    finally:
        await database.close()
    return Schema(place=shown_url(settings.postgres_url), number=status.number, newest=status.newest)


async def migrate_database(settings: Settings) -> Migrated:
    """See `opening.migrate`."""
    database = _database(settings, "schema")
    try:
        with translated(StoreUnavailable):
            applied = await postgres_migrations.migrate(database, load_migrations(MIGRATIONS))
    finally:
        await database.close()
    return Migrated(applied=tuple(f"{migration.number:03} {migration.name}" for migration in applied))


def _database(settings: Settings, service: str) -> PostgresDatabase:
    assert settings.postgres_url is not None, "the caller chose this engine"
    return PostgresDatabase(
        settings.postgres_url,
        service=service,
        connections_max=settings.postgres_connections_max,
        statement_cache=settings.postgres_statement_cache,
    )
