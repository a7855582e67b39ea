"""Jobs that are submitted in the application's own transaction, over every library and kind of connection."""

import asyncio
import json
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import asyncpg
import psycopg
import pytest
import sqlalchemy

from observatory import IdempotencyConflict, InvalidJob, JobContext, NotInTransaction, Observatory, Refused, WrongPlace
from observatory.core.errors import DatabaseUnusable
from observatory.core.event import Producer
from observatory.engine.migrations import load_migrations
from observatory.engine.postgres_database import PostgresDatabase
from observatory.engine.postgres_migrations import migrate
from observatory.engine.postgres_notices import PostgresNotices
from observatory.job_store.postgres import MIGRATIONS, PostgresJobStore
from observatory.processor.current import current_job
from observatory.runtime.sources import SystemIds
from observatory.testing import TestMode
from tests.e2e.lenders import LENDERS, Asyncpg, Lender, Psycopg, SqlalchemyAsyncConnection, SqlalchemySession
from tests.e2e.process import Up
from tests.unit.sdk.shop import app as thumbnails

app = Observatory(url="http://127.0.0.1:9")  # nobody is there: whoever asks a service fails


@app.job("invoice", max_attempts=7, timeout_s=12.5)
def invoice(ctx: JobContext, *, order: int, note: str = "") -> None: ...


async def migrated(url: str, *, up_to: int | None = None) -> None:
    database = PostgresDatabase(url, service="test")
    await migrate(database, load_migrations(MIGRATIONS)[:up_to])
    await database.close()


