"""`Schedules` over one `SqliteFile`."""

from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.errors import ScheduleUnreadable, StoreUnavailable
from observatory.core.job import NewJob
from observatory.core.schedule import Fate, FateCounts, Reason, Schedule, ScheduleDefinition, Tick
from observatory.core.sources import Clock
from observatory.engine.bounded_reads import take
from observatory.engine.instants import from_us, from_us_or_none, to_us, to_us_or_none
from observatory.engine.named_queries import load_queries
from observatory.engine.sqlite_file import SqliteFile, translated
from observatory.engine.sqlite_text import DamagedRow
from observatory.job_store.kept_ticks import check_count, is_time_to_look, surplus
from observatory.job_store.schedules import DueSchedules, SchedulePage, TickPage
from observatory.job_store.sqlite.store import SqliteJobStore

SQL = load_queries(Path(__file__).with_suffix(".sql"))

_TICK_COLUMNS = "t.tick_at, t.last_tick_at, t.count, t.fate, t.reason, t.job_id, t.recorded_at, t.generation"
_COLUMNS = (
    "s.name, s.version, s.generation, s.created_at, s.updated_at, s.covered_until, s.next_tick_at, s.paused_at, "
    f"s.paused_by, s.skip_until, s.fired, s.late, s.skipped, s.missed, {_TICK_COLUMNS}, s.definition, s.number"
)
_OF_TICK = slice(14, 22)
_DEFINITION = 22
_TEXTS = slice(_DEFINITION, _DEFINITION + 1)
_FAULTS = (msgspec.MsgspecError, ValueError, LookupError, TypeError, OverflowError)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ScheduleDefinition).decode


class SqliteSchedules:
    """
    Implements `Schedules`.

    Args:
        store: Accepts the jobs of ticks; over the same file.
        clock: The store's clock.
    """

    def __init__(self, file: SqliteFile, *, store: SqliteJobStore, clock: Clock) -> None:
        self._file = file
        self._store = store
        self._clock = clock

    async def schedule(self, name: str) -> Schedule | None:
        sql = SQL["by_name"].replace("{columns}", _COLUMNS)
        with translated(StoreUnavailable):
            row = await self._file.read(lambda connection: connection.execute(sql, (name,)).fetchone())
        return None if row is None else _schedule_of(row)

    async def schedules(self, *, after: int | None, count_max: int) -> SchedulePage:
        assert 1 <= count_max <= limits.PAGE_ITEMS_MAX, f"a page of {count_max}"
        sql = SQL["page"].replace("{columns}", _COLUMNS)
        given = (after or 0, count_max + 1)
        with translated(StoreUnavailable):
            rows, has_more = await self._file.read(
                lambda connection: take(connection.execute(sql, given), texts=_TEXTS, count_max=count_max)
            )
        schedules: list[Schedule] = []
        unreadable: list[str] = []
        for row in rows:
            try:
                schedules.append(_schedule_of(row))
            except ScheduleUnreadable as error:
                unreadable.append(error.name)
        return SchedulePage(schedules, rows[-1][-1] if has_more else None, unreadable)

    async def names(self) -> list[str]:
        with translated(StoreUnavailable):
            rows = await self._file.read(lambda connection: connection.execute(SQL["names"]).fetchall())
        return [row[0] for row in rows]

    async def due(self) -> DueSchedules:
        at = self._clock.now()

        def query(connection: Connection) -> tuple[list[tuple[Any, ...]], int | None]:
            names = connection.execute(SQL["due"], (to_us(at),)).fetchall()
            return names, connection.execute(SQL["next_due"], (to_us(at),)).fetchone()[0]

        with translated(StoreUnavailable):
            rows, next_us = await self._file.read(query)
        return DueSchedules(at, [row[0] for row in rows], from_us_or_none(next_us))

    async def create(self, schedule: Schedule) -> bool:
        def unit(connection: Connection) -> bool:
            if connection.execute(SQL["insert"], (schedule.name, *_values(schedule))).rowcount != 1:
                return False
            check_count(connection.execute(SQL["count"]).fetchone()[0])
            return True

        with translated(StoreUnavailable):
            return await self._file.write(unit)

    async def save(self, schedule: Schedule, *, ticks: Sequence[Tick] = (), jobs: Sequence[NewJob] = ()) -> bool:
        assert all(job.idempotency_key is None for job in jobs), "a tick is its own key"

        def unit(connection: Connection) -> bool:
            values = (*_values(schedule), schedule.name, schedule.version - 1)
            row = connection.execute(SQL["update"], values).fetchone()
            if row is None:
                return False
            answers = self._store.accept(connection, jobs)
            assert not any(isinstance(answer, Exception) for answer in answers), "these jobs are new"
            _record(connection, row[0], schedule, ticks)
            return True

        with translated(StoreUnavailable):
            return await self._file.write(unit)

    async def delete(self, name: str) -> bool:
        with translated(StoreUnavailable):
            return await self._file.write(lambda connection: connection.execute(SQL["delete"], (name,)).rowcount == 1)

    async def ticks(self, name: str, *, before: int | None, count_max: int) -> TickPage:
        assert 1 <= count_max <= limits.PAGE_ITEMS_MAX, f"a page of {count_max}"
        sql = SQL["ticks"].replace("{columns}", _TICK_COLUMNS)
        given = (name, before if before is not None else limits.CURSOR_PLACE_MAX, count_max + 1)
        with translated(StoreUnavailable):
            rows = await self._file.read(lambda connection: connection.execute(sql, given).fetchall())
        shown = rows[:count_max]
        try:
            ticks = [_tick_of(row[:-1]) for row in shown]
        except _FAULTS as error:
            raise ScheduleUnreadable(name) from error
        return TickPage(ticks, shown[-1][-1] if len(rows) > count_max else None)


