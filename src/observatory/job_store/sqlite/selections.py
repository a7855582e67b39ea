"""`Selections` over one `SqliteFile`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.job import JobStatus
from observatory.engine.bounded_reads import take
from observatory.engine.instants import to_us
from observatory.engine.named_queries import load_queries
from observatory.engine.sqlite_file import SqliteFile, translated
from observatory.job_store.port import JobPage
from observatory.job_store.selections import Selected, SelectedCount, SelectedJobs, SelectedPage, Selection
from observatory.job_store.sqlite.rows import JOB_COLUMNS, JOB_TEXTS, readable_jobs

SQL = load_queries(Path(__file__).with_suffix(".sql"))


class SqliteSelections:
    """Implements `Selections`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def select(self, selection: Selection, *, before: int | None, count_max: int) -> SelectedPage:
        assert 1 <= count_max <= limits.BULK_JOBS_MAX, f"a page of {count_max}"
        sql, values = _filled("select", selection, before)
        with translated(StoreUnavailable):
            rows = await self._file.read(lambda c: c.execute(sql, (*values, count_max + 1)).fetchall())
        has_more = len(rows) > count_max
        jobs = [Selected(job_id, JobStatus(status), job_type) for job_id, status, job_type, _ in rows[:count_max]]
        return SelectedPage(jobs, rows[count_max - 1][-1] if has_more else None)

    async def count(self, selection: Selection) -> list[SelectedCount]:
        sql, values = _filled("select_counts", selection, None)
        with translated(StoreUnavailable):
            rows = await self._file.read(lambda c: c.execute(sql, values).fetchall())
        return [SelectedCount(JobStatus(status), job_type, count) for status, job_type, count in rows]

    async def page(self, selection: Selection, *, before: int | None, count_max: int) -> JobPage:
        assert 1 <= count_max <= limits.PAGE_ITEMS_MAX, f"a page of {count_max}"
        sql, values = _filled("select_page", selection, before)
        given = (*values, count_max + 1)
        with translated(StoreUnavailable):
            rows, has_more = await self._file.read(
                lambda c: take(c.execute(sql, given), texts=JOB_TEXTS, count_max=count_max)
            )
        jobs, unreadable = readable_jobs(rows)
        return JobPage(jobs, rows[-1][-1] if has_more else None, unreadable)

    async def jobs(self, job_ids: Sequence[str]) -> SelectedJobs:
        assert 1 <= len(job_ids) <= limits.BULK_PIECE_JOBS, f"{len(job_ids)} jobs in one piece"
        marks = ", ".join("(?)" for _ in job_ids)
        sql = SQL["select_jobs"].replace("{columns}", JOB_COLUMNS).replace("{asked}", marks)
        with translated(StoreUnavailable):
            rows, has_more = await self._file.read(
                lambda c: take(c.execute(sql, tuple(job_ids)), texts=JOB_TEXTS, count_max=len(job_ids))
            )
        jobs, unreadable = readable_jobs(rows)
        return SelectedJobs(jobs, unreadable, rows[-1][-1] + 1 if has_more else len(job_ids))

    async def retry_of(self, job_id: str) -> str | None:
        with translated(StoreUnavailable):
            row = await self._file.read(lambda c: c.execute(SQL["first_retry"], (job_id,)).fetchone())
        return None if row is None else row[0]


def _filled(query: str, selection: Selection, before: int | None) -> tuple[str, list[Any]]:
    conditions, values = _conditions(selection, before)
    sql = SQL[query].replace("{columns}", JOB_COLUMNS).replace("{index}", _index(selection))
    return sql.replace("{conditions}", conditions), values


def _index(selection: Selection) -> str:
    """Without statistics SQLite would walk the whole table to be spared a sort."""
    if selection.correlation_id is not None or JobStatus.COMPLETED in selection.statuses:
        return ""
    return "INDEXED BY jobs_failed" if selection.statuses == (JobStatus.FAILED,) else "INDEXED BY jobs_open"


def _conditions(selection: Selection, before: int | None) -> tuple[str, list[Any]]:
    statuses = selection.statuses
    terms = [f"status IN ({', '.join('?' * len(statuses))})" if len(statuses) > 1 else "status = ?"]
    values: list[Any] = [str(status) for status in statuses]
    if JobStatus.COMPLETED not in statuses:
        terms.append("status <> 'COMPLETED'")  # what the index of the others is bound to
    if statuses == (JobStatus.FAILED,):
        terms.append("status = 'FAILED'")  # as above
    wanted: dict[str, Any] = {
        "type = ?": selection.type,
        "queue = ?": selection.queue,
        "correlation_id = ?": selection.correlation_id,
        # The text of a damaged row need not be JSON.
        "CASE WHEN json_valid(error) THEN json_extract(error, '$.type') END = ?": selection.error_type,
        "created_at >= ?": selection.created_after and to_us(selection.created_after),
        "created_at < ?": selection.created_before and to_us(selection.created_before),
        "finished_at >= ?": selection.finished_after and to_us(selection.finished_after),
        "finished_at < ?": selection.finished_before and to_us(selection.finished_before),
        "number < ?": before,
    }
    for term, value in wanted.items():
        if value is not None:
            terms.append(term)
            values.append(value)
    if selection.is_unretried:
        terms.append("NOT EXISTS (SELECT 1 FROM jobs AS retries WHERE retries.retry_of = jobs.id)")
    return " AND ".join(terms), values
