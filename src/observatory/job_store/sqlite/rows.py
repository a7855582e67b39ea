"""The row form of a job in the SQLite file."""

from collections.abc import Iterable
from typing import Any

import msgspec

from observatory.core.errors import RowUnreadable
from observatory.core.job import Job, JobError, JobStatus, Progress
from observatory.engine.instants import from_us, from_us_or_none, to_us, to_us_or_none
from observatory.engine.sqlite_text import DamagedRow

JOB_COLUMNS = (
    "id, type, status, queue, priority, run_at, attempt, max_attempts, timeout_seconds, fence, sequence, "
    "worker, lease_expires_at, created_at, updated_at, started_at, finished_at, cancel_requested_at, "
    "event_id, correlation_id, idempotency_key, retry_of, traceparent, "
    "payload, metadata, progress, result, error"
)
JOB_COLUMN_COUNT = JOB_COLUMNS.count(",") + 1
JOB_TEXTS = slice(JOB_COLUMN_COUNT - 5, JOB_COLUMN_COUNT)
"""The columns that hold JSON."""
IDEMPOTENCY_KEY = JOB_COLUMNS.split(", ").index("idempotency_key")

_ACCEPTED = (
    "id, type, status, queue, priority, run_at, max_attempts, timeout_seconds, created_at, updated_at, "
    "event_id, correlation_id, idempotency_key, retry_of, traceparent, payload, metadata, fingerprint"
)
ACCEPTED_COLUMNS = tuple(_ACCEPTED.split(", "))
"""What a job has when it is accepted; the other columns have their defaults."""

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
    created_at = to_us(job.created_at)
    return (
        job.id,
        job.type,
        str(job.status),
        job.queue,
        job.priority,
        created_at if job.run_at is job.created_at else to_us(job.run_at),
        job.max_attempts,
        job.timeout_seconds,
        created_at,
        created_at,
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
    """Values of a row of `update_jobs`."""
    return (
        job.id,
        sequence_before,
        str(job.status),
        to_us(job.run_at),
        job.attempt,
        job.fence,
        job.sequence,
        job.worker,
        to_us_or_none(job.lease_expires_at),
        to_us(job.updated_at),
        to_us_or_none(job.started_at),
        to_us_or_none(job.finished_at),
        to_us_or_none(job.cancel_requested_at),
        _text(job.progress),
        _text(job.result),
        _text(job.error),
    )


def job_of_row(row: tuple[Any, ...]) -> Job:
    """
    The job of a row that begins with `JOB_COLUMNS`.

    Raises:
        RowUnreadable: A value is not one that `insert_values` or `update_values` writes.
    """
    if type(row) is DamagedRow:
        raise RowUnreadable(row[0])
    try:
        return _job_of_row(row)
    except (msgspec.MsgspecError, ValueError, LookupError, TypeError, OverflowError) as error:
        raise RowUnreadable(row[0]) from error


def readable_jobs(rows: Iterable[tuple[Any, ...]]) -> tuple[list[Job], list[str]]:
    """The jobs of *rows*, in their order, and the ids of those that cannot be read."""
    jobs: list[Job] = []
    unreadable: list[str] = []
    for row in rows:
        try:
            jobs.append(job_of_row(row))
        except RowUnreadable as error:
            unreadable.append(error.job_id)
    return jobs, unreadable


def _job_of_row(row: tuple[Any, ...]) -> Job:
    return Job(
        id=row[0],
        type=row[1],
        status=_STATUS[row[2]],
        queue=row[3],
        priority=row[4],
        run_at=from_us(row[5]),
        attempt=row[6],
        max_attempts=row[7],
        timeout_seconds=row[8],
        fence=row[9],
        sequence=row[10],
        worker=row[11],
        lease_expires_at=from_us_or_none(row[12]),
        created_at=from_us(row[13]),
        updated_at=from_us(row[14]),
        started_at=from_us_or_none(row[15]),
        finished_at=from_us_or_none(row[16]),
        cancel_requested_at=from_us_or_none(row[17]),
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
