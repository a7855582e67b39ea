"""A change of a job on its way into a store, whatever the driver: its events, and what its caller hears."""

from collections.abc import Iterable
from typing import NamedTuple

from observatory.core.event import Event, Producer, event_of
from observatory.core.job import Job
from observatory.core.lifecycle import Transition
from observatory.core.sources import Ids
from observatory.job_store.port import Applied


class Change(NamedTuple):
    """One transition that is to be written."""

    step: Transition
    sequence_before: int
    """Of the row that it changes; 0 for a job that is new."""
    causation_id: str | None = None
    """What caused it, if that is known."""


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


def applied(step: Transition, before: Job, *, is_limited: bool) -> Applied:
    """
    The answer to an order.

    Args:
        is_limited: The job's queue has a limit.
    """
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
