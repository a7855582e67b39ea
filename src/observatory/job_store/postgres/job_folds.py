"""What the events of whole jobs add up to, read in pieces of bounded size."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from observatory.core import limits
from observatory.core.errors import BadEnvelope
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_database import Connection, Row
from observatory.engine.postgres_events import EVENT_COLUMNS, event_of_row
from observatory.engine.postgres_reads import bounded, take
from observatory.job_store.pruning import Expired, expired_of

_SQL = load_queries(Path(__file__).with_suffix(".sql"))
_EVENTS = bounded(
    _SQL["events_of_jobs"].replace("{columns}", EVENT_COLUMNS),
    columns=EVENT_COLUMNS,
    texts=["payload"],
    order="job_id, sequence",
)
_JOB_ID, _SEQUENCE = (EVENT_COLUMNS.split(", ").index(name) for name in ("job_id", "sequence"))


class JobFold(msgspec.Struct, frozen=True):
    """What the log has of one job."""

    events: int
    job: Expired | None
    """None when an event cannot be read or folded, or one before the last is missing."""


async def folds_of(connection: Connection, job_ids: Sequence[str]) -> dict[str, JobFold]:
    """Of each of *job_ids* that the log has an event of. Holds the events of one job at a time, and of one read."""
    folds: dict[str, JobFold] = {}
    rows: list[Row] = []
    async with aclosing(_events(connection, sorted(job_ids))) as events:
        async for row in events:
            if rows and rows[0][_JOB_ID] != row[_JOB_ID]:
                folds[rows[0][_JOB_ID]] = _fold(rows)
                rows = []
            rows.append(row)
    if rows:
        folds[rows[0][_JOB_ID]] = _fold(rows)
    return folds


async def _events(connection: Connection, job_ids: list[str]) -> AsyncGenerator[Row]:
    """In order of job and sequence."""
    last_id, last_sequence, has_more = "", 0, True
    while has_more:
        rows, has_more = await take(
            connection, _EVENTS, job_ids, last_id, last_sequence, count_max=limits.READ_EVENTS_MAX
        )
        for row in rows:
            yield row[:-1]
            last_id, last_sequence = row[_JOB_ID], row[_SEQUENCE]
        job_ids = [job_id for job_id in job_ids if job_id >= last_id]


def _fold(rows: Sequence[Row]) -> JobFold:
    try:
        job = expired_of(rows[0][_JOB_ID], map(event_of_row, rows))
    except (BadEnvelope, msgspec.MsgspecError, ValueError, LookupError, TypeError, AttributeError):
        job = None
    return JobFold(len(rows), job)
