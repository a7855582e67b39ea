"""Does a database behind a pooler work without a session that lasts, and leave none changed?"""

import asyncio
import itertools

import asyncpg
import pytest

from observatory.core import limits
from observatory.engine.postgres_database import PostgresDatabase
from observatory.engine.postgres_migrations import migrate
from observatory.engine.postgres_snapshot import PostgresSnapshot
from tests.migration.next_schema import CURRENT
from tests.servers.pgbouncer import PrivatePgBouncer

SETTINGS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "enable_seqscan", "jit")
SHOWN = "SELECT " + ", ".join(f"current_setting('{name}')" for name in SETTINGS)
OURS = ("10s", "4s", "5s", "off", "off")

_number = itertools.count(1)


@pytest.fixture(scope="module")
def pooler(postgres_server, postgres_pooler):
    """One where no two transactions share a session."""
    with PrivatePgBouncer(postgres_server, is_forgetful=True) as pooler:
        yield pooler


@pytest.fixture
def name(postgres_server):
    name = f"pooled_{next(_number)}"
    postgres_server.create_database(name)
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
async def database(pooler, name):
    database = PostgresDatabase(pooler.url(name), service="test", statement_cache=0)
    yield database
    await database.close()


async def shown(connection):
    return tuple(await connection.fetchrow(SHOWN))


async def pid(connection):
    return await connection.fetchval("SELECT pg_backend_pid()")


async def test_no_two_transactions_share_a_session(database):
    pids = [await database.read(pid) for _ in range(4)]

    assert len(set(pids)) == 4


async def test_every_kind_of_call_brings_its_settings_along(database):
    for call in (database.read, database.write, database.write_alone):
        assert await call(shown) == OURS


async def test_no_session_keeps_them(postgres_server, name):
    with PrivatePgBouncer(postgres_server, sessions_max=1) as pooler:
        database = PostgresDatabase(pooler.url(name), service="test", statement_cache=0)
        await migrate(database, CURRENT)
        ours = await database.read(pid)
        await database.close()

        stranger = await asyncpg.connect(pooler.url(name), statement_cache_size=0)
        assert await stranger.fetchval("SELECT pg_backend_pid()") == ours
        assert tuple(await stranger.fetchrow(SHOWN)) == ("0", "0", "0", "on", "on")
        await stranger.close()


async def test_a_unit_that_fails_leaves_nothing(database):
    await database.write(lambda connection: connection.execute("CREATE TABLE rows (n int)"))

    async def half(connection):
        await connection.execute("INSERT INTO rows VALUES (1)")
        raise LookupError

    for call in (database.write, database.write_alone, database.read):
        with pytest.raises(LookupError):
            await call(half)

    assert await database.read(lambda connection: connection.fetchval("SELECT count(*) FROM rows")) == 0


async def test_calls_at_the_same_time_never_get_each_others_answers(database):
    async def asked(number):
        return await database.read(lambda connection: connection.fetchval("SELECT $1::int", number))

    assert await asyncio.gather(*map(asked, range(50))) == list(range(50))


async def test_a_snapshot_stays_the_same_and_may_rest(database, pooler, name):
    await database.write(lambda connection: connection.execute("CREATE TABLE rows AS SELECT 1 AS n"))
    snapshot = PostgresSnapshot(pooler.url(name), service="test", statement_cache=0)

    async def count(connection):
        return await connection.fetchval("SELECT count(*) FROM rows")

    async with snapshot.taken():
        await database.write(lambda connection: connection.execute("INSERT INTO rows VALUES (2)"))
        assert await snapshot.read(count) == 1
        assert (await snapshot.read(shown))[2] == "0"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await snapshot.read(lambda connection: connection.execute("INSERT INTO rows VALUES (3)"))

    assert await database.read(count) == 2


async def test_a_connection_that_the_pooler_loses_is_replaced(postgres_server, name):
    with PrivatePgBouncer(postgres_server) as pooler:
        database = PostgresDatabase(pooler.url(name), service="test", statement_cache=0)
        await database.read(pid)
        pooler.kill()
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await database.read(pid)
        pooler.start()

        async with asyncio.timeout(limits.POSTGRES_ANSWER_S_MAX):
            assert await database.read(pid)
        await database.close()
