"""Does every driver answer questions from the truth, and only from the truth?"""

import asyncio
import inspect
from datetime import timedelta

import msgspec
import pytest

from observatory.core import limits
from observatory.core.command import Cancel, Report, Succeed
from observatory.core.errors import StoreUnavailable
from observatory.core.job import JobStatus, Progress
from observatory.job_store.port import JobFilter, JobQueries, Order, QueueDepth, WorkerInfo
from observatory.testing.factories import fail, new_job, type_info
from observatory.testing.manual_sources import BEGINNING

S = JobStatus
WORKER = WorkerInfo(
    instance_id="worker-1",
    host="höst",
    pid=4_000_000,
    version="1.2.3",
    started_at=BEGINNING,
    slots=4,
    running=2,
    abandoned=1,
    is_draining=True,
    types=("example", "other"),
    jobs=("job-1", "job-2"),
)


async def submit(truth, count=1, **fields):
    answers = await truth.store.submit([new_job(truth.ids, **fields) for _ in range(count)])
    return [answer.job.id for answer in answers]


async def page_ids(truth, count_max=limits.PAGE_ITEMS_MAX, before=None, **filter):
    page = await truth.queries.jobs(JobFilter(**filter), before=before, count_max=count_max)
    return [job.id for job in page.jobs]


async def walk(truth, count_max, **filter):
    """Every page's ids."""
    pages, before = [], None
    while True:
        page = await truth.queries.jobs(JobFilter(**filter), before=before, count_max=count_max)
        pages.append([job.id for job in page.jobs])
        before = page.next_before
        if before is None:
            return pages


def json_bytes(job):
    """What counts of *job* against the bound of one read."""
    parts = (job.payload, job.metadata, job.progress, job.result, job.error)
    return sum(len(msgspec.json.encode(part)) for part in parts if part is not None)


async def submit_large_and_small(truth):
    """Jobs of different sizes and in several states, in the order of their acceptance."""
    ids = await submit(truth, 2, payload={"text": "ß🦑" * 50}, metadata={"team": "ä"})
    ids += await submit(truth, 3, payload={"text": "x" * 200})
    ids += await submit(truth, 2, payload={})
    done, failed = await truth.store.claim(types=["example"], worker="w", count_max=2, lease_s=10.0)
    await truth.store.apply(
        [
            Order(done.id, Report(fence=done.fence, progress=Progress(fraction=0.5, message="hälf"))),
            Order(done.id, Succeed(fence=done.fence, result={"text": "ü" * 70}, run_s=0.1)),
            Order(failed.id, fail(failed)),
        ]
    )
    return ids


