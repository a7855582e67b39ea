"""Is what a store holds whole? For the suites, for the simulation, and for whoever doubts."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from observatory.core import limits
from observatory.core.event import Event
from observatory.core.folds import STATS_VIEW, StatsView, comparable, fold_job, fold_stats, wire_form
from observatory.core.job import Job
from observatory.core.lifecycle import ALLOWED
from observatory.event_log.port import EventLog
from observatory.job_store.port import JobFilter, JobQueries
from observatory.job_store.pruning import Pruning, Rollup


def check_history(job: Job, events: Sequence[Event]) -> None:
    """Every change that *events* tell is one that the core allows, and together they make *job*."""
    document = None
    status = None
    for number, event in enumerate(events, start=1):
        assert event.sequence == number, f"job {job.id} has event {event.sequence} where {number} belongs"
        assert event.job_id == event.payload["id"] == job.id
        assert event.payload["type"] == job.type
        assert event.correlation_id == job.correlation_id
        assert event.idempotency_key == f"{job.id}:{number}"
        assert event.payload.get("previousStatus") == status, f"event {number} does not follow {status}"
        change = (status, event.event_type, event.payload["status"])
        assert change in ALLOWED, f"job {job.id}: {change} is not allowed"
        status = event.payload["status"]
        document = fold_job(document, event)
    assert document is not None, f"job {job.id} has no events"
    assert comparable(document) == comparable(wire_form(job))
    assert events[0].event_id == job.event_id


def check_job(job: Job) -> None:
    """What holds of every row at any instant."""
    assert 0 <= job.attempt <= job.max_attempts
    assert (job.worker is not None) == (job.lease_expires_at is not None) == job.status.is_leased
    assert (job.finished_at is not None) == job.status.is_final


def check_all(jobs: Sequence[Job], events: Sequence[Event], pruned: Rollup) -> None:
    """*jobs* and *events*, all that a store holds and in order of position, account for each other."""
    check_positions([event.position or 0 for event in events], pruned)
    assert len({event.event_id for event in events}) == len(events)
    histories: defaultdict[str, list[Event]] = defaultdict(list)
    view = StatsView()
    for event in events:
        histories[event.job_id].append(event)
        view = fold_stats(view, event)
    assert set(histories) == {job.id for job in jobs}
    for job in jobs:
        check_job(job)
        check_history(job, histories[job.id])
    keys = [job.idempotency_key for job in jobs if job.idempotency_key is not None]
    assert len(keys) == len(set(keys)), "one idempotency key has two jobs"
    counts = Counter(str(job.status) for job in jobs)
    assert {str(status): count for status, count in view.by_status.items() if count} == dict(counts)


async def all_events(log: EventLog) -> list[Event]:
    """Everything that *log* holds, in order."""
    events: list[Event] = []
    while page := await log.after(events[-1].position or 0 if events else 0, count_max=limits.READ_EVENTS_MAX):
        events += page
    return events


async def all_jobs(queries: JobQueries) -> list[Job]:
    """Every job, oldest first."""
    jobs: list[Job] = []
    before: int | None = None
    while True:
        page = await queries.jobs(JobFilter(), before=before, count_max=limits.PAGE_ITEMS_MAX)
        jobs += page.jobs
        before = page.next_before
        if before is None:
            return jobs[::-1]


def check_positions(positions: Sequence[int], pruned: Rollup) -> None:
    """Nothing is missing from the log but what was pruned."""
    assert positions == sorted(set(positions))
    head = positions[-1] if positions else 0
    missing = set(range(1, head + 1)) - set(positions)
    assert (len(missing), sum(missing)) == (pruned.events, pruned.positions_sum)


async def check_store(queries: JobQueries, log: EventLog, pruning: Pruning) -> None:
    """Everything in the truth is whole."""
    check_all(await all_jobs(queries), await all_events(log), await pruning.rollup(STATS_VIEW))
