"""Every history that a job can have, drawn by chance: whatever is asked of it, the rules of the lifecycle decide."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from observatory.core.command import (
    Accept,
    BecomeDue,
    Cancel,
    Claim,
    Fail,
    Refuse,
    Release,
    Report,
    Rescue,
    Snooze,
    Start,
    Succeed,
)
from observatory.core.errors import IllegalTransition, LeaseLost
from observatory.core.event import Event, Producer, event_of
from observatory.core.job import ErrorFrame, Job, JobError, JobStatus, NewJob, Outcome, Progress, RelatedError
from observatory.core.lifecycle import transition

START = datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=UTC)
PRODUCER = Producer(service="gateway", instance_id="gateway-1", version="0.1.0")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
OBJECTS = st.dictionaries(st.text(max_size=6), JSON, max_size=3)
WAIT_S = st.floats(0, 10_000).map(lambda seconds: round(seconds, 3))
IDS = st.uuids().map(str)
TYPES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}", fullmatch=True)
QUEUES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
KEYS = st.from_regex(r"[A-Za-z0-9._:/-]{1,128}", fullmatch=True)
FRAMES = st.lists(
    st.builds(
        ErrorFrame, file=st.text(max_size=9), line=st.integers(0, 99), function=st.text(max_size=9),
        source=st.none() | st.text(max_size=9),
    ),
    max_size=2,
)  # fmt: skip
RELATED = st.lists(
    st.builds(
        RelatedError, relation=st.sampled_from(["cause", "context", "member"]), type=st.text(max_size=9),
        qualified_type=st.text(max_size=9), message=st.text(max_size=9), frames=FRAMES,
        frames_left_out=st.integers(0, 9),
    ),
    max_size=2,
)  # fmt: skip
ERRORS = st.builds(
    JobError, type=st.text(max_size=9), message=st.text(max_size=9), traceback=st.none() | st.text(),
    qualified_type=st.none() | st.text(max_size=9), frames=FRAMES, frames_left_out=st.integers(0, 9), related=RELATED,
    related_left_out=st.integers(0, 9),
)  # fmt: skip
PROGRESS = st.builds(Progress, fraction=st.none() | st.floats(0, 1), message=st.none() | st.text(max_size=256))
INSTANTS = st.datetimes(datetime(1000, 1, 1), datetime(2999, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001 - drawn without a zone, given one here

NEW_JOBS = st.builds(
    NewJob,
    id=IDS,
    event_id=IDS,
    type=TYPES,
    payload=OBJECTS,
    correlation_id=IDS,
    fingerprint=st.just("0" * 64),
    queue=QUEUES,
    priority=st.integers(0, 9),
    max_attempts=st.integers(1, 100),
    timeout_seconds=st.floats(0.001, 86_400),
    run_at=st.none() | st.just(START + timedelta(hours=1)),
    metadata=st.none() | OBJECTS,
    idempotency_key=st.none() | KEYS,
    retry_of=st.none() | IDS,
)

FAILURES = [Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CRASHED, Outcome.ABANDONED]


def _commands(job: Job) -> st.SearchStrategy[Any]:
    """What makes sense to ask of *job*, now and then with a fence that is no longer its own."""
    fence = st.sampled_from([job.fence, job.fence, job.fence, job.fence, job.fence + 1])
    running = [
        st.builds(Report, fence=fence, progress=PROGRESS),
        st.builds(Succeed, fence=fence, result=JSON, run_s=WAIT_S),
        st.builds(
            Fail,
            fence=fence,
            outcome=st.sampled_from(FAILURES),
            error=ERRORS,
            retry_in_s=st.none() | WAIT_S | WAIT_S,
            run_s=WAIT_S,
        ),
        st.builds(Snooze, fence=fence, run_in_s=WAIT_S, run_s=WAIT_S),
        st.just(Cancel()),
    ]
    leased = [
        st.builds(Release, fence=fence, run_s=WAIT_S),
        st.builds(Refuse, fence=fence, error=ERRORS),
        st.builds(Rescue, fence=fence, retry_in_s=WAIT_S),
    ]
    match job.status:
        case JobStatus.PENDING:
            claim = st.builds(Claim, worker=st.just("processor-1"), lease_s=st.just(15.0), buffered=st.booleans())
            choices = [claim] * 6 + [st.just(Cancel())]
        case JobStatus.VALIDATED:
            start = st.builds(Start, fence=fence)
            choices = [start, start, st.just(Cancel()), *leased, leased[1]]
        case JobStatus.EXECUTING:
            choices = [*running, *leased]
        case _:
            choices = [st.just(BecomeDue())] * 4 + [st.just(Cancel())]
    return st.sampled_from(choices).flatmap(lambda choice: choice)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Job], list[Event]]:
    at = START
    new = draw(NEW_JOBS)
    step = transition(None, Accept(new), at)
    jobs, events = [step.job], _events(step, 0, at)
    for _ in range(draw(st.sampled_from([12, 8, 5, 3, 1, 0]))):
        at += timedelta(seconds=draw(st.sampled_from([0.5, 20.0, 11_000.0])))
        command = draw(_commands(jobs[-1]))
        try:
            step = transition(jobs[-1], command, at)
        except (IllegalTransition, LeaseLost):
            continue
        events += _events(step, jobs[-1].sequence, at)
        jobs.append(step.job)
    return jobs, events


def _events(step: Any, sequence: int, at: datetime) -> list[Event]:
    return [
        event_of(
            fact,
            event_id="0196a0c4-7d01-7025-905b-000000000001",
            sequence=sequence + number,
            occurred_at=at,
            producer=PRODUCER,
            correlation_id=step.job.correlation_id,
            position=sequence + number,
        )
        for number, fact in enumerate(step.facts, 1)
    ]
