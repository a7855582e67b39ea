"""One damaged row of the PostgreSQL drivers costs nobody but its own job, schedule, type or log."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from observatory.core import limits
from observatory.core.command import Cancel
from observatory.core.errors import RowUnreadable, ScheduleUnreadable
from observatory.core.folds import STATS_VIEW
from observatory.core.job import JobError, JobStatus, Outcome
from observatory.core.retention import Kept, RetentionPolicy
from observatory.core.schedule import Fate, Tick
from observatory.core.worker import WorkerInfo
from observatory.job_store.attempt_logs import AttemptLog
from observatory.job_store.port import JobFilter, Order
from observatory.job_store.pruning import Folded, RollupUnreadable
from observatory.job_store.selections import Selection
from observatory.testing.factories import fail, new_job, new_schedule, type_info
from observatory.testing.manual_sources import BEGINNING
from tests.conformance.opened import Truth
from tests.conformance.postgres import PostgresEngine
from tests.servers.postgres import PrivatePostgres

DAMAGES = {"payload": "zzz", "metadata": "{", "progress": "[]", "result": "nope", "error": '{"type": 1}'}
HOUR = RetentionPolicy(kept=Kept(completed_s=3_600, failed_s=3_600, cancelled_s=3_600))
ANY = tuple(JobStatus)


class World:
    """The ports over one database, and a way past them."""

    def __init__(self, server: PrivatePostgres, folder: Path) -> None:
        self.truth: Truth = PostgresEngine(name="postgres", server=server).open_truth(folder)
        self._server = server
        self._database = (folder / "postgres.url").read_text().rpartition("/")[2]

    def sql(self, statement: str, *values: object) -> list[Any]:
        return self._server.execute(statement, *values, database=self._database)

    async def submit(self, count: int, **fields: Any) -> list[str]:
        jobs = [new_job(self.truth.ids, **fields) for _ in range(count)]
        await self.truth.store.submit(jobs)
        return [job.id for job in jobs]

    async def cancelled(self, count: int) -> list[str]:
        """Jobs that are final, with two events each in the history."""
        ids = await self.submit(count)
        await self.truth.store.apply([Order(job_id, Cancel()) for job_id in ids])
        await self.truth.log.head()
        return ids

    def damage(self, column: str, *job_ids: str) -> None:
        self.sql(f"UPDATE observatory.jobs SET {column} = $1 WHERE id = ANY($2)", DAMAGES[column], list(job_ids))


def process(instance_id: str) -> WorkerInfo:
    return WorkerInfo(instance_id=instance_id, host="h", pid=1, version="0", started_at=BEGINNING, slots=1)


@pytest_asyncio.fixture
async def world(postgres_server: PrivatePostgres, tmp_path: Path) -> AsyncIterator[World]:
    world = World(postgres_server, tmp_path)
    yield world
    world.truth.end()


@pytest.mark.parametrize("column", DAMAGES)
async def test_a_damaged_job_is_named_and_the_others_are_shown(world: World, column: str) -> None:
    first, bad, last = await world.submit(3)
    world.damage(column, bad)
    truth = world.truth

    page = await truth.queries.jobs(JobFilter(), before=None, count_max=10)
    selected = await truth.selections.page(Selection(statuses=ANY), before=None, count_max=10)
    asked = await truth.selections.jobs([bad, first, last])

    assert ([job.id for job in page.jobs], page.unreadable) == ([last, first], [bad])
    assert ([job.id for job in selected.jobs], selected.unreadable) == ([last, first], [bad])
    assert ([job.id for job in asked.jobs], asked.unreadable, asked.looked_at) == ([first, last], [bad], 3)
    with pytest.raises(RowUnreadable, match=bad) as caught:
        await truth.queries.job(bad)
    assert caught.value.job_id == bad


async def test_pages_go_on_past_damaged_jobs_at_their_ends(world: World) -> None:
    ids = await world.submit(6)
    world.damage("payload", ids[0], ids[3], ids[4])
    before, jobs, unreadable, pages = None, list[str](), list[str](), 0

    while pages == 0 or before is not None:
        page = await world.truth.queries.jobs(JobFilter(), before=before, count_max=2)
        jobs += [job.id for job in page.jobs]
        unreadable += page.unreadable
        before, pages = page.next_before, pages + 1

    assert (pages, jobs, unreadable) == (3, [ids[5], ids[2], ids[1]], [ids[4], ids[3], ids[0]])


async def test_a_job_with_a_damaged_error_is_found_by_the_type_of_the_error(world: World) -> None:
    await world.submit(1)
    [job] = await world.truth.store.claim(types=["example"], worker="w", count_max=1, lease_s=10.0)
    error = JobError(type="ValueError", message="no")
    failed = type(fail(job))(fence=job.fence, outcome=Outcome.FAILED, error=error, retry_in_s=None)
    await world.truth.store.apply([Order(job.id, failed)])
    world.damage("error", job.id)

    selection = Selection(statuses=(JobStatus.FAILED,), error_type="ValueError")
    page = await world.truth.selections.select(selection, before=None, count_max=10)

    assert [one.job_id for one in page.jobs] == [job.id]


@pytest.mark.parametrize("document", ["{", "{}", '{"type": "mail"}', "null"])
async def test_a_damaged_type_is_left_out_until_it_is_announced_anew(world: World, document: str) -> None:
    truth = world.truth
    await truth.store.announce([type_info("mail"), type_info("thumbnail")])
    world.sql("UPDATE observatory.types SET document = $1 WHERE type = 'mail'", document)

    assert [known.info.type for known in await truth.queries.types()] == ["thumbnail"]

    await truth.store.announce([type_info("mail")])
    assert [known.info.type for known in await truth.queries.types()] == ["mail", "thumbnail"]


@pytest.mark.parametrize("document", ["{", "{}", "null"])
async def test_a_damaged_process_is_left_out_until_its_next_heartbeat(world: World, document: str) -> None:
    truth, processes = world.truth, [process("one"), process("two")]
    for each in processes:
        await truth.store.heartbeat(each, [], lease_s=10.0)
    world.sql("UPDATE observatory.workers SET document = $1 WHERE instance_id = 'one'", document)

    assert [one.instance_id for one in await truth.queries.processes()] == ["two"]

    await truth.store.heartbeat(processes[0], [], lease_s=10.0)
    assert [one.instance_id for one in await truth.queries.processes()] == ["one", "two"]


@pytest.mark.parametrize("definition", ["{", "[]", '{"every": 1}'])
async def test_a_damaged_schedule_is_named_keeps_its_name_and_can_be_deleted(world: World, definition: str) -> None:
    schedules, at = world.truth.schedules, world.truth.clock.now()
    for name in "abc":
        assert await schedules.create(new_schedule(name, at))
    world.sql("UPDATE observatory.schedules SET definition = $1 WHERE name = 'b'", definition)

    page = await schedules.schedules(after=None, count_max=10)

    assert ([one.name for one in page.schedules], page.unreadable) == (["a", "c"], ["b"])
    with pytest.raises(ScheduleUnreadable, match="b"):
        await schedules.schedule("b")
    assert not await schedules.create(new_schedule("b", at))
    assert await schedules.delete("b")
    assert await schedules.names() == ["a", "c"]


async def test_a_damaged_tick_costs_its_schedule_alone(world: World) -> None:
    schedules, at = world.truth.schedules, world.truth.clock.now()
    for name in "ab":
        schedule = new_schedule(name, at)
        await schedules.create(schedule)
        tick = Tick(tick_at=at + timedelta(minutes=1), fate=Fate.SKIPPED, recorded_at=at, generation=1)
        await schedules.save(msgspec.structs.replace(schedule, version=2), ticks=[tick])
    world.sql(
        "UPDATE observatory.ticks SET reason = 'a word of later' "
        "WHERE schedule = (SELECT number FROM observatory.schedules WHERE name = 'a')"
    )

    with pytest.raises(ScheduleUnreadable):
        await schedules.ticks("a", before=None, count_max=10)
    assert len((await schedules.ticks("b", before=None, count_max=10)).ticks) == 1
    assert (await schedules.schedules(after=None, count_max=10)).unreadable == ["a"]


async def test_a_damaged_log_is_as_none_until_the_next_save(world: World) -> None:
    await world.submit(1)
    [job] = await world.truth.store.claim(types=["example"], worker="w", count_max=1, lease_s=10.0)
    log = AttemptLog(job_id=job.id, attempt=1, fence=job.fence, lines=(), is_complete=True)
    await world.truth.attempt_logs.save([log])
    world.sql("UPDATE observatory.attempt_logs SET lines = '[['")

    assert await world.truth.attempt_logs.attempt_log(job.id) is None

    await world.truth.attempt_logs.save([log])
    assert await world.truth.attempt_logs.attempt_log(job.id) is not None


async def test_a_damaged_rollup_stops_pruning(world: World) -> None:
    pruning = world.truth.pruning
    world.sql("INSERT INTO observatory.pruned VALUES ($1, 1, 1, 1, '{')", STATS_VIEW)
    world.sql("INSERT INTO observatory.views VALUES ($1, 'g', 0, '{}')", STATS_VIEW)

    with pytest.raises(RollupUnreadable):
        await pruning.rollup(STATS_VIEW)
    with pytest.raises(RollupUnreadable):
        await pruning.prune([], Folded(view=STATS_VIEW, generation="g", until=0, own_types=()))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE observatory.events SET payload = '{' WHERE job_id = $1 AND sequence = 1",
        "UPDATE observatory.events SET producer = 'x' WHERE job_id = $1 AND sequence = 2",
        "DELETE FROM observatory.events WHERE job_id = $1 AND sequence = 1",
        "DELETE FROM observatory.events WHERE job_id = $1 AND sequence = 2",
        "DELETE FROM observatory.events WHERE job_id = $1",
    ],
)
async def test_an_expired_job_with_a_damaged_or_missing_event_stays_and_is_counted(
    world: World, statement: str
) -> None:
    bad, good = await world.cancelled(2)
    world.truth.clock.advance(3_600)
    await world.submit(1)
    until = await world.truth.log.head()
    world.sql(statement, bad)

    looks = [await world.truth.pruning.expired(HOUR, until=until, count_max=100, events_max=100) for _ in range(2)]

    assert [[job.job_id for job in look.jobs] for look in looks] == [[good]] * 2
    assert [look.unreadable for look in looks] == [1, 1]


async def test_damaged_jobs_first_in_line_do_not_keep_the_others(world: World) -> None:
    ids = await world.cancelled(12)
    world.truth.clock.advance(3_600)
    await world.submit(1)
    until = await world.truth.log.head()
    world.sql("UPDATE observatory.events SET payload = '{' WHERE job_id = ANY($1)", ids[:9])

    found = list[str]()
    for _ in range(4):
        look = await world.truth.pruning.expired(HOUR, until=until, count_max=3, events_max=100)
        found += [job.job_id for job in look.jobs]

    assert sorted(found) == sorted(ids[9:])


async def test_an_expired_job_whose_events_wait_in_the_outbox_stays_and_is_not_damaged(world: World) -> None:
    ids = await world.submit(2)
    await world.truth.log.head()
    await world.truth.store.apply([Order(job_id, Cancel()) for job_id in ids])
    world.truth.clock.advance(3_600)

    look = await world.truth.pruning.expired(HOUR, until=limits.CURSOR_PLACE_MAX, count_max=100, events_max=100)

    assert (look.jobs, look.unreadable) == ([], 0)
    await world.truth.log.head()
    look = await world.truth.pruning.expired(HOUR, until=limits.CURSOR_PLACE_MAX, count_max=100, events_max=100)
    assert sorted(job.job_id for job in look.jobs) == sorted(ids)


async def test_a_job_with_more_events_than_one_read_holds_is_folded_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await world.cancelled(5)
    world.truth.clock.advance(3_600)
    await world.submit(1)
    until = await world.truth.log.head()
    whole = await world.truth.pruning.expired(HOUR, until=until, count_max=100, events_max=100)

    for name, bound in (("READ_EVENTS_MAX", 1), ("READ_EVENTS_MAX", 3), ("READ_BYTES_MAX", 1)):
        with monkeypatch.context() as patched:
            patched.setattr(limits, name, bound)
            again = await world.truth.pruning.expired(HOUR, until=until, count_max=100, events_max=100)

        assert sorted(job.job_id for job in again.jobs) == sorted(ids)
        assert again == whole
