"""Opens the PostgreSQL drivers, each time on a database of its own in a private server."""

import asyncio
import inspect
import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asyncpg

from observatory.core import limits
from observatory.core.errors import LogUnavailable
from observatory.core.event import Producer
from observatory.core.sources import Ids
from observatory.engine.postgres_database import PostgresDatabase, translated
from observatory.engine.postgres_migrations import migrate
from observatory.engine.postgres_notices import PostgresNotices
from observatory.event_bus.postgres import PostgresBus
from observatory.event_log.postgres import PostgresEventLog
from observatory.job_store.postgres import (
    PostgresAttemptLogs,
    PostgresJobQueries,
    PostgresJobStore,
    PostgresOutbox,
    PostgresPruning,
    PostgresQueues,
    PostgresSchedules,
    PostgresSelections,
)
from observatory.testing.manual_sources import ManualClock, SeededIds
from observatory.view_store.postgres import PostgresViewStore
from tests.conformance.opened import Bus, Faults, Log, Truth, Views
from tests.migration.next_schema import ADDITIVE, CURRENT, planted, works_with
from tests.servers.pgbouncer import PrivatePgBouncer
from tests.servers.postgres import PrivatePostgres

CLOCK_OF_THE_SESSION = (
    "CREATE OR REPLACE FUNCTION observatory.now() RETURNS timestamptz LANGUAGE sql STABLE "
    "AS $$ SELECT current_setting('observatory.now')::timestamptz $$"
)
"""The server's clock as a test sets it: every connection is told the time when it is taken."""

CLOCK_OF_THE_SERVER = (
    "CREATE OR REPLACE FUNCTION observatory.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT clock_timestamp()'"
)
"""As the schema has it: for tests that take a template of this module and need no clock of their own."""

CLOCK_OF_THE_DATABASE = """
CREATE TABLE public.clock (at timestamptz);
INSERT INTO public.clock VALUES (NULL);
CREATE OR REPLACE FUNCTION observatory.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM public.clock'
"""
"""The same where a connection has no session of its own."""

_number = itertools.count(1)


