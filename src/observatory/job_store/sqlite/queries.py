"""`JobQueries` over one `SqliteFile`."""

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.errors import (
    StoreUnavailable,
)
from observatory.core.handler import TypeInfo
from observatory.core.job import Job
from observatory.engine.bounded_reads import take
from observatory.engine.instants import from_us
from observatory.engine.named_queries import load_queries
from observatory.engine.sqlite_file import SqliteFile, translated
from observatory.engine.sqlite_text import DamagedRow
from observatory.job_store.port import (
    JobFilter,
    JobPage,
    KnownType,
    QueueDepth,
    WorkerInfo,
)
from observatory.job_store.sqlite.rows import (
    JOB_COLUMNS,
    JOB_TEXTS,
    job_of_row,
    readable_jobs,
)

SQL = load_queries(Path(__file__).with_suffix(".sql"))


class SqliteJobQueries:
    """Implements `JobQueries`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def job(self, job_id: str) -> Job | None:
        sql = SQL["job_by_id"].replace("{columns}", JOB_COLUMNS)
        with translated(StoreUnavailable):
            row = await self._file.read(lambda connection: connection.execute(sql, (job_id,)).fetchone())
        return None if row is None else job_of_row(row)

    async def jobs(self, filter: JobFilter, *, before: int | None, count_max: int) -> JobPage:
        assert 1 <= count_max <= limits.PAGE_ITEMS_MAX, f"a page of {count_max}"
        conditions, values = _conditions(filter, before)
        sql = SQL["page"].replace("{columns}", JOB_COLUMNS).replace("{conditions}", conditions)
        given = (*values, count_max + 1)
        with translated(StoreUnavailable):
            rows, has_more = await self._file.read(
                lambda connection: take(connection.execute(sql, given), texts=JOB_TEXTS, count_max=count_max)
            )
        jobs, unreadable = readable_jobs(rows)
        return JobPage(jobs, rows[-1][-1] if has_more else None, unreadable)

    async def queue_depths(self) -> list[QueueDepth]:
        with translated(StoreUnavailable):
            rows = await self._file.read(lambda connection: connection.execute(SQL["queue_depths"]).fetchall())
        by_queue: dict[str, dict[str, int]] = {}
        oldest: dict[str, datetime] = {}
        for queue, status, count, run_at in rows:
            by_queue.setdefault(queue, {})[status] = count
            if status == "PENDING":
                oldest[queue] = from_us(run_at)
        return [
            QueueDepth(queue=queue, by_status=counts, oldest_pending_at=oldest.get(queue))
            for queue, counts in by_queue.items()
        ]

    async def processes(self) -> list[WorkerInfo]:
        with translated(StoreUnavailable):
            rows = await self._file.read(lambda connection: connection.execute(SQL["processes"]).fetchall())
        return [process for row in rows if (process := _process(row)) is not None]

    async def types(self) -> list[KnownType]:
        with translated(StoreUnavailable):
            rows = await self._file.read(lambda connection: connection.execute(SQL["types"]).fetchall())
        return [known for row in rows if (known := _known_type(row)) is not None]


def _process(row: tuple[Any, ...]) -> WorkerInfo | None:
    """None for a row that `heartbeat` did not write: one process must not hide all others."""
    if type(row) is DamagedRow:
        return None
    heartbeat_at, document = row
    try:
        process = msgspec.json.decode(document, type=WorkerInfo)
        return msgspec.structs.replace(process, heartbeat_at=from_us(heartbeat_at))
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError):
        return None


def _known_type(row: tuple[Any, ...]) -> KnownType | None:
    """None for a row that `announce` did not write: one type must not stop the work on all others."""
    if type(row) is DamagedRow:
        return None
    seen_at, document = row
    try:
        return KnownType(info=msgspec.json.decode(document, type=TypeInfo), seen_at=from_us(seen_at))
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError):
        return None


def _conditions(filter: JobFilter, before: int | None) -> tuple[str, list[Any]]:
    terms: list[str] = ["1 = 1"]
    values: list[Any] = []
    if filter.status is not None:
        # The second term lets SQLite use the index that leaves COMPLETED jobs out.
        terms.append("status = ?" if filter.status == "COMPLETED" else "status = ? AND status <> 'COMPLETED'")
        values.append(str(filter.status))
    for name in ("type", "queue", "correlation_id", "idempotency_key"):
        wanted = getattr(filter, name)
        if wanted is not None:
            terms.append(f"{name} = ?")
            values.append(wanted)
    if before is not None:
        terms.append("number < ?")
        values.append(before)
    return " AND ".join(terms), values
