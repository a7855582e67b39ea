"""
How many bytes does a job cost in PostgreSQL, on disk and in the write-ahead log?

    python -m benchmarks.postgres_size     (JOBS=20000 for each row)

A private server that syncs every commit, with its settings as they come. Each job goes the whole way, through the
drivers: accepted, claimed, completed, its four events moved into the history. Sizes are of the tables with their
indexes, afterwards; the outbox, whose room is used again, is not added. The log is counted from the first submit to the
last move, with a checkpoint before. Several jobs in one transaction is how a busy system works, one in each is how an
idle one does.
"""

import asyncio
import os
import sys
from typing import Any

from observatory.core.command import Succeed
from observatory.engine.migrations import load_migrations
from observatory.engine.postgres_database import PostgresDatabase
from observatory.engine.postgres_migrations import migrate
from observatory.engine.postgres_notices import PostgresNotices
from observatory.job_store.port import Order
from observatory.job_store.postgres import MIGRATIONS, PostgresJobStore, PostgresOutbox
from observatory.runtime.sources import SystemIds
from observatory.testing.factories import PRODUCER, new_job
from tests.servers.postgres import PrivatePostgres

JOBS = int(os.environ.get("JOBS", "20000"))
SIZES = """
SELECT relname, pg_total_relation_size(oid), pg_indexes_size(oid)
FROM pg_class WHERE relnamespace = 'observatory'::regnamespace AND relkind = 'r'
"""
ROWS = (
    ("a payload of 16 bytes", 0, 50, JOBS),
    ("a payload of 16 bytes", 0, 1, JOBS // 10),
    ("a payload of 1,000 bytes", 984, 50, JOBS),
)
"""What a row of the answer is about, the bytes added to the payload, the jobs in one transaction, and in all."""


def main() -> int:
    with PrivatePostgres(is_durable=True, settings={"autovacuum": "on"}) as server:
        for number, (about, more, at_once, jobs) in enumerate(ROWS):
            url = server.create_database(f"size_{number}")
            payload = {"path": "a.jpg"} | ({"more": "x" * more} if more else {})
            sizes, logged = asyncio.run(_measured(url, payload, at_once, jobs))
            disk = sum(total for name, (total, _) in sizes.items() if name != "outbox")
            print(f"  {about}, {at_once} in a transaction: {disk:,.0f} B on disk, {logged:,.0f} B of log for each job")
            for name, (total, of_indexes) in sorted(sizes.items(), key=lambda size: -size[1][0])[:3]:
                print(f"    {name:8} {total:7,.0f} B, {of_indexes:5,.0f} of them indexes", flush=True)
    return 0


async def _measured(
    url: str, payload: dict[str, Any], at_once: int, jobs: int
) -> tuple[dict[str, tuple[float, float]], float]:
    """Bytes for each job: by table, all and those of its indexes; and of log."""
    database = PostgresDatabase(url, service="benchmark")
    await migrate(database, load_migrations(MIGRATIONS))
    connection = await database.connect()
    await connection.execute("CHECKPOINT", timeout=60)
    before = await connection.fetchval("SELECT pg_current_wal_insert_lsn()")
    await _work(database, payload, at_once, jobs)
    logged = await connection.fetchval("SELECT pg_current_wal_insert_lsn() - $1::pg_lsn", before)
    sizes = {name: (total / jobs, indexes / jobs) for name, total, indexes in await connection.fetch(SIZES)}
    connection.terminate()
    await database.close()
    return sizes, float(logged) / jobs


async def _work(database: PostgresDatabase, payload: dict[str, Any], at_once: int, jobs: int) -> None:
    notices, ids = PostgresNotices(database), SystemIds()
    store = PostgresJobStore(database, notices, producer=PRODUCER, ids=ids)
    outbox = PostgresOutbox(database, notices)
    for _ in range(jobs // at_once):
        await store.submit([new_job(ids, payload=payload) for _ in range(at_once)])
        claimed = await store.claim(types=["example"], worker="w", count_max=at_once, lease_s=60)
        answers = await store.apply([Order(job.id, Succeed(fence=job.fence, run_s=0.1)) for job in claimed])
        assert not [answer for answer in answers if isinstance(answer, Exception)]
        while events := await outbox.unpublished(count_max=500):
            assert events[-1].position is not None
            await outbox.confirm(events[-1].position)
    outbox.close()
    await notices.close()


if __name__ == "__main__":
    sys.exit(main())
