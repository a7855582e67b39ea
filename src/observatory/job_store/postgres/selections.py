"""`Selections` over one `PostgresDatabase`."""

from collections.abc import Sequence
from pathlib import Path

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.job import JobStatus
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_database import PostgresDatabase, translated
from observatory.engine.postgres_reads import bounded, take
from observatory.job_store.port import JobPage
from observatory.job_store.postgres.choices import Choice
from observatory.job_store.postgres.queries import FIRST_OF_PAGE, read_page
from observatory.job_store.postgres.rows import JOB_COLUMN_COUNT, JOB_COLUMNS, JOB_TEXTS, readable_jobs
from observatory.job_store.selections import Selected, SelectedCount, SelectedJobs, SelectedPage, Selection

SQL = load_queries(Path(__file__).with_suffix(".sql"))
_JOBS = bounded(
    SQL["select_jobs"].replace("{columns}", JOB_COLUMNS),
    columns=f"{JOB_COLUMNS}, place_asked",
    texts=JOB_TEXTS,
    order="place_asked",
)


class PostgresSelections:
    """Implements `Selections`."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def select(self, selection: Selection, *, before: int | None, count_max: int) -> SelectedPage:
        assert 1 <= count_max <= limits.BULK_JOBS_MAX, f"a page of {count_max}"
        choice = Choice.by_selection(selection, before=before, first=2)
        sql = choice.newest("id, status, type, number", count="$1::bigint + 1")
        with translated(StoreUnavailable):
            rows = await self._database.read(lambda connection: connection.fetch(sql, count_max, *choice.values))
        jobs = [Selected(job_id, JobStatus(status), job_type) for job_id, status, job_type, _ in rows[:count_max]]
        return SelectedPage(jobs, rows[count_max - 1][-1] if len(rows) > count_max else None)

    async def count(self, selection: Selection) -> list[SelectedCount]:
        choice = Choice.by_selection(selection, before=None, first=1)
        sql = SQL["select_counts"].replace("{conditions}", choice.conditions)
        with translated(StoreUnavailable):
            rows = await self._database.read(lambda connection: connection.fetch(sql, *choice.values))
        return [SelectedCount(JobStatus(status), job_type, count) for status, job_type, count in rows]

    async def page(self, selection: Selection, *, before: int | None, count_max: int) -> JobPage:
        assert 1 <= count_max <= limits.PAGE_ITEMS_MAX, f"a page of {count_max}"
        choice = Choice.by_selection(selection, before=before, first=FIRST_OF_PAGE)
        with translated(StoreUnavailable):
            return await self._database.read(lambda connection: read_page(connection, choice, count_max))

    async def jobs(self, job_ids: Sequence[str]) -> SelectedJobs:
        assert 1 <= len(job_ids) <= limits.BULK_PIECE_JOBS, f"{len(job_ids)} jobs in one piece"
        asked = list(job_ids)
        with translated(StoreUnavailable):
            rows, has_more = await self._database.read(
                lambda connection: take(connection, _JOBS, asked, count_max=len(asked))
            )
        jobs, unreadable = readable_jobs(rows)
        return SelectedJobs(jobs, unreadable, rows[-1][JOB_COLUMN_COUNT] if has_more else len(asked))

    async def retry_of(self, job_id: str) -> str | None:
        with translated(StoreUnavailable):
            return await self._database.read(lambda connection: connection.fetchval(SQL["first_retry"], job_id))