class TestRoundTrip:
    async def test_an_unknown_job_is_none(self, truth):
        assert await truth.queries.job("0" * 36) is None
        assert await truth.queries.job("") is None

    async def test_a_change_is_seen_as_soon_as_it_was_answered(self, truth):
        [job_id] = await submit(truth)
        assert (await truth.queries.job(job_id)).status is S.PENDING

        await truth.store.apply([Order(job_id, Cancel())])

        assert (await truth.queries.job(job_id)).status is S.CANCELLED

    async def test_pages_go_from_the_newest_to_the_oldest(self, truth):
        ids = [(await submit(truth))[0] for _ in range(5)]

        assert await walk(truth, 2) == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]

    async def test_a_full_last_page_is_known_to_be_the_last(self, truth):
        await submit(truth, 4)

        assert [len(page) for page in await walk(truth, 2)] == [2, 2]

    async def test_no_jobs_are_one_empty_page(self, truth):
        assert await walk(truth, 10) == [[]]

    @pytest.mark.parametrize(
        "wanted", [{"type": "b"}, {"queue": "b"}, {"correlation_id": "0" * 36}, {"idempotency_key": "b"}], ids=str
    )
    async def test_a_filter_shows_exactly_what_matches(self, truth, wanted):
        await submit(truth, 3)
        expected = await submit(truth, 1, **wanted)
        await submit(truth, 3)

        assert await page_ids(truth, **wanted) == expected

    async def test_every_status_can_be_asked_for(self, truth):
        later = truth.clock.now() + timedelta(seconds=60)
        [scheduled] = await submit(truth, run_at=later)
        completed, executing = await submit(truth, 2)
        jobs = await truth.store.claim(types=["example"], worker="w", count_max=2, lease_s=10.0)
        await truth.store.apply([Order(jobs[0].id, Succeed(fence=1))])
        pending, cancelled = await submit(truth, 2)
        await truth.store.apply([Order(cancelled, Cancel())])

        found = {status: await page_ids(truth, status=status) for status in JobStatus}

        assert found == {status: [] for status in JobStatus} | {
            S.SCHEDULED: [scheduled],
            S.COMPLETED: [completed],
            S.EXECUTING: [executing],
            S.PENDING: [pending],
            S.CANCELLED: [cancelled],
        }

    async def test_filters_join_and_page(self, truth):
        ids = await submit(truth, 5, type="a", queue="q")
        await submit(truth, 3, type="a")
        await submit(truth, 3, queue="q")

        pages = await walk(truth, 2, type="a", queue="q", status=S.PENDING)

        assert [job_id for page in pages for job_id in page] == ids[::-1]

    async def test_a_filter_is_a_value_and_never_a_pattern(self, truth):
        await submit(truth, 2)

        for text in ("%", "exampl_", "' OR 1=1 --", "*", ""):
            assert await page_ids(truth, type=text) == []

    async def test_queue_depths_count_open_jobs_by_queue(self, truth):
        early = truth.clock.now()
        await submit(truth, 3, queue="b")
        truth.clock.advance(5.0)
        await submit(truth, 2, queue="b")
        await submit(truth, 1, queue="a", run_at=truth.clock.now() + timedelta(seconds=9))
        [done] = await submit(truth, 1, queue="finished")
        await truth.store.apply([Order(done, Cancel())])
        await truth.store.claim(types=["example"], worker="w", count_max=1, lease_s=10.0)

        depths = await truth.queries.queue_depths()

        assert depths == [
            QueueDepth(queue="a", by_status={"SCHEDULED": 1}, oldest_pending_at=None),
            QueueDepth(queue="b", by_status={"EXECUTING": 1, "PENDING": 4}, oldest_pending_at=early),
        ]

    async def test_a_worker_is_shown_as_it_described_itself(self, truth):
        truth.clock.advance(7.0)
        await truth.store.heartbeat(WORKER, [], lease_s=10.0)

        assert await truth.queries.processes() == [msgspec.structs.replace(WORKER, heartbeat_at=truth.clock.now())]

    async def test_workers_come_newest_heartbeat_first_and_are_forgotten_in_the_end(self, truth):
        for name in ("one", "two", "three"):
            await truth.store.heartbeat(msgspec.structs.replace(WORKER, instance_id=name), [], lease_s=10.0)
            truth.clock.advance(1.0)
        assert [worker.instance_id for worker in await truth.queries.processes()] == ["three", "two", "one"]

        truth.clock.advance(30 * 86_400.0)
        await truth.store.heartbeat(WORKER, [], lease_s=10.0)

        assert [worker.instance_id for worker in await truth.queries.processes()] == ["worker-1"]

    async def test_types_come_by_name_as_they_were_announced_last(self, truth):
        await truth.store.announce([type_info("b"), type_info("a")])
        truth.clock.advance(1.0)
        await truth.store.announce([type_info("b", timeout_seconds=1.5, payload_schema=None)])

        first, second = await truth.queries.types()

        assert (first.info, first.seen_at) == (type_info("a"), BEGINNING)
        assert second.info == type_info("b", timeout_seconds=1.5, payload_schema=None)
        assert second.seen_at == truth.clock.now()


class TestConcurrency:
    async def test_a_job_that_comes_between_two_pages_is_on_neither(self, truth):
        ids = await submit(truth, 4)
        first = await truth.queries.jobs(JobFilter(), before=None, count_max=2)

        await submit(truth, 3)

        assert await page_ids(truth, 2, before=first.next_before) == ids[1::-1]

    async def test_a_reader_never_sees_half_of_a_change(self, truth):
        async def submit_pairs():
            for _ in range(20):
                await submit(truth, 2)

        async def look():
            while len(ids := await page_ids(truth)) < 40:
                assert len(ids) % 2 == 0

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(submit_pairs())
            tasks.create_task(look())


