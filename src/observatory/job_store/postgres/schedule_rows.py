"""The row form of a schedule and of its ticks in PostgreSQL."""

from collections.abc import Iterable
from typing import Any

import msgspec

from observatory.core.errors import ScheduleUnreadable
from observatory.core.schedule import Fate, FateCounts, Reason, Schedule, ScheduleDefinition, Tick
from observatory.engine.postgres_database import Row

TICK_COLUMNS = "t.tick_at, t.last_tick_at, t.count, t.fate, t.reason, t.job_id, t.recorded_at, t.generation"
TICK_TYPES = ("timestamptz", "timestamptz", "bigint", "text", "text", "text", "timestamptz", "bigint")
"""Of `TICK_COLUMNS`."""

SCHEDULE_COLUMNS = (
    "s.name, s.version, s.generation, s.created_at, s.updated_at, s.covered_until, s.next_tick_at, s.paused_at, "
    "s.paused_by, s.skip_until, s.fired, s.late, s.skipped, s.missed, s.definition, s.number, t.tick_at, "
    "t.last_tick_at, t.count, t.fate, t.reason, t.job_id, t.recorded_at, t.generation AS tick_generation"
)
"""Of a schedule `s` and the newest of its ticks `t`."""
SCHEDULE_NAMES = ", ".join(column.rpartition(" ")[2].rpartition(".")[2] for column in SCHEDULE_COLUMNS.split(", "))
"""What they are called in the result."""
NUMBER = SCHEDULE_NAMES.split(", ").index("number")
_OF_TICK = slice(NUMBER + 1, NUMBER + 1 + len(TICK_TYPES))

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ScheduleDefinition).decode


def schedule_values(schedule: Schedule) -> tuple[Any, ...]:
    """What is stored of *schedule* besides its name and number."""
    counts = schedule.counts
    return (
        schedule.version,
        schedule.generation,
        schedule.created_at,
        schedule.updated_at,
        schedule.covered_until,
        schedule.next_tick_at,
        schedule.paused_at,
        schedule.paused_by,
        schedule.skip_until,
        counts.fired,
        counts.late,
        counts.skipped,
        counts.missed,
        _encode(schedule.definition).decode(),
    )


def tick_values(tick: Tick) -> tuple[Any, ...]:
    """Values of `TICK_COLUMNS`."""
    return (
        tick.tick_at,
        tick.until,
        tick.count,
        str(tick.fate),
        None if tick.reason is None else str(tick.reason),
        tick.job_id,
        tick.recorded_at,
        tick.generation,
    )


def schedule_of_row(row: Row) -> Schedule:
    """
    The schedule of a row that begins with `SCHEDULE_COLUMNS`.

    Raises:
        ScheduleUnreadable: A value is not one that `schedule_values` writes.
    """
    try:
        return _schedule_of_row(row)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise ScheduleUnreadable(row[0]) from error


def readable_schedules(rows: Iterable[Row]) -> tuple[list[Schedule], list[str]]:
    """The schedules of *rows*, in their order, and the names of those that cannot be read."""
    schedules: list[Schedule] = []
    unreadable: list[str] = []
    for row in rows:
        try:
            schedules.append(schedule_of_row(row))
        except ScheduleUnreadable as error:
            unreadable.append(error.name)
    return schedules, unreadable


def ticks_of_rows(rows: Iterable[Row]) -> list[Tick]:
    """
    The ticks of *rows* that begin with `TICK_COLUMNS`, in their order.

    Raises:
        ValueError: A row is damaged.
    """
    return [_tick_of(row[: len(TICK_TYPES)]) for row in rows]


def _schedule_of_row(row: Row) -> Schedule:
    return Schedule(
        name=row[0],
        version=row[1],
        generation=row[2],
        created_at=row[3],
        updated_at=row[4],
        covered_until=row[5],
        next_tick_at=row[6],
        paused_at=row[7],
        paused_by=row[8],
        skip_until=row[9],
        counts=FateCounts(fired=row[10], late=row[11], skipped=row[12], missed=row[13]),
        definition=_decode(row[14]),
        last_tick=None if row[NUMBER + 1] is None else _tick_of(row[_OF_TICK]),
    )


def _tick_of(row: Row) -> Tick:
    tick_at, last_tick_at, count, fate, reason, job_id, recorded_at, generation = row
    return Tick(
        tick_at=tick_at,
        last_tick_at=None if count == 1 else last_tick_at,
        count=count,
        fate=Fate(fate),
        reason=None if reason is None else Reason(reason),
        job_id=job_id,
        recorded_at=recorded_at,
        generation=generation,
    )
