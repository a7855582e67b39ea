"""`JobQueries` over one `PostgresDatabase`."""

from datetime import datetime
from pathlib import Path

import msgspec

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.handler import TypeInfo
from observatory.core.job import Job
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_database import Connection, PostgresDatabase, Row, translated
from observatory.engine.postgres_reads import bounded, take
from observatory.job_store.port import JobFilter, JobPage, KnownType, QueueDepth, WorkerInfo
from observatory.job_store.postgres.choices import Choice
from observatory.job_store.postgres.rows import JOB_COLUMN_COUNT, JOB_COLUMNS, JOB_TEXTS, job_of_row, readable_jobs

SQL = load_queries(Path(__file__).with_suffix(".sql"))
_BY_ID = SQL["job_by_id"].replace("{columns}", JOB_COLUMNS)
_PAGE = bounded(
    SQL["page"].replace("{columns}", JOB_COLUMNS),
    columns=f"{JOB_COLUMNS}, number",
    texts=JOB_TEXTS,
    order="number DESC",
)

FIRST_OF_PAGE = 3
"""Number of the first parameter that a choice for `read_page` may have."""


class PostgresJobQueries:
    """Implements `JobQueries`."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def job(self, job_id: str) -> Job | None:
        with translated(StoreUnavailable):
            row = await self._database.read(lambda connection: connection.fetchrow(_BY_ID, job_id))
        return None if row is None else job_of_row(row)

    async def jobs(self, filter: JobFilter, *, before: int | None, count_max: int) -> JobPage:
        assert 1 <= count_max <= limits.PAGE_ITEMS_MAX, f"a page of {count_max}"
        choice = Choice.by_filter(filter, before=before, first=FIRST_OF_PAGE)
        with translated(StoreUnavailable):
            return await self._database.read(lambda connection: read_page(connection, choice, count_max))

    async def queue_depths(self) -> list[QueueDepth]:
        with translated(StoreUnavailable):
            rows = await self._database.read(lambda connection: connection.fetch(SQL["queue_depths"]))
        by_queue: dict[str, dict[str, int]] = {}
        oldest: dict[str, datetime] = {}
        for queue, status, count, run_at in rows:
            by_queue.setdefault(queue, {})[status] = count
            if status == "PENDING":
                oldest[queue] = run_at
        return [
            QueueDepth(queue=queue, by_status=counts, oldest_pending_at=oldest.get(queue))
            for queue, counts in by_queue.items()
        ]

    async def processes(self) -> list[WorkerInfo]:
        with translated(StoreUnavailable):
            rows = await self._database.read(lambda connection: connection.fetch(SQL["processes"]))
        return [process for row in rows if (process := _process(row)) is not None]

    async def types(self) -> list[KnownType]:
        with translated(StoreUnavailable):
            rows = await self._database.read(lambda connection: connection.fetch(SQL["types"]))
        return [known for row in rows if (known := _known_type(row)) is not None]


async def read_page(connection: Connection, choice: Choice, count_max: int) -> JobPage:
    """The newest jobs of *choice*, whole; at most *count_max*, and as many as one read may hold."""
    chosen = choice.newest("number", count="$1::bigint + 1")
    sql = _PAGE.replace("{chosen}", chosen)
    rows, has_more = await take(connection, sql, *choice.values, count_max=count_max)
    jobs, unreadable = readable_jobs(rows)
    return JobPage(jobs, rows[-1][JOB_COLUMN_COUNT] if has_more else None, unreadable)


def _process(row: Row) -> WorkerInfo | None:
    """None for a row that `heartbeat` did not write: one process must not hide all others."""
    heartbeat_at, document = row
    try:
        return msgspec.structs.replace(msgspec.json.decode(document, type=WorkerInfo), heartbeat_at=heartbeat_at)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return None


def _known_type(row: Row) -> KnownType | None:
    """None for a row that `announce` did not write: one type must not stop the work on all others."""
    seen_at, document = row
    try:
        return KnownType(info=msgspec.json.decode(document, type=TypeInfo), seen_at=seen_at)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return None
