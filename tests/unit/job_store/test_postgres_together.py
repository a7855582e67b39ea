"""What several callers do to each other over one PostgreSQL: whom a lock holds up, and whom it must not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from observatory.core.command import Cancel
from observatory.core.errors import KeyInUse, RowUnreadable, StoreUnavailable
from observatory.core.event import Producer
from observatory.core.job import Job, NewJob
from observatory.engine.postgres_database import PostgresDatabase
from observatory.engine.postgres_notices import PostgresNotices
from observatory.job_store.port import Applied, Order
from observatory.job_store.postgres import PostgresJobStore, PostgresOutbox, PostgresQueues
from observatory.job_store.postgres import store as store_module
from observatory.job_store.postgres.accepting import accept
from observatory.testing.factories import new_job
from observatory.testing.manual_sources import SeededIds
from tests.conformance.postgres import CLOCK_OF_THE_SERVER, template_of
from tests.servers.postgres import PrivatePostgres

IN_TIME_S = 20.0
SOON_S = 2.0
"""Less than any lock is waited for in vain."""
PRODUCER = Producer(service="gateway", instance_id="i", version="0")


class Place:
    """Store, queues and outbox over one database, and the test's own way to it."""

    def __init__(self, url: str) -> None:
        self.database = PostgresDatabase(url, service="test")
        self.notices = PostgresNotices(self.database)
        self.ids = SeededIds()
        self.store = PostgresJobStore(self.database, self.notices, producer=PRODUCER, ids=self.ids)
        self.queues = PostgresQueues(self.database)
        self.outbox = PostgresOutbox(self.database, self.notices)

    def new(self, **fields: Any) -> NewJob:
        return new_job(self.ids, type="t", **fields)

    async def submit(self, count: int = 1, **fields: Any) -> list[str]:
        answers = await self.store.submit([self.new(**fields) for _ in range(count)])
        return [answer.job.id for answer in answers if not isinstance(answer, Exception)]

    async def claim(self, count_max: int = 10) -> list[Job]:
        return await self.store.claim(types=["t"], worker="w", count_max=count_max, lease_s=30.0)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Somebody else's, which is undone at the end."""
        connection = await self.database.connect()
        await connection.execute("BEGIN")
        try:
            yield connection
        finally:
            await connection.execute("ROLLBACK")
            await connection.close()


@pytest_asyncio.fixture
async def place(postgres_server: PrivatePostgres, tmp_path: Path) -> AsyncIterator[Place]:
    name = f"together_{tmp_path.name}"[:60]
    url = postgres_server.create_database(name, template=template_of(postgres_server, is_elsewhere=False))
    here = Place(url)
    await here.database.write_alone(lambda connection: connection.execute(CLOCK_OF_THE_SERVER))
    yield here
    await here.notices.close()
    await here.database.close()
    postgres_server.drop_database(name)


