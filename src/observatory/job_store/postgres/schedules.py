"""`Schedules` over one `PostgresDatabase`."""

from collections.abc import Sequence
from pathlib import Path

from observatory.core import limits
from observatory.core.errors import ScheduleUnreadable, StoreUnavailable
from observatory.core.job import NewJob
from observatory.core.schedule import Schedule, Tick
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_arrays import columns_of, unnest
from observatory.engine.postgres_database import Connection, PostgresDatabase, translated
from observatory.engine.postgres_reads import bounded, take
from observatory.job_store.kept_ticks import check_count, is_time_to_look, surplus
from observatory.job_store.postgres.schedule_rows import (
    NUMBER,
    SCHEDULE_COLUMNS,
    SCHEDULE_NAMES,
    TICK_COLUMNS,
    TICK_TYPES,
    readable_schedules,
    schedule_of_row,
    schedule_values,
    tick_values,
    ticks_of_rows,
)
from observatory.job_store.postgres.store import PostgresJobStore
from observatory.job_store.schedules import DueSchedules, SchedulePage, TickPage

SQL = load_queries(Path(__file__).with_suffix(".sql"))
_BY_NAME = SQL["by_name"].replace("{columns}", SCHEDULE_COLUMNS)
_PAGE = bounded(
    SQL["page"].replace("{columns}", SCHEDULE_COLUMNS), columns=SCHEDULE_NAMES, texts=["definition"], order="number"
)
_TICKS = SQL["ticks"].replace("{columns}", TICK_COLUMNS)
_INSERT_TICKS = SQL["insert_ticks"].replace("{given}", unnest(TICK_TYPES, first=2))


class PostgresSchedules:
    """
    Implements `Schedules`.

    Args:
        store: Accepts the jobs of ticks; over the same database.
    """

    def __init__(self, database: PostgresDatabase, *, store: PostgresJobStore) -> None:
        self._database = database
        self._store = store

    async def schedule(self, name: str) -> Schedule | None:
        with translated(StoreUnavailable):
            row = await self._database.read(lambda connection: connection.fetchrow(_BY_NAME, name))
        return None if row is None else schedule_of_row(row)

    async def schedules(self, *, after: int | None, count_max: int) -> SchedulePage:
        assert 1 <= count_max <= limits.PAGE_ITEMS_MAX, f"a page of {count_max}"
        with translated(StoreUnavailable):
            rows, has_more = await self._database.read(
                lambda connection: take(connection, _PAGE, after or 0, count_max=count_max)
            )
        schedules, unreadable = readable_schedules(rows)
        return SchedulePage(schedules, rows[-1][NUMBER] if has_more else None, unreadable)

    async def names(self) -> list[str]:
        with translated(StoreUnavailable):
            rows = await self._database.read(lambda connection: connection.fetch(SQL["names"]))
        return [row[0] for row in rows]

    async def due(self) -> DueSchedules:
        with translated(StoreUnavailable):
            ((at, names, next_tick_at),) = await self._database.read(lambda connection: connection.fetch(SQL["due"]))
        return DueSchedules(at, names, next_tick_at)

    async def create(self, schedule: Schedule) -> bool:
        async def unit(connection: Connection) -> bool:
            await connection.execute(SQL["lock"])
            if not await connection.fetch(SQL["insert"], schedule.name, *schedule_values(schedule)):
                return False
            check_count(await connection.fetchval(SQL["count"]))
            return True

        with translated(StoreUnavailable):
            return await self._database.write(unit)

    async def save(self, schedule: Schedule, *, ticks: Sequence[Tick] = (), jobs: Sequence[NewJob] = ()) -> bool:
        assert all(job.idempotency_key is None for job in jobs), "a tick is its own key"

        async def unit(connection: Connection) -> bool:
            given = (schedule.name, schedule.version - 1, *schedule_values(schedule))
            number = await connection.fetchval(SQL["update"], *given)
            if number is None:
                return False
            answers = await self._store.accept(connection, jobs) if jobs else []
            assert not any(isinstance(answer, Exception) for answer in answers), "these jobs are new"
            await _record(connection, number, schedule, ticks)
            return True

        with translated(StoreUnavailable):
            is_saved = await self._database.write(unit)
        if is_saved and jobs:
            self._store.staged()
        return is_saved

    async def delete(self, name: str) -> bool:
        with translated(StoreUnavailable):
            return bool(await self._database.write_alone(lambda connection: connection.fetch(SQL["delete"], name)))

    async def ticks(self, name: str, *, before: int | None, count_max: int) -> TickPage:
        assert 1 <= count_max <= limits.PAGE_ITEMS_MAX, f"a page of {count_max}"
        given = (name, before if before is not None else limits.CURSOR_PLACE_MAX, count_max + 1)
        with translated(StoreUnavailable):
            rows = await self._database.read(lambda connection: connection.fetch(_TICKS, *given))
        shown = rows[:count_max]
        try:
            ticks = ticks_of_rows(shown)
        except ValueError as error:
            raise ScheduleUnreadable(name) from error
        return TickPage(ticks, shown[-1][-1] if len(rows) > count_max else None)


async def _record(connection: Connection, number: int, schedule: Schedule, ticks: Sequence[Tick]) -> None:
    """Nobody else writes ticks of this schedule meanwhile: its row is locked."""
    if ticks and await _grow(connection, number, ticks[0]):
        ticks = ticks[1:]
    if not ticks:
        return
    columns = columns_of([tick_values(tick) for tick in ticks], len(TICK_TYPES))
    await connection.execute(_INSERT_TICKS, number, *columns)
    if is_time_to_look(schedule.counts, len(ticks)):
        rows = await connection.fetchval(SQL["count_ticks"], number)
        if going := surplus(rows, len(ticks)):
            await connection.execute(SQL["prune_ticks"], number, going)


async def _grow(connection: Connection, number: int, tick: Tick) -> bool:
    """True when the newest row now stands for *tick* as well."""
    if tick.job_id is not None:
        return False
    _, last_tick_at, count, fate, reason, _, recorded_at, generation = tick_values(tick)
    given = (number, last_tick_at, count, recorded_at, fate, reason, generation)
    return bool(await connection.fetch(SQL["grow_range"], *given))
