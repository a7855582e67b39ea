"""A change of a job on its way into a store, whatever the driver: what is decided, its events, and the answer."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from observatory.core.errors import ObservatoryError, RowUnreadable, UnknownJob
from observatory.core.event import Event, Producer, event_of
from observatory.core.job import Job
from observatory.core.lifecycle import Transition, transition
from observatory.core.sources import Ids
from observatory.job_store.port import Applied, Order


class Change(NamedTuple):
    """One transition that is to be written."""

    step: Transition
    sequence_before: int
    """Of the row that it changes; 0 for a job that is new."""
    causation_id: str | None = None
    """What caused it, if that is known."""


class Decided(NamedTuple):
    """What becomes of the orders of one `apply`."""

    changes: list[Change]
    """In the order of their orders. A job may be there several times, each change on top of the one before."""
    answers: list[Applied | ObservatoryError]
    """One for each order, in their order."""


def decide(
    orders: Sequence[Order], jobs: dict[str, Job | RowUnreadable], at: datetime | None, *, limited: Collection[str]
) -> Decided:
    """
    Ask `core.lifecycle.transition` about each of *orders*, one after the other.

    Args:
        jobs: By their ids, those that exist, as they are in the store. Changed: as the orders leave them.
        at: The store's time, once nobody else can change *jobs*. None will do when there are no *jobs*.
        limited: The queues of *jobs* that have a limit.
    """
    done = Decided([], [])
    for order in orders:
        job = jobs.get(order.job_id)
        if job is None or at is None:
            done.answers.append(UnknownJob(f"no job has the id {order.job_id}"))
            continue
        if isinstance(job, RowUnreadable):
            done.answers.append(job)
            continue
        try:
            step = transition(job, order.command, at)
        except ObservatoryError as refused:
            done.answers.append(refused)
            continue
        jobs[job.id] = step.job
        if step.facts:
            done.changes.append(Change(step, job.sequence))
        done.answers.append(_applied(step, job, is_limited=job.queue in limited))
    return done


def events_of(changes: Iterable[Change], *, producer: Producer, ids: Ids) -> list[Event]:
    """
    The events of *changes*, in order, without positions.

    Of one change each event is caused by the one before it. The first event of a job has the id that the job names.
    """
    events: list[Event] = []
    for step, sequence_before, cause in changes:
        job, causation_id = step.job, cause
        for sequence, fact in enumerate(step.facts, start=sequence_before + 1):
            event_id = job.event_id if sequence == 1 else ids.new_id()
            events.append(
                event_of(
                    fact,
                    event_id=event_id,
                    sequence=sequence,
                    occurred_at=job.updated_at,
                    producer=producer,
                    correlation_id=job.correlation_id,
                    causation_id=causation_id,
                    traceparent=job.traceparent,
                )
            )
            causation_id = event_id
    return events


def _applied(step: Transition, before: Job, *, is_limited: bool) -> Applied:
    job = step.job
    gave_back = before.status.is_leased and not job.status.is_leased
    return Applied(
        job.id,
        job.status,
        job.sequence,
        has_changed=bool(step.facts),
        makes_room=gave_back and is_limited,
        asks_to_stop=job.status.is_leased and job.cancel_requested_at is not None,
    )
