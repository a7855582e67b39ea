"""PostgreSQL reads about as many rows as it shows or claims, whether or not it has statistics."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import pytest_asyncio

from observatory.core.command import Cancel
from observatory.core.event import Producer
from observatory.core.folds import STATS_VIEW
from observatory.core.job import JobStatus
from observatory.core.retention import Kept, RetentionPolicy
from observatory.engine.postgres_database import PostgresDatabase
from observatory.engine.postgres_notices import PostgresNotices
from observatory.engine.producers import text_of_producer
from observatory.job_store.port import JobFilter, Order
from observatory.job_store.postgres import (
    PostgresJobQueries,
    PostgresJobStore,
    PostgresOutbox,
    PostgresPruning,
    PostgresQueues,
    PostgresSelections,
)
from observatory.job_store.postgres.outbox import MOVE
from observatory.job_store.postgres.store import CHANGE
from observatory.job_store.pruning import Folded
from observatory.job_store.selections import Selection
from observatory.testing.factories import new_job
from observatory.testing.manual_sources import ManualClock, SeededIds
from tests.conformance.postgres import CLOCK_OF_THE_SERVER, template_of
from tests.servers.postgres import PrivatePostgres

S = JobStatus
PAGE = 20
PRODUCER = Producer(service="processor", instance_id="i", version="0")
HOUR = RetentionPolicy(kept=Kept(completed_s=3_600, failed_s=3_600, cancelled_s=3_600))
LANES = 15
"""Types times queues: of each as many jobs are looked at as are wanted."""
JOBS = 7_999
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

HISTORY = """
WITH moved AS (
    INSERT INTO observatory.events (
        position, job_id, sequence, event_type, event_id, occurred_at, producer, correlation_id, payload
    ) SELECT number, id, 1, 'job.created', event_id, created_at, $1, correlation_id, '{}' FROM observatory.jobs
), kept AS (
    INSERT INTO observatory.attempt_logs SELECT id, 1, 1, true, created_at, 0, 0, '[]' FROM observatory.jobs
), published AS (
    UPDATE observatory.published SET confirmed_position = (SELECT count(*) FROM observatory.jobs) / 2
)
UPDATE observatory.relay SET last_position = (SELECT count(*) FROM observatory.jobs)
"""
"""An event and a log of each job; half of the events were published."""
STAGED = """
INSERT INTO observatory.outbox (
    job_id, sequence, event_type, event_id, occurred_at, producer, correlation_id, payload
) SELECT job_id, 2, event_type, event_id || '-2', occurred_at, producer, correlation_id, payload FROM observatory.events
"""
OLD = "UPDATE observatory.jobs SET finished_at = now() - interval '3 days' WHERE id = ANY ($1::text[])"

PAGES = {
    "all": JobFilter(),
    **{str(status): JobFilter(status=status) for status in S if status is not S.COMPLETED},
    "type": JobFilter(type="t1"),
    "correlation": JobFilter(correlation_id="c25"),
    "queue and status": JobFilter(queue="q1", status=S.PENDING),
}
"""Not those of COMPLETED jobs and of a queue alone: they have no index, and read back from the newest job."""
SELECTIONS = {
    "open": Selection(statuses=(S.SCHEDULED, S.PENDING, S.VALIDATED, S.EXECUTING, S.RETRYING)),
    "dead": Selection(statuses=(S.FAILED,), is_unretried=True),
}


EXPLAINED = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}
"""The server tells of each statement how it was carried out: the very one, in its place, also of one that writes."""


class Told(NamedTuple):
    """What the server told of one statement that was planned: of BEGIN, SET and LOCK it says nothing."""

    sql: str
    rows_read: int


class ExplainedDatabase(PostgresDatabase):
    """The database as it is, which also tells how many rows each statement read."""

    def __init__(self, url: str, *, has_statistics: bool, plans: str) -> None:
        super().__init__(url, service="test")
        self.has_statistics = has_statistics
        self._plans = plans
        self._told: list[Told] = []

    def told(self) -> list[Told]:
        """Of each statement since the last call."""
        told, self._told = self._told, []
        return told

    async def rows_read(self, asked: Awaitable[object]) -> int:
        """By all statements of *asked* together."""
        self.told()
        await asked
        told = self.told()
        assert told, "the server tells nothing"
        return sum(one.rows_read for one in told)

    def _session_settings(self) -> dict[str, str]:
        return super()._session_settings() | EXPLAINED | {"plan_cache_mode": self._plans}

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any]:
        async with super()._connection() as connection:
            proxy: Any = connection
            proxy.add_log_listener(self._hear)
            yield connection
            proxy.remove_log_listener(self._hear)

    def _hear(self, _: object, message: Any) -> None:
        _, is_plan, plan = message.message.partition("plan:\n")
        said = msgspec.json.decode(plan) if is_plan else {"Query Text": ""}
        if "observatory." in said["Query Text"]:  # the library asks for the types of a database, once a connection
            self._told.append(Told(said["Query Text"], sum(map(_read_by, _nodes(said["Plan"])))))

    async def fill(self, sql: str, *values: object) -> None:
        """Run *sql*, of which nothing is told."""
        connection = await self.connect()
        await connection.execute(sql, *values)
        if self.has_statistics:
            await connection.execute("ANALYZE")
        await connection.close()


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _read_by(node: dict[str, Any]) -> int:
    if "Scan" not in node["Node Type"] or "Relation Name" not in node:
        return 0
    return node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))


@pytest_asyncio.fixture(
    params=[(False, "auto"), (True, "auto"), (True, "force_generic_plan")],
    ids=["no statistics", "analyzed", "whatever the values"],
)
async def database(
    request: pytest.FixtureRequest, postgres_server: PrivatePostgres, tmp_path: Path
) -> AsyncIterator[ExplainedDatabase]:
    name = f"plans_{tmp_path.name}"[:60]
    url = postgres_server.create_database(name, template=template_of(postgres_server, is_elsewhere=False))
    has_statistics, plans = request.param
    database = ExplainedDatabase(url, has_statistics=has_statistics, plans=plans)
    await database.fill(CLOCK_OF_THE_SERVER)
    await database.fill(FILL)
    yield database
    await database.close()
    postgres_server.drop_database(name)


@pytest_asyncio.fixture
async def notices(database: ExplainedDatabase) -> AsyncIterator[PostgresNotices]:
    notices = PostgresNotices(database)
    yield notices
    notices.abandon()


@pytest.fixture
def store(database: ExplainedDatabase, notices: PostgresNotices) -> PostgresJobStore:
    return PostgresJobStore(database, notices, producer=PRODUCER, ids=SeededIds())


@pytest.mark.parametrize("before", [None, 6_500])
async def test_a_page_of_jobs_reads_few_more_rows_than_it_shows(
    database: ExplainedDatabase, before: int | None
) -> None:
    queries = PostgresJobQueries(database)

    read = {
        name: await database.rows_read(queries.jobs(wanted, before=before, count_max=PAGE))
        for name, wanted in PAGES.items()
    }

    assert {name: rows for name, rows in read.items() if rows > 12 * PAGE} == {}


async def test_a_page_of_a_queue_alone_reads_back_from_the_newest_job(database: ExplainedDatabase) -> None:
    await database.fill("UPDATE observatory.jobs SET queue = 'rare' WHERE number <= $1", PAGE)
    queries = PostgresJobQueries(database)

    read = [
        await database.rows_read(queries.jobs(JobFilter(queue=queue), before=None, count_max=PAGE))
        for queue in ("q1", "rare")
    ]

    assert read[0] <= 12 * PAGE
    assert read[1] >= JOBS, "there is an index: docs/operations.md says there is none"


async def test_a_page_of_a_selection_reads_few_more_rows_than_it_shows(database: ExplainedDatabase) -> None:
    selections = PostgresSelections(database)

    read = {
        name: await database.rows_read(selections.select(selection, before=None, count_max=PAGE))
        for name, selection in SELECTIONS.items()
    }

    assert {name: rows for name, rows in read.items() if rows > 12 * PAGE} == {}


async def test_a_claim_a_settle_and_a_sweep_read_few_more_rows_than_they_take(
    database: ExplainedDatabase, store: PostgresJobStore
) -> None:
    for count in (1, PAGE):
        jobs = await store.claim(types=["t0", "t1", "t2"], worker="w", count_max=count, lease_s=30)
        assert len(jobs) == count
    await PostgresQueues(database).set_concurrency("q1", JOBS)
    assert len(await store.claim(types=["t0", "t1", "t2"], worker="w", count_max=PAGE, lease_s=30)) == PAGE
    await store.apply([Order(job.id, Cancel()) for job in jobs])
    assert await store.make_due(count_max=PAGE) == PAGE

    told = database.told()

    changes = [rows for sql, rows in told if sql == CHANGE]
    assert len(changes) == 5  # three claims, a settle, a sweep
    assert max(changes) <= PAGE
    counting = [(sql, rows) for sql, rows in told if "status IN ('VALIDATED', 'EXECUTING')" in sql]
    assert too_many([one for one in told if one not in counting], (LANES + 2) * PAGE) == {}
    assert too_many(counting, JOBS // 4 + 3 * PAGE) == {}  # a limit is counted among all jobs that are leased


async def test_moving_events_reads_few_more_rows_than_it_moves(
    database: ExplainedDatabase, notices: PostgresNotices
) -> None:
    await database.fill(HISTORY, text_of_producer(PRODUCER))
    await database.fill(STAGED)
    outbox = PostgresOutbox(database, notices)

    assert await outbox.move(count_max=PAGE) == PAGE
    assert len(await outbox.unpublished(count_max=PAGE)) == PAGE
    await outbox.waiting_since()
    await outbox.confirm(JOBS // 2 + PAGE)

    told = database.told()
    assert len([sql for sql, _ in told if sql == MOVE]) == 2
    assert too_many(told, 3 * PAGE) == {}


async def test_pruning_reads_few_more_rows_than_it_removes(
    database: ExplainedDatabase, notices: PostgresNotices, store: PostgresJobStore
) -> None:
    await database.fill(HISTORY, text_of_producer(PRODUCER))
    jobs = [new_job(SeededIds(), id=f"old {number}", event_id=f"e {number}", type="t0") for number in range(PAGE)]
    await store.submit(jobs)
    await store.apply([Order(job.id, Cancel()) for job in jobs])
    assert await PostgresOutbox(database, notices).move(count_max=10 * PAGE) == 2 * PAGE
    await database.fill(OLD, [job.id for job in jobs])
    until = JOBS + 2 * PAGE + 1
    await database.fill("INSERT INTO observatory.views VALUES ($1, 'g', $2, '{}')", STATS_VIEW, until)
    pruning = PostgresPruning(database, clock=ManualClock())
    database.told()

    found = await pruning.expired(HOUR, until=until, count_max=PAGE, events_max=10 * PAGE)
    pruned = await pruning.prune(found.jobs, Folded(view=STATS_VIEW, generation="g", until=until, own_types=()))

    told = database.told()
    assert (pruned.jobs, pruned.events) == (PAGE, 2 * PAGE)
    assert sum(sql.startswith("DELETE") for sql, _ in told) == 3
    assert too_many(told, 3 * PAGE) == {}


def too_many(told: Sequence[Told], most: int) -> dict[str, int]:
    """The statements that read more rows than that."""
    return {sql: rows for sql, rows in told if rows > most}
