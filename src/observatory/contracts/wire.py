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
    """How full one queue is, and what is set for it."""

    queue: str
    by_status: dict[str, int]
    """Jobs of each status that is not final."""
    depth: int
    """Their sum."""
    running: int | None = None
    """Leased ones among them, VALIDATED and EXECUTING: what `concurrency_max` bounds. None when it is not known."""
    oldest_pending_at: datetime | None = None
    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    concurrency_max: int | None = None
    """None means no limit."""


class QueuePauseRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The body of a pause."""

    by: str | None = None
    """Who pauses, in the caller's words; None when the caller does not say."""
    reason: str | None = None


class QueueConcurrencyRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of a limit."""

    concurrency_max: int | None
    """None lifts the limit."""


class BulkFilter(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Which jobs a bulk action concerns; every field that is given must match. Instants are those of `Job`."""

    status: str | None = None
    type: str | None = None
    queue: str | None = None
    correlation_id: str | None = None
    error_type: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None


class BulkRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The body of a bulk cancel or retry."""

    filter: BulkFilter = BulkFilter()
    all: bool = False
    """Permits an empty filter."""
    dry_run: bool = False
    """Only count."""
    operation_id: str | None = None
    """Of a retry: names one deliberate repetition; None leaves out what was ever repeated."""
    cursor: str | None = None
    limit: int | None = None
    """Jobs that this call looks at."""


class BulkCount(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many jobs of one status and type."""

    status: str
    type: str
    count: int


class BulkAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a bulk action found and did."""

    action: str
    dry_run: bool
    matched: int
    """Jobs that this call looked at, or that a dry run counted."""
    counts: tuple[BulkCount, ...]
    """The same by the status they had and by type."""
    cancelled: int
    cancel_requested: int
    retried: int
    skipped: dict[str, int]
    """The rest, by the reason why nothing was done."""
    next_cursor: str | None
    """Go on with it; None when every job was looked at."""


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
    pruned_jobs: int = 0
    """Jobs in these numbers that retention has removed."""
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
    pruned_jobs: int = 0,
) -> Stats:
    """
    The wire form of *view*.

    Args:
        position: Up to which *view* includes the log.
        log_position: The newest one in the log, read no earlier than *view*.
        pruned_jobs: Jobs in *view* that are gone.
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
        pruned_jobs=pruned_jobs,
        state="rebuilding" if is_rebuilding else "live",
        source=source,
    )


class LogLineSeen(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of the log of an attempt."""

    at: datetime
    text: str


class AttemptLogSeen(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The end of what one attempt logged and printed."""

    job_id: str
    attempt: int
    lines: tuple[LogLineSeen, ...]
    dropped_lines: int
    """Lines before the first one that were not kept."""
    dropped_bytes: int
    is_complete: bool
    """False while more may come."""
    saved_at: datetime | None = None
    """None when nothing is kept of this attempt."""
    as_of: datetime


class ViewRebuild(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A view that is being made anew."""

    view: str
    position: int
    """Once the view has reached it, it is as complete as it was before."""


class StreamNotice(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a stream says beside events: `checkpoint`, `resync` or `bye`."""

    position: int
    """Go on from here: everything that was asked for up to here was said, or has to be read anew (`resync`)."""
    reason: str | None = None
    """Stable word; None at a checkpoint."""
    generation: str | None = None
    """Which history the positions belong to; None in all but the first notice of a stream."""


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
