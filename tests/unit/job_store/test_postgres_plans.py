"""PostgreSQL reads about as many rows as it shows or claims, whether or not it has statistics."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from observatory.core.command import Cancel
from observatory.core.event import Producer
from observatory.core.job import JobStatus
from observatory.engine.postgres_database import Connection, PostgresDatabase
from observatory.engine.postgres_notices import PostgresNotices
from observatory.job_store.port import JobFilter, Order
from observatory.job_store.postgres import PostgresJobQueries, PostgresJobStore, PostgresSelections
from observatory.job_store.selections import Selection
from observatory.testing.manual_sources import SeededIds
from tests.conformance.postgres import CLOCK_OF_THE_SERVER, template_of
from tests.servers.postgres import PrivatePostgres

S = JobStatus
PAGE = 20
LANES = 15
"""Types times queues: of each as many jobs are looked at as are wanted."""
FILL = """
INSERT INTO observatory.jobs (
    id, type, status, queue, priority, run_at, max_attempts, timeout_seconds, created_at, updated_at, event_id,
    correlation_id, fingerprint, payload, worker, lease_expires_at, finished_at, retry_of
)
SELECT lpad(n::text, 36, '0'), 't' || n % 3, status, 'q' || n % 5, 5, now(), 3, 60, now(), now(), 'e' || n,
    'c' || n / 100, 'f', '{}', CASE WHEN status IN ('VALIDATED', 'EXECUTING') THEN 'w' END,
    CASE WHEN status IN ('VALIDATED', 'EXECUTING') THEN now() END,
    CASE WHEN status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN now() END,
    CASE WHEN n % 50 = 0 THEN lpad((n - 1)::text, 36, '0') END
FROM generate_series(1, 8000) AS n, LATERAL (
    SELECT (ARRAY['COMPLETED', 'PENDING', 'FAILED', 'EXECUTING', 'CANCELLED', 'RETRYING', 'SCHEDULED', 'VALIDATED'])
        [1 + n / 1000] AS status
) AS given WHERE n < 8000
"""

PAGES = {
    "all": JobFilter(),
    **{str(status): JobFilter(status=status) for status in S if status is not S.COMPLETED},
    "type": JobFilter(type="t1"),
    "correlation": JobFilter(correlation_id="c25"),
    "queue and status": JobFilter(queue="q1", status=S.PENDING),
}
SELECTIONS = {
    "open": Selection(statuses=(S.SCHEDULED, S.PENDING, S.VALIDATED, S.EXECUTING, S.RETRYING)),
    "dead": Selection(statuses=(S.FAILED,), is_unretried=True),
}


class RecordedConnection:
    """Notes what is asked of it."""

    def __init__(self, connection: Connection, asked: list[tuple[Any, ...]]) -> None:
        self._connection = connection
        self._asked = asked

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        self._asked.append((query, *values))
        return await self._connection.fetch(query, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class RecordedDatabase(PostgresDatabase):
    """The database as it is, which also tells how many rows each statement read."""

    def __init__(self, url: str) -> None:
        super().__init__(url, service="test")
        self.asked: list[tuple[Any, ...]] = []

    def wrapped(self, connection: Connection) -> Any:
        return RecordedConnection(connection, self.asked)

    async def rows_read(self) -> int:
        """By the last statement."""
        query, *values = self.asked[-1]
        async with self.own() as connection:
            text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *values)
        return sum(_read_by(node) for node in _nodes(msgspec.json.decode(text)[0]["Plan"]))

    async def rows_read_unplanned(self) -> list[int]:
        """By each statement so far, with the plan that does not know its values."""
        async with self.own() as connection:
            await connection.execute("SET plan_cache_mode = force_generic_plan")
            return [await self._read_by_plan_of(connection, query, values) for query, *values in self.asked]

    async def _read_by_plan_of(self, connection: Any, query: str, values: Sequence[Any]) -> int:
        await connection.execute(f"PREPARE asked AS {query}")
        given = ", ".join([await connection.fetchval("SELECT quote_literal($1::text)", _text(one)) for one in values])
        text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked({given})")
        await connection.execute("DEALLOCATE asked")
        return sum(_read_by(node) for node in _nodes(msgspec.json.decode(text)[0]["Plan"]))

    @asynccontextmanager
    async def own(self) -> AsyncIterator[Any]:
        connection = await self.connect()
        yield connection
        await connection.close()


def _text(value: Any) -> str:
    """As PostgreSQL reads a number, or an array of simple values."""
    return "{" + ",".join(map(str, value)) + "}" if isinstance(value, list) else str(value)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _read_by(node: dict[str, Any]) -> int:
    if "Scan" not in node["Node Type"] or "Relation Name" not in node:
        return 0
    return node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))


@pytest_asyncio.fixture(params=[False, True], ids=["no statistics", "analyzed"])
async def database(
    request: pytest.FixtureRequest, postgres_server: PrivatePostgres, tmp_path: Path
) -> AsyncIterator[RecordedDatabase]:
    name = f"plans_{tmp_path.name}"[:60]
    database = RecordedDatabase(
        postgres_server.create_database(name, template=template_of(postgres_server, is_elsewhere=False))
    )
    async with database.own() as connection:
        await connection.execute(CLOCK_OF_THE_SERVER)
        await connection.execute(FILL)
        if request.param:
            await connection.execute("ANALYZE observatory.jobs")
    yield database
    await database.close()
    postgres_server.drop_database(name)


@pytest.mark.parametrize("before", [None, 6_500])
async def test_a_page_of_jobs_reads_few_more_rows_than_it_shows(database: RecordedDatabase, before: int | None) -> None:
    queries = PostgresJobQueries(database)
    read = {}
    for name, wanted in PAGES.items():
        await queries.jobs(wanted, before=before, count_max=PAGE)
        read[name] = await database.rows_read()

    assert {name: rows for name, rows in read.items() if rows > 12 * PAGE} == {}


async def test_a_page_of_a_selection_reads_few_more_rows_than_it_shows(database: RecordedDatabase) -> None:
    selections = PostgresSelections(database)
    read = {}
    for name, selection in SELECTIONS.items():
        await selections.select(selection, before=None, count_max=PAGE)
        read[name] = await database.rows_read()

    assert {name: rows for name, rows in read.items() if rows > 12 * PAGE} == {}


async def test_a_claim_and_a_settle_read_few_more_rows_than_they_take(database: RecordedDatabase) -> None:
    notices = PostgresNotices(database)
    producer = Producer(service="processor", instance_id="i", version="0")
    store = PostgresJobStore(database, notices, producer=producer, ids=SeededIds())
    for count in (1, PAGE):
        jobs = await store.claim(types=["t0", "t1", "t2"], worker="w", count_max=count, lease_s=30)
        assert len(jobs) == count
    await store.apply([Order(job.id, Cancel()) for job in jobs])
    assert await store.make_due(count_max=PAGE) == PAGE
    database.asked = [asked for asked in database.asked if not asked[0].startswith("WITH staged")]
    notices.abandon()

    read = await database.rows_read_unplanned()

    assert len(read) == 6  # lanes and next jobs of two claims, the jobs of a settle, those that are due
    assert max(read) <= (LANES + 1) * PAGE, read
