"""The row form of a job in PostgreSQL. JSON is text, exactly as it was accepted; instants are instants."""

from collections.abc import Iterable
from typing import Any

import msgspec

from observatory.core.errors import RowUnreadable
from observatory.core.job import Job, JobError, JobStatus, Progress
from observatory.engine.postgres_database import Row

JOB_COLUMNS = (
    "id, type, status, queue, priority, run_at, attempt, max_attempts, timeout_seconds, fence, sequence, "
    "worker, lease_expires_at, created_at, updated_at, started_at, finished_at, cancel_requested_at, "
    "event_id, correlation_id, idempotency_key, retry_of, traceparent, "
    "payload, metadata, progress, result, error"
)
JOB_COLUMN_COUNT = JOB_COLUMNS.count(",") + 1
QUEUE = JOB_COLUMNS.split(", ").index("queue")
IDEMPOTENCY_KEY = JOB_COLUMNS.split(", ").index("idempotency_key")

JOB_TEXTS = ("payload", "metadata", "progress", "result", "error")
"""The columns that hold JSON."""

_ACCEPTED = {
    "id": "text",
    "type": "text",
    "status": "text",
    "queue": "text",
    "priority": "smallint",
    "run_at": "timestamptz",
    "max_attempts": "integer",
    "timeout_seconds": "double precision",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "event_id": "text",
    "correlation_id": "text",
    "idempotency_key": "text",
    "retry_of": "text",
    "traceparent": "text",
    "payload": "text",
    "metadata": "text",
    "fingerprint": "text",
}
ACCEPTED_COLUMNS = tuple(_ACCEPTED)
"""What a job has when it is accepted; the other columns have their defaults."""
ACCEPTED_TYPES = tuple(_ACCEPTED.values())

_UPDATED = {
    "id": "text",
    "sequence_before": "bigint",
    "status": "text",
    "run_at": "timestamptz",
    "attempt": "integer",
    "fence": "bigint",
    "sequence": "bigint",
    "worker": "text",
    "lease_expires_at": "timestamptz",
    "updated_at": "timestamptz",
    "started_at": "timestamptz",
    "finished_at": "timestamptz",
    "cancel_requested_at": "timestamptz",
    "progress": "text",
    "result": "text",
    "error": "text",
    "error_type": "text",
}
UPDATED_COLUMNS = tuple(_UPDATED)
"""What a transition may change, behind the id and the sequence that the row must still have."""
UPDATED_TYPES = tuple(_UPDATED.values())

_STATUS = {str(status): status for status in JobStatus}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode
_decode_progress = msgspec.json.Decoder(Progress).decode
_decode_error = msgspec.json.Decoder(JobError).decode


def _text(value: Any) -> str | None:
    return None if value is None else _encode(value).decode()


def insert_values(job: Job, fingerprint: str) -> tuple[Any, ...]:
    """Values of `ACCEPTED_COLUMNS`, for a job that was just accepted."""
    assert job.sequence == 1, f"job {job.id} was changed since it was accepted"
    return (
        job.id,
        job.type,
        str(job.status),
        job.queue,
        job.priority,
        job.run_at,
        job.max_attempts,
        job.timeout_seconds,
        job.created_at,
        job.created_at,
        job.event_id,
        job.correlation_id,
        job.idempotency_key,
        job.retry_of,
        job.traceparent,
        _encode(job.payload).decode(),
        _text(job.metadata),
        fingerprint,
    )


def update_values(job: Job, sequence_before: int) -> tuple[Any, ...]:
    """Values of `UPDATED_COLUMNS`."""
    return (
        job.id,
        sequence_before,
        str(job.status),
        job.run_at,
        job.attempt,
        job.fence,
        job.sequence,
        job.worker,
        job.lease_expires_at,
        job.updated_at,
        job.started_at,
        job.finished_at,
        job.cancel_requested_at,
        _text(job.progress),
        _text(job.result),
        _text(job.error),
        None if job.error is None else job.error.type,
    )


def job_of_row(row: Row) -> Job:
    """
    The job of a row that begins with `JOB_COLUMNS`.

    Raises:
        RowUnreadable: A value is not one that `insert_values` or `update_values` writes.
    """
    try:
        return _job_of_row(row)
    except (msgspec.MsgspecError, ValueError, LookupError, TypeError) as error:
        raise RowUnreadable(row[0]) from error


def readable_jobs(rows: Iterable[Row]) -> tuple[list[Job], list[str]]:
    """The jobs of *rows*, in their order, and the ids of those that cannot be read."""
    jobs: list[Job] = []
    unreadable: list[str] = []
    for row in rows:
        try:
            jobs.append(job_of_row(row))
        except RowUnreadable as error:
            unreadable.append(error.job_id)
    return jobs, unreadable


def _job_of_row(row: Row) -> Job:
    return Job(
        id=row[0],
        type=row[1],
        status=_STATUS[row[2]],
        queue=row[3],
        priority=row[4],
        run_at=row[5],
        attempt=row[6],
        max_attempts=row[7],
        timeout_seconds=row[8],
        fence=row[9],
        sequence=row[10],
        worker=row[11],
        lease_expires_at=row[12],
        created_at=row[13],
        updated_at=row[14],
        started_at=row[15],
        finished_at=row[16],
        cancel_requested_at=row[17],
        event_id=row[18],
        correlation_id=row[19],
        idempotency_key=row[20],
        retry_of=row[21],
        traceparent=row[22],
        payload=_decode(row[23]),
        metadata=None if row[24] is None else _decode(row[24]),
        progress=None if row[25] is None else _decode_progress(row[25]),
        result=None if row[26] is None else _decode(row[26]),
        error=None if row[27] is None else _decode_error(row[27]),
    )
