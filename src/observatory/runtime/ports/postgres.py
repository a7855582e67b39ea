"""The ports over PostgreSQL: one bounded pool for all of them. Any number of processes share one database."""

from collections.abc import Awaitable, Callable

import structlog

from observatory.audit.auditor import Auditor, Say
from observatory.audit.report import AuditReport
from observatory.core.errors import ObservatoryError, StoreUnavailable
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

_log = structlog.get_logger("observatory.postgres")


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
            number = await database.read(lambda connection: _number_of(connection, migrations))
        _schema(settings, number, migrations).check()

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
        check=_saying_why(check),
        close=close,
    )


def _saying_why(check: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """*check*, which writes each new reason to the log once: a probe is answered with a word only."""
    told = ""

    async def saying() -> None:
        nonlocal told
        try:
            await check()
        except ObservatoryError as error:
            if str(error) != told:
                told = str(error)
                _log.warning("the database cannot be used", reason=told, remedy=error.remedy)
            raise
        told = ""

    return saying


async def _number_of(connection: Connection, migrations: list[Migration]) -> int:
    """Of the schema that can be worked with now: it may be another one than when the process began, or be gone."""
    await check_takes_writes(connection)
    return await postgres_migrations.usable_number(connection, migrations)


def _schema(settings: Settings, number: int, migrations: list[Migration]) -> Schema:
    return Schema(place=shown_url(settings.postgres_url), number=number, newest=len(migrations))


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
