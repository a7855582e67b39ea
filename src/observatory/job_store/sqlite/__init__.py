"""The SQLite driver of the truth, over one `SqliteFile`: a module for each port."""

from pathlib import Path

from observatory.job_store.sqlite.attempt_logs import SqliteAttemptLogs
from observatory.job_store.sqlite.outbox import SqliteOutbox
from observatory.job_store.sqlite.pruning import SqlitePruning
from observatory.job_store.sqlite.queries import SqliteJobQueries
from observatory.job_store.sqlite.queues import SqliteQueues
from observatory.job_store.sqlite.schedules import SqliteSchedules
from observatory.job_store.sqlite.selections import SqliteSelections
from observatory.job_store.sqlite.store import SqliteJobStore

MIGRATIONS = Path(__file__).parents[1] / "migrations" / "sqlite"

__all__ = [
    "MIGRATIONS",
    "SqliteAttemptLogs",
    "SqliteJobQueries",
    "SqliteJobStore",
    "SqliteOutbox",
    "SqlitePruning",
    "SqliteQueues",
    "SqliteSchedules",
    "SqliteSelections",
]