def _record(connection: Connection, number: int, schedule: Schedule, ticks: Sequence[Tick]) -> None:
    rows = [(number, *_tick_values(tick)) for tick in ticks]
    if rows and _grow(connection, number, ticks[0]):
        rows = rows[1:]
    connection.executemany(SQL["insert_tick"], rows)
    if is_time_to_look(schedule.counts, len(rows)):
        (count,) = connection.execute(SQL["count_ticks"], (number,)).fetchone()
        connection.execute(SQL["prune_ticks"], (number, surplus(count, len(rows))))


def _grow(connection: Connection, number: int, tick: Tick) -> bool:
    """True when the newest row now stands for *tick* as well."""
    if tick.job_id is not None:
        return False
    reason = None if tick.reason is None else str(tick.reason)
    values = (to_us(tick.until), tick.count, to_us(tick.recorded_at), number, str(tick.fate), reason, tick.generation)
    return connection.execute(SQL["grow_range"], values).rowcount == 1


def _values(schedule: Schedule) -> tuple[Any, ...]:
    counts = schedule.counts
    return (
        schedule.version,
        schedule.generation,
        to_us(schedule.created_at),
        to_us(schedule.updated_at),
        to_us(schedule.covered_until),
        to_us_or_none(schedule.next_tick_at),
        to_us_or_none(schedule.paused_at),
        schedule.paused_by,
        to_us_or_none(schedule.skip_until),
        counts.fired,
        counts.late,
        counts.skipped,
        counts.missed,
        _encode(schedule.definition).decode(),
    )


def _tick_values(tick: Tick) -> tuple[Any, ...]:
    return (
        to_us(tick.tick_at),
        to_us(tick.until),
        tick.count,
        str(tick.fate),
        None if tick.reason is None else str(tick.reason),
        tick.job_id,
        to_us(tick.recorded_at),
        tick.generation,
    )


def _schedule_of(row: tuple[Any, ...]) -> Schedule:
    """
    Raises:
        ScheduleUnreadable: A value is not one that `_values` writes.
    """
    if type(row) is DamagedRow:
        raise ScheduleUnreadable(row[0])
    try:
        return Schedule(
            name=row[0],
            version=row[1],
            generation=row[2],
            created_at=from_us(row[3]),
            updated_at=from_us(row[4]),
            covered_until=from_us(row[5]),
            next_tick_at=from_us_or_none(row[6]),
            paused_at=from_us_or_none(row[7]),
            paused_by=row[8],
            skip_until=from_us_or_none(row[9]),
            counts=FateCounts(fired=row[10], late=row[11], skipped=row[12], missed=row[13]),
            last_tick=None if row[_OF_TICK.start] is None else _tick_of(row[_OF_TICK]),
            definition=_decode(row[_DEFINITION]),
        )
    except _FAULTS as error:
        raise ScheduleUnreadable(row[0]) from error


def _tick_of(row: tuple[Any, ...]) -> Tick:
    tick_at, last_tick_at, count, fate, reason, job_id, recorded_at, generation = row
    return Tick(
        tick_at=from_us(tick_at),
        last_tick_at=None if count == 1 else from_us(last_tick_at),
        count=count,
        fate=Fate(fate),
        reason=None if reason is None else Reason(reason),
        job_id=job_id,
        recorded_at=from_us(recorded_at),
        generation=generation,
    )