class Middle:
    """A claim that has looked which queues are open, and stands still until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_there, self.may_go = asyncio.Event(), asyncio.Event()
        real = store_module.ready_unlimited_jobs

        async def held(*args: Any, **options: Any) -> Any:
            self.is_there.set()
            await self.may_go.wait()
            return await real(*args, **options)

        monkeypatch.setattr(store_module, "ready_unlimited_jobs", held)


async def test_a_pause_is_answered_when_the_claims_under_way_are_over(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.submit(4, queue="mail")
    middle = Middle(monkeypatch)
    claiming = asyncio.create_task(place.claim(2))
    await middle.is_there.wait()

    pausing = asyncio.create_task(place.queues.pause("mail", by="ann", reason=None))
    await asyncio.sleep(0.1)
    assert not pausing.done()
    middle.may_go.set()
    claimed, paused = await asyncio.gather(claiming, pausing)

    assert paused.paused_at is not None
    assert [job.started_at is not None and job.started_at <= paused.paused_at for job in claimed] == [True, True]
    assert await place.claim() == []


async def test_a_limit_counts_the_claims_that_were_under_way_when_it_was_set(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.submit(9, queue="mail")
    middle = Middle(monkeypatch)
    claiming = asyncio.create_task(place.claim(2))
    await middle.is_there.wait()

    limiting = asyncio.create_task(place.queues.set_concurrency("mail", 3))
    await asyncio.sleep(0.1)
    middle.may_go.set()
    await limiting

    assert (len(await place.claim()), len(await claiming)) == (1, 2)


async def test_a_change_that_a_claim_holds_up_is_given_up_before_it_holds_up_the_other_claims_for_long(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.submit(4, queue="mail")
    middle = Middle(monkeypatch)
    stopped = asyncio.create_task(place.claim(1))
    await middle.is_there.wait()
    monkeypatch.undo()

    pausing = asyncio.create_task(place.queues.pause("mail", by="ann", reason=None))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(SOON_S):
        assert len(await place.claim(1)) == 1
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await pausing

    middle.may_go.set()
    assert len(await stopped) == 1


async def test_who_stands_in_the_middle_of_a_claim_from_a_queue_with_a_limit_holds_up_no_other_queue(
    place: Place,
) -> None:
    await place.queues.set_concurrency("narrow", 5)
    await place.submit(1, queue="narrow", priority=0)
    await place.submit(2, queue="wide")

    async with place.transaction() as other:
        await other.execute("SELECT FROM observatory.queues WHERE queue = 'narrow' FOR UPDATE")
        async with asyncio.timeout(SOON_S):
            assert [job.queue for job in await place.claim()] == ["wide", "wide"]
            assert await place.claim() == []

    assert [job.queue for job in await place.claim()] == ["narrow"]


async def test_claims_from_a_queue_with_a_limit_that_come_together_take_all_that_may_be_taken(place: Place) -> None:
    await place.queues.set_concurrency("narrow", 8)
    await place.submit(20, queue="narrow")

    claims = await asyncio.gather(*(place.claim(2) for _ in range(4)))
    while more := await place.claim(2):
        claims.append(more)

    assert sum(map(len, claims)) == 8


async def test_a_key_that_somebody_is_about_to_accept_holds_up_nobody_else(place: Place) -> None:
    async with place.transaction() as other:
        at = await other.fetchval("SELECT observatory.now()")
        await accept(other, [place.new(idempotency_key="held")], at, PRODUCER)
        waiting = [asyncio.create_task(place.submit(idempotency_key="held")) for _ in range(4)]
        async with asyncio.timeout(SOON_S):
            for number in range(3):
                strangers = [place.submit(), place.submit(idempotency_key=f"k{number}"), place.submit()]
                assert [len(ids) for ids in await asyncio.gather(*strangers)] == [1, 1, 1]
        answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(answer) for answer in answers] == [KeyInUse] * 4
    again = [await place.submit(idempotency_key="held") for _ in range(2)]
    assert again[0] == again[1] != []


async def test_who_waits_for_a_key_gets_the_job_of_the_one_who_had_it(place: Place) -> None:
    theirs = place.new(idempotency_key="held")
    connection = await place.database.connect()
    await connection.execute("BEGIN")
    await accept(connection, [theirs], await connection.fetchval("SELECT observatory.now()"), PRODUCER)
    waiting = asyncio.create_task(place.store.submit([place.new(idempotency_key="held")]))
    await asyncio.sleep(0.1)
    assert not waiting.done()

    await connection.execute("COMMIT")
    await connection.close()

    [answer] = await waiting
    assert not isinstance(answer, Exception)
    assert (answer.job.id, answer.is_replay) == (theirs.id, True)


async def test_an_event_that_the_history_has_already_holds_up_no_other(place: Place) -> None:
    damaged, *others = await place.submit(3)
    assert await place.outbox.move(count_max=10) == 3
    await place.store.apply([Order(damaged, Cancel())])
    assert await place.outbox.move(count_max=10) == 1
    async with place.database._connection() as connection:
        back = "UPDATE observatory.jobs SET status = 'PENDING', finished_at = NULL, sequence = 1 WHERE id = $1"
        await connection.execute(back, damaged)

    await place.store.apply([Order(job_id, Cancel()) for job_id in (damaged, *others)])

    assert [await place.outbox.move(count_max=10) for _ in range(2)] == [2, 0]
    assert await place.outbox.unpublished_positions(count_max=10) == range(1, 7)
    await place.submit()
    assert await place.outbox.move(count_max=10) == 1


async def test_a_job_whose_events_contradict_it_keeps_no_other_from_being_settled(place: Place) -> None:
    damaged, other = await place.submit(2)
    await place.store.apply([Order(damaged, Cancel())])
    async with place.database._connection() as connection:
        back = "UPDATE observatory.jobs SET status = 'PENDING', finished_at = NULL, sequence = 1 WHERE id = $1"
        await connection.execute(back, damaged)

    refused, settled = await place.store.apply([Order(damaged, Cancel()), Order(other, Cancel())])

    assert isinstance(refused, RowUnreadable)
    assert isinstance(settled, Applied)
