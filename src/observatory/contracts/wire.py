"""
The structs that exist only on the wire, and the names that two processes must agree on.

`core.job.Job`, `core.event.Event` and `core.handler.TypeInfo` are wire forms already. A struct is looser than
its schema (it knows no patterns and bounds), so a document from outside is checked first and converted afterwards.
"""

from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

from observatory.core.event import CONTRACT_VERSION, Event
from observatory.core.folds import StatsView, TypeCounts
from observatory.core.handler import TypeInfo
from observatory.core.job import Job, JsonObject

DEAD_LETTER_QUEUE: Final = "jobs.failed.validation"
"""Where deliveries go that can never be consumed."""
INGEST_QUEUE: Final = "jobs.created"
"""Where any producer may submit a job by a `job.created` envelope."""

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
EVENT_BATCH_MEDIA_TYPE: Final = "application/vnd.task-observatory.event-batch+json"

T = TypeVar("T")


def convert(value: Any, into: type[T]) -> T:
    """
    *value*, which passed the schema of *into*, as a struct.

    JSON knows one kind of number, so 5.0 is an integer for the schema and becomes one here.
    """
    return msgspec.convert(value, into, strict=False)


class JobRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The body of `POST /jobs`. None means that the caller did not say."""

    type: str
    payload: JsonObject | None = None
    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    timeout_seconds: float | None = None
    run_at: datetime | None = None
    """With the offset that the caller gave."""
    idempotency_key: str | None = None
    correlation_id: str | None = None
    metadata: JsonObject | None = None


class ProblemItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One fault in the body of a request."""

    pointer: str
    detail: str
    code: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Why a request was not carried out (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    """Stable word for machines: the `code` of the error."""
    detail: str | None = None
    instance: str | None = None
    correlation_id: str | None = None
    errors: tuple[ProblemItem, ...] = ()


class BatchItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The answer to one item of a batch: either a job or an error."""

    job: Job | None = None
    error: Problem | None = None
    warning: str | None = None
    """What the submitter should know of an accepted job; as the header `Job-Warning` of a single submit."""

    def __post_init__(self) -> None:
        assert (self.job is None) != (self.error is None), "an item has either a job or an error"


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer to `POST /jobs/batch`, in the order of the request."""

    items: tuple[BatchItem, ...]


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True, rename="camel"):
    """One page of a list."""

    items: tuple[T, ...]
    next_cursor: str | None
    """Opaque; None on the last page."""
    as_of: datetime
    """When the store was read."""


class JobList(Page[Job], frozen=True, kw_only=True, rename="camel"):
    """One page of jobs."""

    unreadable: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Ids of the jobs that belong on this page and cannot be read; unset when there are none."""


class QueueInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How full one queue is, and whether it is paused."""

    queue: str
    by_status: dict[str, int]
    """Jobs of each status that is not final."""
    depth: int
    """Their sum."""
    oldest_pending_at: datetime | None = None
    paused_at: datetime | None = None


class SeenType(TypeInfo, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A job type, with the instant at which a processor announced it last."""

    seen_at: datetime | None = None


class Stats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the event history adds up to, and up to where it was added."""

    total_jobs: int
    completed_jobs: int
    failed_jobs: int
    by_status: dict[str, int]
    by_type: dict[str, TypeCounts]
    attempts_by_outcome: dict[str, int]
    wait_seconds_sum: float
    run_seconds_sum: float
    events: int
    last_event_time: datetime | None
    as_of: datetime
    position: int
    lag: int
    """Events of the log that are not in these numbers yet."""
    lag_seconds: float | msgspec.UnsetType = msgspec.UNSET
    """Age of the oldest of them; unset when it is not known."""
    state: str
    """`live` or `rebuilding`."""
    source: str
    """The store the numbers come from."""


def stats_of(
    view: StatsView,
    *,
    as_of: datetime,
    position: int,
    log_position: int,
    source: str,
    is_rebuilding: bool = False,
    lag_s: float | None = None,
) -> Stats:
    """
    The wire form of *view*.

    Args:
        position: Up to which *view* includes the log.
        log_position: The newest one in the log, read no earlier than *view*.
    """
    return Stats(
        total_jobs=view.total_jobs,
        completed_jobs=view.completed_jobs,
        failed_jobs=view.failed_jobs,
        by_status=view.by_status,
        by_type=view.by_type,
        attempts_by_outcome=view.attempts_by_outcome,
        wait_seconds_sum=view.wait_seconds_sum,
        run_seconds_sum=view.run_seconds_sum,
        events=view.events,
        last_event_time=view.last_event_time,
        as_of=as_of,
        position=position,
        lag=max(log_position - position, 0),
        lag_seconds=msgspec.UNSET if lag_s is None else lag_s,
        state="rebuilding" if is_rebuilding else "live",
        source=source,
    )


class StreamNotice(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a stream says beside events: `checkpoint`, `resync` or `bye`."""

    position: int
    """Go on from here: everything that was asked for up to here was said, or has to be read anew (`resync`)."""
    reason: str | None = None
    """Stable word; None at a checkpoint."""


class EventBatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Events between the services, in order of position, without a gap."""

    events: tuple[Event, ...]
    contract_version: str = CONTRACT_VERSION


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that can never be consumed, with the reason. The one document in snake_case."""

    original_event: Any
    """As it came; text when it was not JSON."""
    validation_error: str
    rejected_at: datetime
    correlation_id: str | None
    """None when the delivery has no valid one."""
    service: str
    service_version: str


class UiEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One user interface that can be opened from the launcher."""

    id: str
    name: str
    description: str
    port: int
    """Its default on this machine."""
    path: str
    modes: tuple[str, ...]
    """How the Observatory may be running for it to exist: embedded, compose, kind."""
    profile: str | None = None
    """The optional part of the set-up that brings it; None when it is always there."""
    sign_in: str | None = None
    """Where the credentials come from, never the credentials; None when it asks for none."""
