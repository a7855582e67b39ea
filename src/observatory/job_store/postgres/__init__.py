"""The PostgreSQL driver of the truth, over one `PostgresDatabase`: a module for each port."""

from pathlib import Path

from observatory.job_store.postgres.accepting import accept
from observatory.job_store.postgres.attempt_logs import PostgresAttemptLogs
from observatory.job_store.postgres.outbox import PostgresOutbox
from observatory.job_store.postgres.pruning import PostgresPruning
from observatory.job_store.postgres.queries import PostgresJobQueries
from observatory.job_store.postgres.queues import PostgresQueues
from observatory.job_store.postgres.schedules import PostgresSchedules
from observatory.job_store.postgres.selections import PostgresSelections
from observatory.job_store.postgres.store import PostgresJobStore

MIGRATIONS = Path(__file__).parents[1] / "migrations" / "postgres"

__all__ = [
    "MIGRATIONS",
    "PostgresAttemptLogs",
    "PostgresJobQueries",
    "PostgresJobStore",
    "PostgresOutbox",
    "PostgresPruning",
    "PostgresQueues",
    "PostgresSchedules",
    "PostgresSelections",
    "accept",
]
