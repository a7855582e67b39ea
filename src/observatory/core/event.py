"""The event: what happened to a job, written in the transaction that changed the job.

`Event` is the wire envelope 1.1.0 (`contracts/schemas/event-envelope`). Its payload holds the
job's `id` and `type`, the `status` that results, and every field of the job that changed, in wire form, with
null for a field that became absent; so the row is the fold of its events (`core.folds.fold_job`).
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from observatory.core.job import JsonObject

CONTRACT_VERSION = "1.1.0"


class EventType(StrEnum):
    """What happened. In the past tense."""

    CREATED = "job.created"
    QUEUED = "job.queued"
    VALIDATED = "job.validated"
    STARTED = "job.started"
    EXECUTED = "job.executed"
    RETRIED = "job.retried"
    COMPLETED = "job.completed"
    FAILED = "job.failed"
    CANCEL_REQUESTED = "job.cancel_requested"
    CANCELLED = "job.cancelled"
    PROGRESSED = "job.progressed"


EVENT_ONLY_KEYS = frozenset({"previousStatus", "outcome", "reason", "durations"})
"""Keys of an event's payload that describe the event and are not fields of the job."""


class Producer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who wrote the event."""

    service: str
    instance_id: str
    """New at every process start."""
    version: str


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """One fact about one job."""

    contract_version: str
    event_type: str
    event_id: str
    occurred_at: datetime
    producer: Producer
    correlation_id: str
    idempotency_key: str
    """`{job_id}:{sequence}`: two deliveries with the same key are the same event."""
    payload: JsonObject
    job_id: str
    sequence: int
    """1..n without a gap, per job."""
    position: int | None = None
    """1..n across all jobs, without a gap but those of pruned jobs; None until the relay gave it."""
    causation_id: str | None = None
    """Event id of what directly caused this one; None when a person or a clock did."""
    traceparent: str | None = None


class Fact(msgspec.Struct, frozen=True, gc=False):
    """An event before it has an identity: what `transition` says."""

    type: EventType
    payload: JsonObject


def event_of(
    fact: Fact,
    *,
    event_id: str,
    sequence: int,
    occurred_at: datetime,
    producer: Producer,
    correlation_id: str,
    position: int | None = None,
    causation_id: str | None = None,
    traceparent: str | None = None,
) -> Event:
    """Give *fact* its identity and its envelope."""
    job_id: str = fact.payload["id"]
    return Event(
        contract_version=CONTRACT_VERSION,
        event_type=fact.type,
        event_id=event_id,
        occurred_at=occurred_at,
        producer=producer,
        correlation_id=correlation_id,
        idempotency_key=f"{job_id}:{sequence}",
        payload=fact.payload,
        job_id=job_id,
        sequence=sequence,
        position=position,
        causation_id=causation_id,
        traceparent=traceparent,
    )
