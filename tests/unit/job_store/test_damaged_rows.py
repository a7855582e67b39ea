"""One damaged row costs nobody but its own job."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from observatory.core import limits
from observatory.core.command import Cancel, Succeed
from observatory.core.errors import ObservatoryError, RowUnreadable
from observatory.core.job import JobStatus
from observatory.core.worker import WorkerInfo
from observatory.job_store.port import Applied, JobFilter, Order, Submitted
from observatory.job_store.sqlite import SqliteJobQueries, SqliteQueues
from observatory.testing.factories import type_info
from observatory.testing.manual_sources import BEGINNING
from tests.unit.audit.populated import World

DAMAGES = {
    "payload": "zzz",
    "metadata": "{",
    "progress": "[]",
    "error": '{"type": 1}',
    "run_at": 2**62,
    "created_at": -(2**62),
}
NO_TEXT = "CAST(x'7b2261223a22ff227d' AS TEXT)"
"""What is between the quotes is no UTF-8: Python's driver fails the statement that meets it, not the row."""
NO_TEXT_COLUMNS = ("payload", "metadata", "result", "type", "queue", "correlation_id", "traceparent")


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.file.close()


def damage(world: World, *job_ids: str, column: str = "payload") -> None:
    def unit(connection: sqlite3.Connection) -> None:
        for job_id in job_ids:
            connection.execute(f"UPDATE jobs SET {column} = ? WHERE id = ?", (DAMAGES[column], job_id))

    world.file.write_now(unit)


def process(instance_id: str) -> WorkerInfo:
    return WorkerInfo(instance_id=instance_id, host="h", pid=1, version="0", started_at=BEGINNING, slots=1)


def garble(world: World, *job_ids: str, column: str = "payload") -> None:
    def unit(connection: sqlite3.Connection) -> None:
        for job_id in job_ids:
            connection.execute(f"UPDATE jobs SET {column} = {NO_TEXT} WHERE id = ?", (job_id,))

    world.file.write_now(unit)


@pytest.mark.parametrize(
    "change",
    [
        "document = '{'",
        "document = '{}'",
        "document = json_set(document, '$.retry', json('{\"baseSeconds\": -1}'))",
        f"document = {NO_TEXT}",
        f"seen_at = {2**62}",
    ],
)
async def test_a_damaged_type_is_left_out(world: World, change: str) -> None:
    await world.store.announce([type_info("mail"), type_info("thumbnail")])
    world.file.write_now(lambda connection: connection.execute(f"UPDATE types SET {change} WHERE type = 'mail'"))
    queries = SqliteJobQueries(world.file)

    assert [known.info.type for known in await queries.types()] == ["thumbnail"]

    await world.store.announce([type_info("mail")])
    assert [known.info.type for known in await queries.types()] == ["mail", "thumbnail"]


@pytest.mark.parametrize(
    "change", ["document = '{'", "document = '{}'", f"document = {NO_TEXT}", f"heartbeat_at = {2**62}"]
)
async def test_a_damaged_process_is_left_out_until_its_next_heartbeat(world: World, change: str) -> None:
    processes = [process("one"), process("two")]
    for each in processes:
        await world.store.heartbeat(each, [], lease_s=10.0)
    statement = f"UPDATE workers SET {change} WHERE instance_id = 'one'"
    world.file.write_now(lambda connection: connection.execute(statement))
    queries = SqliteJobQueries(world.file)

    assert [one.instance_id for one in await queries.processes()] == ["two"]

    await world.store.heartbeat(processes[0], [], lease_s=10.0)
    assert [one.instance_id for one in await queries.processes()] == ["one", "two"]


@pytest.mark.parametrize("column", NO_TEXT_COLUMNS)
async def test_a_text_that_is_not_utf8_costs_its_own_row_alone(world: World, column: str) -> None:
    first, bad, last = await world.submit(3)
    garble(world, bad, column=column)
    queries = SqliteJobQueries(world.file)

    page = await queries.jobs(JobFilter(), before=None, count_max=10)

    assert ([job.id for job in page.jobs], page.unreadable) == ([last, first], [bad])
    with pytest.raises(RowUnreadable, match=bad):
        await queries.job(bad)
    assert {job.id for job in await world.claim(10)} == {first, last}
    assert sorted(await world.submit(2)) == sorted(job.id for job in await world.claim(10))
    assert world.file.write_error is None


async def test_an_id_that_is_not_utf8_is_named_in_escapes(world: World) -> None:
    bad, good = await world.submit(2)
    garble(world, bad, column="id")

    page = await SqliteJobQueries(world.file).jobs(JobFilter(), before=None, count_max=10)

    assert ([job.id for job in page.jobs], page.unreadable) == ([good], ['{"a":"\\xff"}'])


async def test_a_settle_of_a_text_that_is_not_utf8_is_answered_alone(world: World) -> None:
    await world.submit(3)
    good, bad, other = await world.claim(3)
    garble(world, bad.id)
    orders = [Order(job.id, Succeed(fence=job.fence, result=None, run_s=0.1)) for job in (good, bad, other)]

    one_by_one = await asyncio.gather(*(world.store.apply([order]) for order in orders))

    assert [type(answer) for [answer] in one_by_one] == [Applied, RowUnreadable, Applied]
    assert world.file.write_error is None