def postgres_errors() -> list[Exception]:
    """An instance of every exception class of the library; the usual one first."""
    found: list[type[Exception]] = [asyncpg.ConnectionDoesNotExistError]
    todo: list[type[Exception]] = [asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if kind not in found:
            found.append(kind)
    return [kind("injected") for kind in found] + [ConnectionResetError("injected"), TimeoutError("injected")]


class BreakableConnection:
    """Passes every statement on, unless a fault is due."""

    def __init__(self, connection, faults: Faults) -> None:
        self._connection = connection
        self._faults = faults

    async def _broken(self) -> None:
        try:
            self._faults.before_call()
        except (asyncpg.PostgresConnectionError, OSError):
            self._connection.terminate()  # the server is gone: what was open is undone
            raise

    async def fetch(self, query, *values):
        await self._broken()
        return await self._connection.fetch(query, *values)

    async def fetchrow(self, query, *values):
        await self._broken()
        return await self._connection.fetchrow(query, *values)

    async def fetchval(self, query, *values):
        await self._broken()
        return await self._connection.fetchval(query, *values)

    async def execute(self, query, *values, timeout=None):
        if query != "ROLLBACK":
            await self._broken()
        return await self._connection.execute(query, *values, timeout=timeout)

    def is_in_transaction(self):
        return self._connection.is_in_transaction()

    def terminate(self):
        self._connection.terminate()


class BreakableDatabase(PostgresDatabase):
    """The database as it is, over connections that can fail and that live at the time of a test's clock."""

    def __init__(self, url: str, faults: Faults, clock: ManualClock, *, is_pooled: bool = False) -> None:
        cache = 0 if is_pooled else limits.POSTGRES_STATEMENT_CACHE_DEFAULT
        super().__init__(url, service="test", statement_cache=cache)
        self._faults = faults
        self._clock = clock
        self._told = ""

    @asynccontextmanager
    async def _connection(self):
        async with super()._connection() as connection:
            now = self._clock.now().isoformat()
            if not self.is_pooled:
                await connection._connection.execute("SELECT set_config('observatory.now', $1, false)", now)
            elif self._told != now:
                await connection._connection.execute(f"UPDATE public.clock SET at = '{now}'")
                self._told = now
            yield connection

    def wrapped(self, connection):
        return BreakableConnection(connection, self._faults)

    def committed(self):
        super().committed()
        self._faults.after_commit()


@cache
def template_of(server: PrivatePostgres, *, is_elsewhere: bool = False) -> str:
    """Name of a migrated database in *server*, to be copied: nobody may be connected to it."""
    name = "migrated further" if is_elsewhere else "migrated"
    migrations = planted(works_with(len(CURRENT), ADDITIVE)) if is_elsewhere else CURRENT
    clock = CLOCK_OF_THE_DATABASE if is_elsewhere else CLOCK_OF_THE_SESSION
    url = server.create_database(name)

    async def prepare() -> None:
        database = PostgresDatabase(url, service="test")
        await migrate(database, migrations)
        await database.write_alone(lambda connection: connection.execute(clock))
        await database.close()

    with ThreadPoolExecutor(1) as thread:  # a test's own loop runs in this one
        thread.submit(asyncio.run, prepare()).result()
    return name


class RelayedLog:
    """The history as readers meet it while a relay runs: what was committed has its position when they look."""

    def __init__(self, log: PostgresEventLog, outbox: PostgresOutbox) -> None:
        self._log = log
        self._outbox = outbox

    def __getattr__(self, name):
        method = getattr(self._log, name)
        if not inspect.iscoroutinefunction(method) or name == "append":
            return method

        async def after_the_relay(*args, **kwargs):
            with translated(LogUnavailable):
                while await self._outbox.move(count_max=limits.RELAY_BATCH_MAX):
                    pass
            return await method(*args, **kwargs)

        return after_the_relay


class RelayedBus(PostgresBus):
    """A bus to which everything comes as from the relay: what it publishes lies in the history."""

    def __init__(self, database: PostgresDatabase, notices: PostgresNotices) -> None:
        super().__init__(database, notices)
        self._log = PostgresEventLog(database)

    async def publish(self, events):
        await self._log.append(events)
        await super().publish(events)


@dataclass(kw_only=True)
class PostgresEngine:
    """Opens the PostgreSQL drivers of all ports, on a database of its own."""

    name: str
    server: PrivatePostgres | None = None
    """Set by the fixture that opens."""
    is_elsewhere: bool = False
    """
    Whether the database is not as this release would have it: a next release has migrated it, and a pooler gives each
    transaction another session of the server.
    """
    pooler: PrivatePgBouncer | None = None
    """Set like the server."""

    def database(self, folder: Path, faults: Faults, clock: ManualClock) -> BreakableDatabase:
        """The database of *folder*; made when it is opened for the first time."""
        noted = folder / "postgres.url"
        if not noted.exists():
            assert self.server is not None, "the fixture gives the server"
            template = template_of(self.server, is_elsewhere=self.is_elsewhere)
            url = self.server.create_database(name := f"test_{next(_number)}", template=template)
            noted.write_text(self.pooler.url(name) if self.pooler else url)
        return BreakableDatabase(noted.read_text(), faults, clock, is_pooled=self.is_elsewhere)

    def drop(self, folder: Path) -> None:
        """Give back the room of the database of *folder*: those of all tests would fill gigabytes."""
        noted = folder / "postgres.url"
        if noted.exists():
            assert self.server is not None, "the fixture gives the server"
            name = noted.read_text().rpartition("/")[2]
            if self.is_elsewhere:
                self.server.terminate_backends(name)  # those of the pooler: a drop would look for their end too rarely
            self.server.drop_database(name)

    def open_truth(self, folder: Path, clock: ManualClock | None = None, ids: Ids | None = None) -> Truth:
        faults = Faults(postgres_errors())
        clock, ids = clock or ManualClock(), ids or SeededIds()
        database = self.database(folder, faults, clock)
        notices = PostgresNotices(database)
        outbox = PostgresOutbox(database, notices)

        def end() -> None:
            notices.abandon()
            database.abandon()

        def restarted() -> Truth:
            end()
            return self.open_truth(folder, clock, ids)

        def store(instance_id: str) -> PostgresJobStore:
            producer = Producer(service="gateway", instance_id=instance_id, version="1.2.3")
            return PostgresJobStore(database, notices, producer=producer, ids=ids)

        stores = store("one"), store("two")
        schedules, other_schedules = (PostgresSchedules(database, store=one) for one in stores)
        return Truth(
            store=stores[0],
            other_store=stores[1],
            outbox=outbox,
            schedules=schedules,
            other_schedules=other_schedules,
            queries=PostgresJobQueries(database),
            queues=PostgresQueues(database),
            selections=PostgresSelections(database),
            log=RelayedLog(PostgresEventLog(database), outbox),
            attempt_logs=PostgresAttemptLogs(database),
            pruning=PostgresPruning(database, clock=clock),
            views=PostgresViewStore(database),
            clock=clock,
            ids=ids,
            faults=faults,
            gives_space_back=False,
            forget=lambda: None,
            restarted=restarted,
            end=end,
        )

    def open_log(self, folder: Path) -> Log:
        faults = Faults(postgres_errors())
        database = self.database(folder, faults, ManualClock())

        def restarted() -> Log:
            database.abandon()
            return self.open_log(folder)

        return Log(log=PostgresEventLog(database), faults=faults, restarted=restarted, end=database.abandon)

    def open_views(self, folder: Path) -> Views:
        faults = Faults(postgres_errors())
        database = self.database(folder, faults, ManualClock())

        def restarted() -> Views:
            database.abandon()
            return self.open_views(folder)

        views, other = PostgresViewStore(database), PostgresViewStore(database)
        return Views(views=views, other_views=other, faults=faults, restarted=restarted, end=database.abandon)

    def open_bus(self, folder: Path) -> Bus:
        """Each bus with connections of its own, as two processes have them."""
        databases = [self.database(folder, Faults(postgres_errors()), ManualClock()) for _ in range(2)]
        notices = [PostgresNotices(database) for database in databases]
        bus, other = (RelayedBus(*ground) for ground in zip(databases, notices, strict=True))

        def end() -> None:
            for one in (*notices, *databases):
                one.abandon()

        return Bus(bus=bus, other_bus=other, end=end)