class Shop:
    """A database of an application, with or without the schema of the observatory in it."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.url = server.create_database(name)
        self._connection = psycopg.connect(self.url, autocommit=True, options="-c TimeZone=UTC")
        self.ask("CREATE TABLE public.orders (id bigint PRIMARY KEY)")

    def ask(self, query):
        """What a connection apart sees: what is committed."""
        cursor = self._connection.execute(query)
        return cursor.fetchall() if cursor.description else []

    def orders(self):
        return [row[0] for row in self.ask("SELECT id FROM public.orders ORDER BY id")]

    def jobs(self):
        return [row[0] for row in self.ask("SELECT id FROM observatory.jobs ORDER BY number")]

    def staged(self):
        return self.ask("SELECT job_id, sequence, event_type FROM observatory.outbox ORDER BY number")

    def close(self):
        self._connection.close()
        self.server.drop_database(self.name)


@pytest.fixture(scope="module")
def shops(postgres_server):
    """Opens a database with the migrations up to one, once for all tests of this module."""
    opened: dict[int | None, Shop] = {}

    def open_one(up_to):
        if up_to not in opened:
            shop = opened[up_to] = Shop(postgres_server, f"submit_in_{len(opened)}")
            if up_to != 0:
                asyncio.run(migrated(shop.url, up_to=up_to))
        return opened[up_to]

    yield open_one
    for shop in opened.values():
        shop.close()


@pytest.fixture
def shop(shops):
    """With the schema of this release, and without a job or an order."""
    shop = shops(None)
    for table in ("public.orders", "observatory.jobs", "observatory.outbox", "observatory.events"):
        shop.ask(f"DELETE FROM {table}")
    return shop


@pytest.fixture
def own_shop(postgres_server):
    """As `shop`, in a database that this process has never submitted to."""
    shop = Shop(postgres_server, "submit_in_own")
    asyncio.run(migrated(shop.url))
    yield shop
    shop.close()


@pytest.fixture
async def lend():
    """Opens a connection of a kind; all of them are closed after the test."""
    opened: list[Lender] = []

    async def open_one(kind, url, *, autocommit=False):
        lender = kind()
        opened.append(lender)
        await lender.open(url, autocommit=autocommit)
        return lender

    yield open_one
    for lender in opened:
        await lender.close()


every_kind = pytest.mark.parametrize("kind", LENDERS, ids=lambda kind: kind.name)
each_library = pytest.mark.parametrize(
    "kind", [Asyncpg, Psycopg, SqlalchemySession, SqlalchemyAsyncConnection], ids=lambda kind: kind.name
)


# --- with the commit or not at all ----------------------------------------------------------------


@every_kind
async def test_job_and_event_appear_with_the_commit(kind, shop, lend) -> None:
    lender = await lend(kind, shop.url)
    await lender.begin()
    await lender.execute("INSERT INTO public.orders VALUES (7)")

    handle = await lender.submit(app, "invoice", order=7, note="100 % of $1 and %s: 'ä'")

    assert (shop.jobs(), shop.staged()) == ([], [])
    await lender.commit()
    assert shop.orders() == [7]
    assert shop.jobs() == [handle.id]
    assert shop.staged() == [(handle.id, 1, "job.created")]
    assert handle.type == "invoice"


@every_kind
async def test_nothing_is_left_by_a_rollback(kind, shop, lend) -> None:
    lender = await lend(kind, shop.url)
    await lender.begin()
    await lender.execute("INSERT INTO public.orders VALUES (7)")
    await lender.submit(app, "invoice", order=7)

    await lender.rollback()

    assert (shop.orders(), shop.jobs(), shop.staged()) == ([], [], [])


@each_library
async def test_a_savepoint_that_is_rolled_back_takes_its_job_with_it(kind, shop, lend) -> None:
    lender = await lend(kind, shop.url)
    await lender.begin()
    kept = await lender.submit(app, "invoice", order=1)
    await lender.execute("SAVEPOINT mine")
    await lender.submit(app, "invoice", order=2)

    await lender.execute("ROLLBACK TO SAVEPOINT mine")

    await lender.commit()
    assert shop.jobs() == [kept.id]
    assert shop.staged() == [(kept.id, 1, "job.created")]


@each_library
async def test_one_connection_submits_in_one_transaction_after_the_other(kind, shop, lend) -> None:
    lender = await lend(kind, shop.url)
    ids = []
    for order in (1, 2, 3):
        await lender.begin()
        ids += [(await lender.submit(app, "invoice", order=order)).id for _ in range(2)]
        await lender.commit()

    assert shop.jobs() == ids


@every_kind
async def test_the_row_is_that_of_a_job_that_a_gateway_accepted(kind, shop, lend) -> None:
    lender = await lend(kind, shop.url)
    await lender.begin()
    options = {"queue": "slow", "priority": 2, "max_attempts": 3, "metadata": {"by": "me"}, "delay_s": 60}

    await lender.submit(app, "invoice", options, order=7)
    await lender.submit(app, "invoice", order=8)

    await lender.commit()
    columns = "status, queue, priority, max_attempts, timeout_seconds, payload, metadata"
    assert shop.ask(f"SELECT {columns} FROM observatory.jobs ORDER BY number") == [
        ("SCHEDULED", "slow", 2, 3, 12.5, '{"order":7}', '{"by":"me"}'),
        ("PENDING", "default", 5, 7, 12.5, '{"order":8}', None),
    ]
    [(producer, payload, at), _] = shop.ask("SELECT producer, payload, occurred_at FROM observatory.outbox")
    assert producer.split("/")[0] == "sdk"
    created = json.loads(payload)["createdAt"]
    assert created == at.isoformat().replace("+00:00", "Z")


async def test_a_processor_gets_the_job_once_it_is_committed(shop, lend) -> None:
    database = PostgresDatabase(shop.url, service="test")
    producer = Producer(service="processor", instance_id=str(uuid4()), version="1")
    notices = PostgresNotices(database)
    store = PostgresJobStore(database, notices, producer=producer, ids=SystemIds())
    lender = await lend(Psycopg, shop.url)
    handle = await lender.submit(app, "invoice", order=7)

    async def claimed():
        return await store.claim(types=["invoice"], worker="w", count_max=5, lease_s=30)

    assert await claimed() == []
    await lender.commit()
    [job] = await claimed()

    assert (job.id, job.payload, job.sequence) == (handle.id, {"order": 7}, 2)
    await notices.close()
    await database.close()


def test_the_running_system_hears_of_the_commit_and_the_handle_gives_the_result(
    own_shop, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("POSTGRES_URL", own_shop.url)
    mine = Observatory(data_dir=str(tmp_path))
    mine.include(thumbnails)
    up = Up(tmp_path, "--app", "tests.unit.sdk.shop:app").until_ready("ready in ")
    try:
        with psycopg.connect(own_shop.url) as connection:
            handle = mine.submit_in(connection, "thumbnail", path="a.jpg")

        assert handle.result(timeout_s=20)["name"] == "a.jpg"
        assert [event["eventType"] for event in handle.events()][0::3] == ["job.created", "job.completed"]
    finally:
        up.stop()
        mine.close()


@every_kind
async def test_the_wake_up_goes_with_the_commit(kind, shop, lend) -> None:
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    listener = await asyncpg.connect(shop.url)
    for channel in ("odd_committed", "odd_hints"):
        await listener.add_listener(channel, lambda _, __, channel, text: heard.put_nowait((channel, text)))
    lender = await lend(kind, shop.url)
    await lender.begin()
    await lender.submit(app, "invoice", order=7)
    await asyncio.sleep(0.1)
    await listener.execute("SELECT 1")
    assert heard.empty()

    await lender.commit()

    notices = [await asyncio.wait_for(heard.get(), 5) for _ in range(2)]
    assert sorted(notices) == [("odd_committed", ""), ("odd_hints", "ready")]
    await listener.close()


@each_library
async def test_a_job_that_was_there_wakes_nobody(kind, shop, lend) -> None:
    key = {"idempotency_key": "order-7"}
    lender = await lend(kind, shop.url)
    await lender.begin()
    first = await lender.submit(app, "invoice", key, order=7)
    await lender.commit()
    heard: list[str] = []
    listener = await asyncpg.connect(shop.url)
    await listener.add_listener("odd_hints", lambda *notice: heard.append(notice[-1]))
    await listener.add_listener("odd_committed", lambda *notice: heard.append(notice[-1]))

    await lender.begin()
    again = await lender.submit(app, "invoice", key, order=7)
    await lender.execute("SELECT pg_notify('odd_hints', 'the last one')")
    await lender.commit()

    async with asyncio.timeout(5):
        while not heard:  # noqa: ASYNC110 — the listener calls back between two looks
            await asyncio.sleep(0.01)
    assert again.id == first.id
    assert heard == ["the last one"]
    await listener.close()


async def test_a_transaction_of_many_jobs_has_one_savepoint_of_ours(own_shop, lend) -> None:
    lender = await lend(Asyncpg, own_shop.url)
    statements: list[str] = []
    lender.connection.add_query_logger(lambda record: statements.append(record.query))
    await lender.begin()
    for order in range(5):
        await lender.submit(app, "invoice", order=order)
    await lender.commit()

    assert [statement for statement in statements if "SAVEPOINT" in statement] == [
        "SAVEPOINT odd_submit",
        "RELEASE SAVEPOINT odd_submit",
    ]
    assert len(own_shop.jobs()) == 5


# --- idempotency keys -----------------------------------------------------------------------------


@every_kind
async def test_a_key_makes_one_job_in_a_transaction(kind, shop, lend) -> None:
    lender = await lend(kind, shop.url)
    await lender.begin()

    first = await lender.submit(app, "invoice", {"idempotency_key": "order-7"}, order=7)
    again = await lender.submit(app, "invoice", {"idempotency_key": "order-7"}, order=7)
    with pytest.raises(IdempotencyConflict) as conflict:
        await lender.submit(app, "invoice", {"idempotency_key": "order-7"}, order=8)

    await lender.execute("INSERT INTO public.orders VALUES (7)")
    await lender.commit()
    assert first == again
    assert conflict.value.job_id == first.id
    assert shop.jobs() == [first.id]
    assert shop.staged() == [(first.id, 1, "job.created")]
    assert shop.orders() == [7]


@each_library
@pytest.mark.parametrize("end", ["the same job", "another job", "rolled back"])
async def test_a_key_of_a_transaction_that_is_open_is_waited_for(kind, end, shop, lend) -> None:
    one, two = await lend(Asyncpg, shop.url), await lend(kind, shop.url)
    key = {"idempotency_key": "order-7"}
    await one.begin()
    await two.begin()
    first = await one.submit(app, "invoice", key, order=7)

    second = asyncio.create_task(two.submit(app, "invoice", key, order=8 if end == "another job" else 7))
    done, _ = await asyncio.wait([second], timeout=0.15)
    assert not done

    await (one.rollback() if end == "rolled back" else one.commit())
    if end == "another job":
        with pytest.raises(IdempotencyConflict):
            await second
    else:
        assert ((await second).id == first.id) is (end == "the same job")
    await two.execute("INSERT INTO public.orders VALUES (8)")
    await two.commit()
    assert shop.jobs() == [second.result().id if end == "rolled back" else first.id]
    assert len(shop.staged()) == 1
    assert shop.orders() == [8]


# --- what is refused ------------------------------------------------------------------------------


@every_kind
async def test_a_job_that_is_refused_leaves_the_transaction_usable(kind, shop, lend) -> None:
    lender = await lend(kind, shop.url)
    await lender.begin()
    await lender.execute("INSERT INTO public.orders VALUES (7)")

    with pytest.raises(InvalidJob, match="order of invoice"):
        await lender.submit(app, "invoice", order="seven")
    with pytest.raises(InvalidJob, match="option priority"):
        await lender.submit(app, "invoice", {"priority": 11}, order=7)
    with pytest.raises(Refused) as reserved:
        await lender.submit(app, "invoice", {"idempotency_key": "retry/1"}, order=7)

    handle = await lender.submit(app, "invoice", order=7)
    await lender.commit()
    assert reserved.value.code == "reserved_idempotency_key"
    assert shop.jobs() == [handle.id]
    assert shop.orders() == [7]


@every_kind
async def test_a_connection_that_commits_every_statement_is_refused(kind, shop, lend) -> None:
    lender = await lend(kind, shop.url, autocommit=True)

    with pytest.raises(NotInTransaction, match="open a transaction first: "):
        await lender.submit(app, "invoice", order=7)

    assert shop.jobs() == []


async def test_a_transaction_on_a_connection_that_commits_by_itself_is_one(shop, lend) -> None:
    lender = await lend(Psycopg, shop.url, autocommit=True)

    with lender.connection.transaction():
        app.submit_in(lender.connection, "invoice", order=6)
        raise psycopg.Rollback
    with lender.connection.transaction():
        handle = app.submit_in(lender.connection, invoice, order=7)

    assert shop.jobs() == [handle.id]


@pytest.fixture
def bare(has, shops):
    """A database with the first so many migrations only."""
    shop = shops(has)
    shop.ask("DELETE FROM public.orders")
    return shop


@each_library
@pytest.mark.parametrize("has", [0, 3])
async def test_a_database_without_the_schema_of_this_release_is_said(kind, has, bare, lend) -> None:
    lender = await lend(kind, bare.url)
    await lender.begin()
    await lender.execute("INSERT INTO public.orders VALUES (7)")

    for _ in range(2):
        with pytest.raises(DatabaseUnusable, match="the database is not set up for jobs: it") as refused:
            await lender.submit(app, "invoice", order=7)
        assert refused.value.__notes__ == ["set POSTGRES_URL to it and run:  odd-dashboard migrate"]

    await lender.commit()
    assert bare.orders() == [7]


@pytest.fixture
def foreign(postgres_server):
    """A database in which another program made a schema of our name."""
    shop = Shop(postgres_server, "submit_in_foreign")
    shop.ask("CREATE SCHEMA observatory")
    shop.ask("CREATE TABLE observatory.migrations (id text)")
    yield shop
    shop.close()


@each_library
async def test_a_schema_of_another_program_is_said_and_left_alone(kind, foreign, lend) -> None:
    lender = await lend(kind, foreign.url)
    await lender.begin()

    with pytest.raises(DatabaseUnusable, match="a schema named observatory that another program made"):
        await lender.submit(app, "invoice", order=7)

    await lender.execute("INSERT INTO public.orders VALUES (7)")
    await lender.commit()
    assert foreign.orders() == [7]


@pytest.fixture
def latin(postgres_server):
    """A database that cannot store every text."""
    postgres_server.execute("CREATE DATABASE submit_in_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    yield postgres_server.url("submit_in_latin")
    postgres_server.drop_database("submit_in_latin")


@each_library
async def test_a_database_that_cannot_store_every_text_is_refused(kind, latin, lend) -> None:
    lender = await lend(kind, latin)
    await lender.begin()

    with pytest.raises(DatabaseUnusable, match="the database is not encoded in UTF8"):
        await lender.submit(app, "invoice", order=7)


@each_library
async def test_a_role_without_rights_is_said_by_the_library_and_the_transaction_goes_on(kind, own_shop, lend) -> None:
    # Roles belong to the server, which other tests use too.
    own_shop.ask(f"CREATE ROLE {own_shop.name}_guest")
    own_shop.ask(f"GRANT INSERT ON public.orders TO {own_shop.name}_guest")
    lender = await lend(kind, own_shop.url)
    await lender.begin()
    await lender.execute(f"SET LOCAL ROLE {own_shop.name}_guest")

    with pytest.raises((asyncpg.PostgresError, psycopg.Error, sqlalchemy.exc.DBAPIError), match="permission denied"):
        await lender.submit(app, "invoice", order=7)

    await lender.execute("INSERT INTO public.orders VALUES (7)")
    await lender.commit()
    assert own_shop.orders() == [7]
    own_shop.ask(f"DROP OWNED BY {own_shop.name}_guest")
    own_shop.ask(f"DROP ROLE {own_shop.name}_guest")


async def test_the_rights_that_the_guide_names_are_enough(shop, lend) -> None:
    guest = f"{shop.name}_guest"
    guide = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text(encoding="utf-8")
    grants = [line.replace("shop", guest) for line in guide.splitlines() if line.startswith("GRANT ")]
    assert grants
    for statement in (f"CREATE ROLE {guest}", *grants):
        shop.ask(statement)
    lender = await lend(Psycopg, shop.url)
    await lender.execute(f"SET LOCAL ROLE {guest}")
    key = {"idempotency_key": "order-7"}

    handle = await lender.submit(app, "invoice", key, order=7)
    again = await lender.submit(app, "invoice", key, order=7)

    await lender.commit()
    assert shop.jobs() == [handle.id] == [again.id]
    shop.ask(f"DROP OWNED BY {guest}")
    shop.ask(f"DROP ROLE {guest}")


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        (lambda: None, r"builtins.NoneType is no connection that a job can be submitted in: give one of asyncpg or"),
        (lambda: sqlite3.connect(":memory:"), r"sqlite3.Connection is no connection"),
        (lambda: sqlalchemy.create_engine("sqlite://").connect(), r"to sqlite over pysqlite: it takes postgresql over"),
        (
            lambda: sqlalchemy.create_engine("sqlite://"),
            r"sqlalchemy.engine.base.Engine is .*: give a connection of it",
        ),
        (lambda: asyncpg.create_pool("postgresql://nobody"), r"asyncpg.pool.Pool is .*: give a connection of it"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_another_kind_of_connection_is_refused_in_the_callers_words(connection, says) -> None:
    with pytest.raises(TypeError, match=says):
        app.submit_in(connection(), "invoice", order=7)


async def test_who_mixes_up_awaiting_and_blocking_is_told_the_other_call(shop, lend) -> None:
    awaited, blocking = await lend(Asyncpg, shop.url), await lend(Psycopg, shop.url)

    with pytest.raises(TypeError, match=r"write await app\.aio\.submit_in"):
        app.submit_in(awaited.connection, "invoice", order=7)
    with pytest.raises(TypeError, match=r"write app\.submit_in\(\.\.\.\), without aio"):
        await app.aio.submit_in(blocking.connection, "invoice", order=7)


async def test_test_mode_says_that_it_has_no_database(shop, lend) -> None:
    lender = await lend(Psycopg, shop.url)

    with TestMode(app), pytest.raises(WrongPlace, match="in test mode"):
        app.submit_in(lender.connection, "invoice", order=7)


async def test_inside_a_handler_the_job_takes_the_correlation_id_of_the_one_that_submits(shop, lend) -> None:
    lender = await lend(Asyncpg, shop.url)
    await lender.begin()
    known = str(uuid4())
    token = current_job.set(SimpleNamespace(correlation_id=known))
    await lender.submit(app, "invoice", order=7)
    current_job.reset(token)
    await lender.submit(app, "invoice", order=8)
    await lender.commit()

    ids = [row[0] for row in shop.ask("SELECT correlation_id FROM observatory.jobs ORDER BY number")]
    assert ids[0] == known
    assert ids[1] != known