async def test_what_is_due_goes_on_past_a_text_that_is_not_utf8(world: World) -> None:
    due = world.clock.now().replace(year=2027)
    bad, good = jobs = [world.new(number, run_at=due) for number in range(2)]
    await world.store.submit(jobs)
    garble(world, bad.id)
    world.clock.advance((due - world.clock.now()).total_seconds() + 1)

    assert [await world.store.make_due(count_max=1) for _ in range(2)] == [1, 0]
    assert [job.id for job in await world.claim(2)] == [good.id]


@pytest.mark.parametrize("column", DAMAGES)
async def test_a_damaged_row_is_named_and_the_page_goes_on(world: World, column: str) -> None:
    first, bad, last = await world.submit(3)
    damage(world, bad, column=column)
    queries = SqliteJobQueries(world.file)

    page = await queries.jobs(JobFilter(), before=None, count_max=10)

    assert ([job.id for job in page.jobs], page.unreadable) == ([last, first], [bad])
    with pytest.raises(RowUnreadable, match=bad) as caught:
        await queries.job(bad)
    assert caught.value.job_id == bad


async def test_pages_go_on_past_damaged_rows_at_their_ends(world: World) -> None:
    job_ids = await world.submit(6)
    damage(world, job_ids[0], job_ids[3], job_ids[4])
    queries, before, jobs, unreadable, pages = SqliteJobQueries(world.file), None, [], [], 0

    while pages == 0 or before is not None:
        page = await queries.jobs(JobFilter(), before=before, count_max=2)
        jobs += [job.id for job in page.jobs]
        unreadable += page.unreadable
        before, pages = page.next_before, pages + 1

    assert pages == 3
    assert jobs == [job_ids[5], job_ids[2], job_ids[1]]
    assert unreadable == [job_ids[4], job_ids[3], job_ids[0]]


@pytest.mark.parametrize("damaged", [1, 3, 5])
@pytest.mark.parametrize("count", [1, 2, 10])
async def test_claims_go_on_past_damaged_rows_first_in_line(world: World, damaged: int, count: int) -> None:
    job_ids = await world.submit(8)
    damage(world, *job_ids[:damaged])

    claimed: list[str] = []
    while jobs := await world.claim(count):
        assert len(jobs) <= count
        claimed += [job.id for job in jobs]

    assert sorted(claimed) == sorted(job_ids[damaged:])


async def test_a_row_that_was_mended_is_claimed(world: World) -> None:
    [job_id] = await world.submit(1)
    damage(world, job_id)
    assert await world.claim(1) == []

    world.file.write_now(lambda connection: connection.execute("UPDATE jobs SET payload = '{}'"))

    assert [job.id for job in await world.claim(1)] == [job_id]


async def test_more_damaged_rows_than_are_looked_past_end_the_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UNREADABLE_ROWS_MAX", 2)
    damage(world, *(await world.submit(5))[:4])

    assert await world.claim(1) == []


async def test_what_is_due_goes_on_past_damaged_rows(world: World) -> None:
    due = world.clock.now().replace(year=2027)
    jobs = [world.new(number, run_at=due) for number in range(4)]
    await world.store.submit(jobs)
    damage(world, jobs[0].id, jobs[1].id)
    world.clock.advance((due - world.clock.now()).total_seconds() + 1)

    made = [await world.store.make_due(count_max=1) for _ in range(3)]

    assert made == [1, 1, 0]
    queries = SqliteJobQueries(world.file)
    pending = await queries.jobs(JobFilter(status=JobStatus.PENDING), before=None, count_max=10)
    assert {job.id for job in pending.jobs} == {jobs[2].id, jobs[3].id}


async def test_a_command_for_a_damaged_job_is_answered_alone(world: World) -> None:
    good, bad = await world.submit(2)
    damage(world, bad)

    answers = await world.store.apply([Order(bad, Cancel()), Order(good, Cancel())])

    assert [type(answer) for answer in answers] == [RowUnreadable, Applied]


async def test_a_submit_that_meets_a_damaged_job_is_answered_alone(world: World) -> None:
    by_key, by_id = world.new(1, idempotency_key="k"), world.new(2)
    await world.store.submit([by_key, by_id])
    damage(world, by_key.id, by_id.id)

    answers: list[Submitted | ObservatoryError] = await world.store.submit(
        [world.new(1, idempotency_key="k"), by_id, world.new(3)]
    )

    assert [type(answer) for answer in answers] == [RowUnreadable, RowUnreadable, Submitted]


async def test_damaged_rows_at_the_head_of_a_limited_queue_take_no_place_in_it(world: World) -> None:
    *bad, good = jobs = [world.new(number, queue="mail") for number in range(6)]
    await world.store.submit(jobs)
    damage(world, *(job.id for job in bad))
    await SqliteQueues(world.file, clock=world.clock).set_concurrency("mail", 1)

    assert [job.id for job in await world.claim(10)] == [good.id]


async def test_a_queue_name_that_is_not_utf8_does_not_hold_up_the_other_queues(world: World) -> None:
    first, bad, last = await world.submit(3)
    garble(world, bad, column="queue")
    await SqliteQueues(world.file, clock=world.clock).pause("mail", by="me", reason=None)

    assert {job.id for job in await world.claim(10)} == {first, last}
