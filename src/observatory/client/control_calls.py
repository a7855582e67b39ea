"""What is asked of the gateway about queues, many jobs and dead letters: pure, for both clients."""

from typing import TypedDict

from observatory.client import calls
from observatory.client.calls import Call
from observatory.core import limits
from observatory.core.job import JsonObject


def of_queue(queue: str, action: str) -> str:
    """The path of an action on a queue, whatever characters somebody typed as its name."""
    return f"/queues/{calls.segment(queue)}/{action}"


def pause_queue(queue: str, by: str | None, reason: str | None) -> Call:
    said = {"by": by, "reason": reason}
    return calls.post(of_queue(queue, "pause"), {name: text for name, text in said.items() if text is not None})


def resume_queue(queue: str) -> Call:
    return calls.post(of_queue(queue, "resume"))


def limit_queue(queue: str, concurrency_max: int | None) -> Call:
    return calls.post(of_queue(queue, "concurrency"), {"concurrencyMax": concurrency_max})


class BulkAsked(TypedDict, total=False):
    """The arguments of a bulk action, for the clients that hand them on."""

    filter: JsonObject
    """As `contracts/schemas/bulk-request` says."""
    all: bool
    """Permits an empty filter."""
    dry_run: bool
    operation_id: str | None
    """Of a retry: names one deliberate repetition."""
    cursor: str | None
    """`nextCursor` of the answer before; None for the first call."""
    count_max: int
    """Jobs that this call looks at."""


def cancel_jobs(**asked: object) -> Call:
    return calls.post("/jobs/cancel", _bulk(asked))


def retry_jobs(**asked: object) -> Call:
    return calls.post("/jobs/retry", _bulk(asked))


def _bulk(asked: dict[str, object]) -> JsonObject:
    wire = {"dry_run": "dryRun", "operation_id": "operationId", "count_max": "limit"}
    return {wire.get(name, name): value for name, value in asked.items() if value is not None}


class DeadLettersAsked(TypedDict, total=False):
    """The arguments of `dead_letters`, for the clients that hand them on."""

    type: str | None
    queue: str | None
    error_type: str | None
    cursor: str | None
    """`next_cursor` of the page before; None for the first."""
    count_max: int


def dead_letters(
    *,
    type: str | None = None,
    queue: str | None = None,
    error_type: str | None = None,
    cursor: str | None = None,
    count_max: int = limits.PAGE_ITEMS_DEFAULT,
) -> Call:
    return calls.get(
        "gateway", "/dead-letters", type=type, queue=queue, errorType=error_type, cursor=cursor, limit=count_max
    )


def redrive(job_id: str) -> Call:
    return calls.post(f"/dead-letters/{calls.checked_job_id(job_id)}/redrive")
