"""The contract of `Selections` over every driver of the truth."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.command import Cancel, Succeed
from observatory.core.job import JobError, JobStatus, Outcome
from observatory.job_store.port import Order
from observatory.job_store.selections import Selected, SelectedCount, Selection
from observatory.testing.factories import fail, new_job
from observatory.testing.manual_sources import BEGINNING

S = JobStatus
OPEN = (S.SCHEDULED, S.PENDING, S.VALIDATED, S.EXECUTING, S.RETRYING)


async def submit(truth, count=1, **fields):
    jobs = [new_job(truth.ids, **fields) for _ in range(count)]
    await truth.store.submit(jobs)
    return [job.id for job in jobs]


async def end(truth, command, *, type="example"):
    [job] = await truth.store.claim(types=[type], worker="worker-1", count_max=1, lease_s=15.0)
    await truth.store.apply([Order(job.id, command(job))])
    return job.id


def failing(error_type):
    error = JobError(type=error_type, message="m")

    def command(job):
        return type(fail(job))(fence=job.fence, outcome=Outcome.FAILED, error=error, retry_in_s=None)

    return command


async def ids(truth, selection, *, count_max=100):
    page = await truth.selections.select(selection, before=None, count_max=count_max)
    assert page.next_before is None
    return [one.job_id for one in page.jobs]


async def test_a_selection_names_status_and_type_newest_first(truth):
    [first] = await submit(truth, type="a")
    [second] = await submit(truth, type="b", run_at=BEGINNING + timedelta(days=1))

    page = await truth.selections.select(Selection(statuses=OPEN), before=None, count_max=2)

    assert page.jobs == [Selected(second, S.SCHEDULED, "b"), Selected(first, S.PENDING, "a")]


async def test_pages_meet_every_job_once_and_none_that_came_later(truth):
    wanted = await submit(truth, 7)
    met, before = [], None
    while True:
        page = await truth.selections.select(Selection(statuses=OPEN), before=before, count_max=3)
        met += [one.job_id for one in page.jobs]
        await submit(truth, 1)
        await truth.store.apply([Order(one.job_id, Cancel()) for one in page.jobs])
        before = page.next_before
        if before is None:
            break

    assert met == wanted[::-1]


async def test_every_filter_must_match(truth):
    [wanted] = await submit(truth, type="a", queue="q", correlation_id="0196a0c4-7d01-7025-905b-00000000000a")
    await submit(truth, type="a")
    await submit(truth, queue="q")
    await submit(truth, type="b", queue="q")

    assert await ids(truth, Selection(statuses=OPEN, type="a", queue="q")) == [wanted]
    by_correlation = Selection(statuses=OPEN, correlation_id="0196a0c4-7d01-7025-905b-00000000000a")
    assert await ids(truth, by_correlation) == [wanted]
    assert await ids(truth, Selection(statuses=(S.COMPLETED,), type="a")) == []


async def test_instants_begin_with_theirs_and_end_before_theirs(truth):
    [early] = await submit(truth)
    truth.clock.advance(10.0)
    [late] = await submit(truth)
    at = truth.clock.now()

    assert await ids(truth, Selection(statuses=OPEN, created_after=at)) == [late]
    assert await ids(truth, Selection(statuses=OPEN, created_before=at)) == [early]
    ended = await end(truth, lambda job: Succeed(fence=job.fence))
    assert await ids(truth, Selection(statuses=(S.COMPLETED,), finished_after=at)) == [ended]
    assert await ids(truth, Selection(statuses=(S.COMPLETED,), finished_before=at)) == []


async def test_an_error_is_found_by_its_type(truth):
    await submit(truth, 2)
    await end(truth, failing("KeyError"))
    wanted = await end(truth, failing("ValueError"))

    assert await ids(truth, Selection(statuses=(S.FAILED,), error_type="ValueError")) == [wanted]


async def test_a_job_that_was_repeated_can_be_left_out(truth):
    await submit(truth, 2)
    repeated = await end(truth, failing("E"))
    dead = await end(truth, failing("E"))
    [retry] = await submit(truth, retry_of=repeated)

    assert await ids(truth, Selection(statuses=(S.FAILED,), is_unretried=True)) == [dead]
    assert await ids(truth, Selection(statuses=(S.FAILED,))) == [dead, repeated]
    assert await truth.selections.retry_of(repeated) == retry
    assert await truth.selections.retry_of(dead) is None


async def test_the_first_retry_of_several_is_named(truth):
    first, *_ = await submit(truth, 3, retry_of="0196a0c4-7d01-7025-905b-00000000000a")

    assert await truth.selections.retry_of("0196a0c4-7d01-7025-905b-00000000000a") == first


async def test_counts_are_by_status_and_type(truth):
    await submit(truth, 3, type="a")
    await submit(truth, 2, type="b")
    await submit(truth, 1, type="b", run_at=BEGINNING + timedelta(days=1))

    assert await truth.selections.count(Selection(statuses=OPEN)) == [
        SelectedCount(S.PENDING, "a", 3),
        SelectedCount(S.PENDING, "b", 2),
        SelectedCount(S.SCHEDULED, "b", 1),
    ]
    assert await truth.selections.count(Selection(statuses=OPEN, type="c")) == []


async def test_a_page_has_whole_jobs_and_goes_on(truth):
    wanted = await submit(truth, 3, payload={"n": 1})

    first = await truth.selections.page(Selection(statuses=OPEN), before=None, count_max=2)
    rest = await truth.selections.page(Selection(statuses=OPEN), before=first.next_before, count_max=2)

    assert [job.id for job in first.jobs + rest.jobs] == wanted[::-1]
    assert first.jobs[0].payload == {"n": 1}
    assert rest.next_before is None


async def test_jobs_come_in_the_order_asked_for_and_without_those_that_are_not_there(truth):
    first, second, third = await submit(truth, 3)

    found = await truth.selections.jobs([third, "00000000-0000-7000-8000-000000000000", first, second])

    assert [job.id for job in found.jobs] == [third, first, second]
    assert (found.looked_at, found.unreadable) == (4, [])


async def test_large_jobs_come_in_parts(truth):
    wanted = await submit(truth, 40, payload={"text": "x" * (200 * 1024)})
    met: list[str] = []

    rest, parts = wanted[::-1], 0
    while rest:
        found = await truth.selections.jobs(rest)
        met += [job.id for job in found.jobs]
        rest, parts = rest[found.looked_at :], parts + 1

    assert met == wanted[::-1]
    assert parts == -(-40 * 200 * 1024 // limits.READ_BYTES_MAX)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    statuses=st.lists(st.sampled_from(list(S)), min_size=1, unique=True).map(tuple),
    job_type=st.none() | st.sampled_from(["a", "b"]),
    is_unretried=st.booleans(),
    count_max=st.integers(1, 5),
)
async def test_pages_and_counts_say_the_same_whichever_index_answers(
    truth, statuses, job_type, is_unretried, count_max
):
    if not await truth.selections.count(Selection(statuses=tuple(S))):
        await submit(truth, 4, type="a")
        await submit(truth, 4, type="b")
        for command in (failing("E"), lambda job: Succeed(fence=job.fence), lambda job: fail(job, retry_in_s=5.0)):
            repeated = await end(truth, command, type="a")
            await end(truth, command, type="b")
        await submit(truth, 1, type="a", retry_of=repeated)
    selection = Selection(statuses=statuses, type=job_type, is_unretried=is_unretried)

    met, before = [], None
    while True:
        page = await truth.selections.select(selection, before=before, count_max=count_max)
        met += page.jobs
        before = page.next_before
        if before is None:
            break
    whole = await truth.selections.page(selection, before=None, count_max=100)

    assert [one.job_id for one in met] == [job.id for job in whole.jobs]
    assert len(met) == sum(one.count for one in await truth.selections.count(selection))
    assert {one.status for one in met} <= set(statuses)
    assert job_type is None or {one.type for one in met} <= {job_type}


async def test_a_count_of_one_past_the_bound_is_a_mistake_of_the_caller(truth):
    with pytest.raises(AssertionError):
        await truth.selections.select(Selection(statuses=OPEN), before=None, count_max=limits.BULK_JOBS_MAX + 1)
