"""The PostgreSQL driver of the truth, over one `PostgresDatabase`: a module for each port."""

from pathlib import Path

from observatory.job_store.postgres.outbox import PostgresOutbox
from observatory.job_store.postgres.store import PostgresJobStore

MIGRATIONS = Path(__file__).parents[1] / "migrations" / "postgres"

__all__ = ["MIGRATIONS", "PostgresJobStore", "PostgresOutbox"]
