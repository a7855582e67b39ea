"""The SQLite driver of the history: the events table of the job store itself."""

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Any

from observatory.core import limits
from observatory.core.errors import LogUnavailable
from observatory.core.event import Event
from observatory.engine.sqlite_events import EVENT_COLUMNS, event_values, read_events
from observatory.engine.sqlite_file import SqliteFile, translated
from observatory.event_log.port import EventFilter, Events


class SqliteEventLog:
    """Implements `EventLog`."""

    is_shared_with_truth = True

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def append(self, events: Sequence[Event]) -> int:
        assert len(events) <= limits.RELAY_BATCH_MAX, f"{len(events)} events in one append"
        rows = [(event.position, *event_values(event)) for event in events]
        sql = (
            f"INSERT INTO events ({EVENT_COLUMNS}) VALUES ({', '.join('?' * 11)}) "  # noqa: S608 — our text
            "ON CONFLICT (job_id, sequence) DO NOTHING"
        )

        def unit(connection: Connection) -> int:
            return max(connection.executemany(sql, rows).rowcount, 0) if rows else 0

        with translated(LogUnavailable):
            return await self._file.write(unit)

    async def after(self, position: int, *, count_max: int, filter: EventFilter | None = None) -> Events:
        return await self._events("position > ?", [position], filter, "position", count_max)

    async def of_job(self, job_id: str, *, after_sequence: int = 0, count_max: int) -> Events:
        return await self._events("job_id = ? AND sequence > ?", [job_id, after_sequence], None, "sequence", count_max)

    async def before(self, position: int | None, *, count_max: int, filter: EventFilter | None = None) -> Events:
        condition, values = ("1 = 1", []) if position is None else ("position < ?", [position])
        return await self._events(condition, values, filter, "position DESC", count_max)

    async def head(self) -> int:
        sql = "SELECT coalesce(max(position), 0) FROM events"
        with translated(LogUnavailable):
            return await self._file.read(lambda connection: connection.execute(sql).fetchone()[0])

    async def highest_given(self) -> int:
        sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"
        with translated(LogUnavailable):
            return await self._file.read(lambda connection: connection.execute(sql).fetchone()[0])

    async def generation(self) -> str:
        with translated(LogUnavailable):
            return await self._file.read(lambda c: c.execute("SELECT generation FROM history").fetchone()[0])

    async def _events(
        self, condition: str, values: list[Any], filter: EventFilter | None, order: str, count_max: int
    ) -> Events:
        assert 1 <= count_max <= limits.READ_EVENTS_MAX, f"a read of {count_max} events"
        for name in ("job_id", "event_type"):
            wanted = getattr(filter, name) if filter else None
            if wanted is not None:
                condition += f" AND {name} = ?"
                values = [*values, wanted]
        tail, given = f"WHERE {condition} ORDER BY {order}", tuple(values)
        with translated(LogUnavailable):
            events, has_more = await self._file.read(lambda c: read_events(c, tail, given, count_max=count_max))
        return Events(events, has_more=has_more)
