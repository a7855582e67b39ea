"""The job: a durable record whose status changes only through `core.lifecycle.transition`.

The structs are the wire form as well (camelCase, `contracts/schemas/job`): one definition,
no translation. All instants are aware UTC datetimes with microseconds.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

JsonObject = dict[str, Any]

QUEUE_DEFAULT: Final = "default"
"""The queue of a job that names none."""


class JobStatus(StrEnum):
    """Where a job is. The last three are final and are never left."""

    SCHEDULED = "SCHEDULED"
    """Accepted, due later (`run_at`)."""
    PENDING = "PENDING"
    """Due, waiting for a processor."""
    VALIDATED = "VALIDATED"
    """Claimed, payload checked, waiting for a slot of the processor that holds the lease."""
    EXECUTING = "EXECUTING"
    """An attempt runs under a lease."""
    RETRYING = "RETRYING"
    """The last attempt did not succeed; due again at `run_at`."""
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    """Attempts used up, or refused for good."""
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        return self in FINAL

    @property
    def is_leased(self) -> bool:
        return self in LEASED


FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
LEASED = frozenset({JobStatus.VALIDATED, JobStatus.EXECUTING})
DELAYED = frozenset({JobStatus.SCHEDULED, JobStatus.RETRYING})


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The handler raised, or its result cannot be stored."""
    TIMED_OUT = "timed_out"
    LEASE_LOST = "lease_lost"
    """Its processor stopped answering and the attempt was rescued."""
    CRASHED = "crashed"
    """The process that ran it ended: signal, exit, memory limit."""
    ABANDONED = "abandoned"
    """It passed its hard time-out in a thread, which cannot be killed and keeps its slot."""
    CANCELLED = "cancelled"
    """It stopped because a cancel was requested."""
    RELEASED = "released"
    """Given back unfinished, because its processor drains; costs no attempt."""
    SNOOZED = "snoozed"
    """The handler asked to run later; costs no attempt."""


class ErrorFrame(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One call on the way to an exception. Never holds the values of variables."""

    file: str
    line: int
    function: str
    """With its class, as in `Thumbnail.render`."""
    source: str | None = None
    """The line of code; None when it cannot be found."""


class RelatedError(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An exception behind another one."""

    relation: str
    """`cause` (raised from it), `context` (came while it was handled) or `member` (of a group)."""
    type: str
    qualified_type: str
    message: str
    frames: list[ErrorFrame] = []
    frames_left_out: int = 0


class JobError(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Why the last attempt did not succeed. Never holds local variables."""

    type: str
    """Class name of the exception, or a word of ours: TimedOut, LeaseLost, Crashed, Abandoned, InvalidPayload…"""
    message: str
    """At most `limits.ERROR_MESSAGE_BYTES_MAX`."""
    traceback: str | None = None
    """At most `limits.ERROR_TRACEBACK_BYTES_MAX`; None when there is none."""
    qualified_type: str | None = None
    """Of an exception, as it is imported: `shop.errors.OutOfStock`; None for a word of ours."""
    frames: list[ErrorFrame] = []
    """Oldest first; of more than `limits.ERROR_FRAMES_MAX` the first and the last ones."""
    frames_left_out: int = 0
    """Between them."""
    related: list[RelatedError] = []
    """Exceptions behind it, the nearest first, at most `limits.ERROR_RELATED_MAX`."""
    related_left_out: int = 0


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How far the running attempt says it is."""

    fraction: float | None = None
    """From 0 to 1; None when the handler cannot tell."""
    done: float | None = None
    """So many of `total`, in whatever the handler counts."""
    total: float | None = None
    message: str | None = None
    """At most `limits.PROGRESS_MESSAGE_BYTES_MAX`."""
    data: JsonObject | None = None
    """The handler's own; at most `limits.PROGRESS_DATA_BYTES_MAX` as canonical JSON."""


class Job(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """One durable request for work. A field that is None is absent on the wire."""

    id: str
    type: str
    status: JobStatus
    created_at: datetime
    updated_at: datetime
    """When the newest event of this job happened."""
    payload: JsonObject
    queue: str
    priority: int
    """0 is claimed first, 9 last."""
    run_at: datetime
    """Due from this instant on."""
    attempt: int
    """Number of the current or last attempt; 0 before the first. Released and snoozed attempts are taken back."""
    max_attempts: int
    timeout_seconds: float
    """Hard time-out of one attempt."""
    fence: int
    """Rises with every claim and every rescue; a write with an older fence is refused."""
    sequence: int
    """Number of the job's newest event."""
    event_id: str
    """Of the creating event."""
    correlation_id: str
    metadata: JsonObject | None = None
    idempotency_key: str | None = None
    progress: Progress | None = None
    result: Any = None
    error: JobError | None = None
    """Of the last attempt that did not succeed; None after a success."""
    retry_of: str | None = None
    """Id of the final job that this one repeats."""
    cancel_requested_at: datetime | None = None
    started_at: datetime | None = None
    """When the current or last attempt began."""
    finished_at: datetime | None = None
    """When the status became final."""
    worker: str | None = None
    """Instance id of the processor that holds the lease; None when there is no lease."""
    lease_expires_at: datetime | None = None
    """From this instant on a rescue is permitted. The only field that changes without an event (heartbeats)."""
    traceparent: str | None = None


class NewJob(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A checked request for a job, with its identities already drawn: submitting it again is the same submit."""

    id: str
    event_id: str
    type: str
    payload: JsonObject
    correlation_id: str
    fingerprint: str
    """Hex SHA-256 of the canonical JSON of type, payload and the options as the caller gave them."""
    queue: str
    priority: int
    max_attempts: int
    timeout_seconds: float
    run_at: datetime | None = None
    """None, or an instant that is not in the future, means due at once."""
    metadata: JsonObject | None = None
    idempotency_key: str | None = None
    retry_of: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None
