"""Jobs by their ids and by their idempotency keys, inside a unit of work."""

from collections.abc import Sequence
from pathlib import Path

from observatory.core.errors import RowUnreadable
from observatory.core.job import Job
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_database import Row, Statements
from observatory.job_store.postgres.rows import IDEMPOTENCY_KEY, JOB_COLUMN_COUNT, JOB_COLUMNS, job_of_row

SQL = load_queries(Path(__file__).with_suffix(".sql"))
BY_IDS = SQL["jobs_by_ids"].replace("{columns}", JOB_COLUMNS)
BY_KEYS = SQL["jobs_by_keys"].replace("{columns}", JOB_COLUMNS)


async def jobs_by_id(connection: Statements, ids: Sequence[str]) -> dict[str, Job | RowUnreadable]:
    """Those that exist. One whose row is damaged is an error in its place."""
    rows = await connection.fetch(BY_IDS, ids) if ids else []
    return {row[0]: job_or_error(row) for row in rows}


async def jobs_by_key(connection: Statements, keys: Sequence[str]) -> dict[str, tuple[Job | RowUnreadable, str]]:
    """As `jobs_by_id`, each with the fingerprint of its submit."""
    rows = await connection.fetch(BY_KEYS, keys) if keys else []
    return {row[IDEMPOTENCY_KEY]: (job_or_error(row), row[JOB_COLUMN_COUNT]) for row in rows}


def job_or_error(row: Row) -> Job | RowUnreadable:
    """The job of a row that begins with `JOB_COLUMNS`, or what is wrong with it."""
    try:
        return job_of_row(row)
    except RowUnreadable as error:
        return error
