"""What the history in PostgreSQL adds: the outbox beside it, and whole tables that nobody may read."""

import pytest

from observatory.core import limits
from observatory.core.event import EventType
from observatory.engine.postgres_arrays import columns_of, unnest
from observatory.engine.postgres_events import VALUE_COLUMNS, VALUE_TYPES, event_values
from observatory.event_log.port import EventFilter
from observatory.testing.factories import JobFactory
from tests.conformance.postgres import PostgresEngine

STAGE = f"""
    INSERT INTO observatory.outbox ({VALUE_COLUMNS})
    SELECT {VALUE_COLUMNS} FROM {unnest(VALUE_TYPES)} AS staged ({VALUE_COLUMNS})
"""


@pytest.fixture
async def log(postgres_server, tmp_path):
    engine = PostgresEngine(name="postgres", server=postgres_server)
    opened = engine.open_log(tmp_path)
    yield opened.log
    opened.end()
    engine.drop(tmp_path)


@pytest.fixture
def events():
    factory = JobFactory()
    for _ in range(4):
        factory.completed()
    return factory.events


async def stage(log, events):
    rows = [event_values(event) for event in events]
    await log._database.write(lambda connection: connection.execute(STAGE, *columns_of(rows, len(VALUE_TYPES))))


async def test_a_jobs_history_is_whole_before_the_relay_has_moved_it(log, events):
    own = [event for event in events if event.job_id == events[0].job_id]
    await log.append(own[:2])
    await stage(log, [*own[2:], *(event for event in events if event.job_id != own[0].job_id)])

    found = await log.of_job(own[0].job_id, count_max=100)
    some = await log.of_job(own[0].job_id, after_sequence=1, count_max=2)

    assert [(event.sequence, event.position) for event in found] == [
        (1, own[0].position),
        (2, own[1].position),
        *((event.sequence, None) for event in own[2:]),
    ]
    assert [event.event_id for event in found] == [event.event_id for event in own]
    assert ([event.sequence for event in some], some.has_more) == ([2, 3], len(own) > 3)


async def test_only_what_has_a_position_is_read_by_position(log, events):
    await log.append(events[:3])
    await stage(log, events[3:])
    of_job = EventFilter(job_id=events[3].job_id)

    assert await log.after(0, count_max=100) == events[:3]
    assert await log.before(None, count_max=100) == events[2::-1]
    assert {e.position for e in await log.after(0, count_max=9, filter=of_job)} <= {1, 2, 3}
    assert await log.head() == await log.highest_given() == 3


async def test_the_highest_position_that_was_given_outlives_its_event(log, events):
    await log.append(events)
    await log.append(events[:2])
    await log._database.write(
        lambda connection: connection.execute("DELETE FROM observatory.events WHERE position > 3")
    )

    assert (await log.head(), await log.highest_given()) == (3, len(events))
    await log.append(events[3:4])
    assert (await log.head(), await log.highest_given()) == (4, len(events))


READS = {
    "after": lambda log, job_id: log.after(5, count_max=10),
    "after, of a type": lambda log, job_id: log.after(5, count_max=10, filter=EventFilter(event_type="job.created")),
    "after, of a job": lambda log, job_id: log.after(5, count_max=10, filter=EventFilter(job_id=job_id)),
    "before": lambda log, job_id: log.before(500, count_max=10),
    "newest": lambda log, job_id: log.before(None, count_max=10),
    "newest, of a job": lambda log, job_id: log.before(
        None, count_max=10, filter=EventFilter(job_id=job_id, event_type=EventType.CREATED)
    ),
    "of a job": lambda log, job_id: log.of_job(job_id, count_max=10),
    "head": lambda log, job_id: log.head(),
}


class Explaining:
    """A connection that keeps the plan of what it is asked, as the server makes it for whatever values come."""

    def __init__(self, connection, plans):
        self._connection = connection
        self._plans = plans

    def __getattr__(self, name):
        async def method(query, *values):
            await self._connection._connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            rows = await self._connection.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {query}", *values)
            self._plans.append("\n".join(row[0] for row in rows))
            return await getattr(self._connection, name)(query, *values)

        return method


@pytest.mark.parametrize("name", READS)
async def test_every_read_finds_its_rows_by_an_index(log, events, name, monkeypatch):
    factory = JobFactory()
    for _ in range(limits.RELAY_BATCH_MAX // 4):
        factory.completed()
    await log.append(factory.events[: limits.RELAY_BATCH_MAX])
    await stage(log, [event for event in events if event.job_id == events[-1].job_id])
    plans, read = [], log._database.read
    monkeypatch.setattr(log._database, "read", lambda query: read(lambda one: query(Explaining(one, plans))))

    await READS[name](log, factory.events[40].job_id)

    assert plans, "nothing was asked"
    assert "Seq Scan" not in plans[0]
    by = "events_pkey" if "of a job" in name else "events_by_position"
    assert by in plans[0], plans[0]
    if "of a job" in name:
        assert "events_by_position" not in plans[0]