class TestBounds:
    @pytest.mark.parametrize("count_max", [1, limits.PAGE_ITEMS_MAX])
    async def test_a_page_has_at_most_what_was_asked_for(self, truth, count_max):
        await submit(truth, limits.PAGE_ITEMS_MAX + 1)

        page = await truth.queries.jobs(JobFilter(), before=None, count_max=count_max)

        assert len(page.jobs) == count_max
        assert page.next_before is not None

    @pytest.mark.parametrize("count_max", [0, limits.PAGE_ITEMS_MAX + 1])
    async def test_a_page_beyond_the_bounds_is_a_programmers_error(self, truth, count_max):
        with pytest.raises(AssertionError):
            await page_ids(truth, count_max)

    async def test_a_page_holds_as_much_json_as_one_read_may_and_not_a_byte_more(self, truth, monkeypatch):
        await submit_large_and_small(truth)
        jobs = (await truth.queries.jobs(JobFilter(), before=None, count_max=100)).jobs
        sizes = [json_bytes(job) for job in jobs]

        for count in range(1, len(jobs)):
            monkeypatch.setattr(limits, "READ_BYTES_MAX", sum(sizes[:count]))
            at_the_bound = await truth.queries.jobs(JobFilter(), before=None, count_max=100)
            monkeypatch.setattr(limits, "READ_BYTES_MAX", sum(sizes[:count]) - 1)
            past_it = await truth.queries.jobs(JobFilter(), before=None, count_max=100)

            assert at_the_bound.jobs == jobs[:count]
            assert past_it.jobs == jobs[: max(count - 1, 1)]
            assert None not in (at_the_bound.next_before, past_it.next_before)

    @pytest.mark.parametrize("bytes_max", [1, 300, 10**9])
    async def test_pages_that_end_early_go_on_without_a_gap(self, truth, monkeypatch, bytes_max):
        ids = await submit_large_and_small(truth)
        monkeypatch.setattr(limits, "READ_BYTES_MAX", bytes_max)

        pages = await walk(truth, 3)

        assert [job_id for page in pages for job_id in page] == ids[::-1]
        assert all(pages)

    async def test_the_largest_jobs_make_pages_of_the_bound(self, truth):
        payload = {"text": "x" * (limits.PAYLOAD_BYTES_MAX - len('{"text":""}'))}
        count = limits.READ_BYTES_MAX // limits.PAYLOAD_BYTES_MAX
        await submit(truth, count + 1, payload=payload)

        assert [len(page) for page in await walk(truth, limits.PAGE_ITEMS_MAX)] == [count, 1]

    async def test_before_the_first_job_there_is_nothing(self, truth):
        await submit(truth, 2)

        assert await page_ids(truth, before=0) == []
        assert await page_ids(truth, before=-1) == []


QUESTIONS = {
    "job": lambda queries: queries.job("x"),
    "jobs": lambda queries: queries.jobs(JobFilter(), before=None, count_max=1),
    "queue_depths": lambda queries: queries.queue_depths(),
    "processes": lambda queries: queries.processes(),
    "types": lambda queries: queries.types(),
}


def test_every_question_of_the_port_is_put_to_the_test():
    assert {name for name, one in vars(JobQueries).items() if inspect.iscoroutinefunction(one)} == set(QUESTIONS)


class TestIdempotency:
    @pytest.mark.parametrize("name", QUESTIONS)
    async def test_asking_twice_gives_the_same_and_changes_nothing(self, truth, name):
        await submit(truth, 2)
        await truth.store.heartbeat(WORKER, [], lease_s=10.0)
        await truth.store.announce([type_info()])
        head = await truth.log.head()

        assert await QUESTIONS[name](truth.queries) == await QUESTIONS[name](truth.queries)
        assert await truth.log.head() == head


class TestFailureInTheMiddle:
    @pytest.mark.parametrize("name", QUESTIONS)
    async def test_a_failed_question_is_never_an_empty_answer(self, truth, name):
        await submit(truth)
        right = await QUESTIONS[name](truth.queries)
        truth.faults.fail_call(1)

        with pytest.raises(StoreUnavailable):
            await QUESTIONS[name](truth.queries)

        assert await QUESTIONS[name](truth.queries) == right


class TestErrorTranslation:
    @pytest.mark.parametrize("name", QUESTIONS)
    async def test_every_error_of_the_vendor_becomes_unavailable(self, truth, name):
        for error in truth.faults.vendor_errors:
            truth.faults.fail_always(error)
            with pytest.raises(StoreUnavailable):
                await QUESTIONS[name](truth.queries)
