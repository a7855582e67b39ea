"""The PostgreSQL driver of the history: the events table of the job store itself, and for one job its outbox too."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from observatory.core import limits
from observatory.core.errors import LogUnavailable
from observatory.core.event import Event
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_arrays import columns_of, unnest
from observatory.engine.postgres_database import Connection, PostgresDatabase, translated
from observatory.engine.postgres_events import EVENT_COLUMNS, VALUE_COLUMNS, VALUE_TYPES, event_values, read_events
from observatory.event_log.port import EventFilter, Events

T = TypeVar("T")

SQL = load_queries(Path(__file__).with_suffix(".sql"))

_TYPES = ("bigint", *VALUE_TYPES)
_APPEND = f"""
    WITH added AS (
        INSERT INTO observatory.events ({EVENT_COLUMNS})
        SELECT {EVENT_COLUMNS} FROM {unnest(_TYPES)} AS given ({EVENT_COLUMNS})
        ON CONFLICT (job_id, sequence) DO NOTHING
        RETURNING position
    )
    SELECT count(*), max(position) FROM added
"""  # noqa: S608 — our text

_HISTORY = "observatory.events"
_OF_JOB = f"(SELECT {EVENT_COLUMNS} FROM observatory.events WHERE job_id = $1 OFFSET 0)"  # noqa: S608 — our text
"""
The events of one job, found by its id. Without the fence the server may walk through everybody's positions instead, for
the sake of their order.
"""
_WITH_OUTBOX = f"""(
    SELECT {EVENT_COLUMNS} FROM observatory.events
    UNION ALL SELECT NULL, {VALUE_COLUMNS} FROM observatory.outbox
)"""  # noqa: S608 — our text


class PostgresEventLog:
    """
    Implements `EventLog`.

    A job's history is whole in the instant of the commit that changed the job: events that the relay has not moved yet
    come from the outbox, without a position.
    """

    is_shared_with_truth = True

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def append(self, events: Sequence[Event]) -> int:
        assert len(events) <= limits.RELAY_BATCH_MAX, f"{len(events)} events in one append"
        rows = [(event.position, *event_values(event)) for event in events]
        if not rows:
            return 0

        async def unit(connection: Connection) -> int:
            await connection.fetchval(SQL["hold"])  # nobody gives the same positions meanwhile
            added = await connection.fetchrow(_APPEND, *columns_of(rows, len(_TYPES)))
            assert added is not None, "a count is one row"
            count, last = added
            await connection.execute(SQL["reach"], last or 0)
            return count

        with translated(LogUnavailable):
            return await self._database.write(unit)

    async def after(self, position: int, *, count_max: int, filter: EventFilter | None = None) -> Events:
        return await self._filtered("position > {}", [position], "position", filter, count_max)

    async def before(self, position: int | None, *, count_max: int, filter: EventFilter | None = None) -> Events:
        condition, values = ("true", []) if position is None else ("position < {}", [position])
        return await self._filtered(condition, values, "position DESC", filter, count_max)

    async def of_job(self, job_id: str, *, after_sequence: int = 0, count_max: int) -> Events:
        condition = "job_id = $1 AND sequence > $2"
        return await self._events(condition, "sequence", [job_id, after_sequence], count_max, _WITH_OUTBOX)

    async def head(self) -> int:
        return await self._read(lambda connection: connection.fetchval(SQL["head"]))

    async def highest_given(self) -> int:
        return await self._read(lambda connection: connection.fetchval(SQL["highest_given"]))

    async def generation(self) -> str:
        return await self._read(lambda connection: connection.fetchval(SQL["generation"]))

    async def _filtered(
        self, condition: str, values: list[Any], order: str, filter: EventFilter | None, count_max: int
    ) -> Events:
        """*condition* has `{}` in the place of each of *values*."""
        source, wanted = _HISTORY, filter or EventFilter()
        first: list[Any] = []
        if wanted.job_id is not None:
            source, first = _OF_JOB, [wanted.job_id]
        if wanted.event_type is not None:
            condition, values = f"{condition} AND event_type = {{}}", [*values, wanted.event_type]
        marks = [f"${number}" for number in range(len(first) + 1, len(first) + len(values) + 1)]
        return await self._events(condition.format(*marks), order, [*first, *values], count_max, source)

    async def _events(self, condition: str, order: str, values: list[Any], count_max: int, source: str) -> Events:
        assert 1 <= count_max <= limits.READ_EVENTS_MAX, f"a read of {count_max} events"
        read = partial(read_events, condition=condition, order=order, values=values, count_max=count_max, source=source)
        events, has_more = await self._read(read)
        return Events(events, has_more=has_more)

    async def _read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        with translated(LogUnavailable):
            return await self._database.read(query)
