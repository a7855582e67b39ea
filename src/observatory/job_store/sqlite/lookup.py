"""Jobs by their ids and by their idempotency keys, inside a unit of work."""

from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from observatory.core.errors import RowUnreadable
from observatory.core.job import Job
from observatory.engine.named_queries import load_queries
from observatory.engine.sqlite_rows import select_in
from observatory.job_store.sqlite.rows import IDEMPOTENCY_KEY, JOB_COLUMN_COUNT, JOB_COLUMNS, job_of_row

SQL = load_queries(Path(__file__).with_suffix(".sql"))
BY_IDS = SQL["jobs_by_ids"].replace("{columns}", JOB_COLUMNS)
BY_KEYS = SQL["jobs_by_keys"].replace("{columns}", JOB_COLUMNS)


def rows_by_id(connection: Connection, ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows of those that exist."""
    return select_in(connection, BY_IDS, ids)


def jobs_by_id(connection: Connection, ids: Sequence[str]) -> dict[str, Job | RowUnreadable]:
    """Those that exist. One whose row is damaged is an error in its place."""
    return {row[0]: _job_or_error(row) for row in rows_by_id(connection, ids)}


def jobs_by_key(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[Job | RowUnreadable, str]]:
    """As `jobs_by_id`, each with the fingerprint of its submit."""
    rows = select_in(connection, BY_KEYS, keys)
    return {row[IDEMPOTENCY_KEY]: (_job_or_error(row), row[JOB_COLUMN_COUNT]) for row in rows}


def _job_or_error(row: tuple[Any, ...]) -> Job | RowUnreadable:
    try:
        return job_of_row(row)
    except RowUnreadable as error:
        return error
