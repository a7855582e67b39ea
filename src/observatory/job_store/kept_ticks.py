"""How many schedules there may be, and how many rows of ticks each keeps, whatever the driver."""

from observatory.core import limits
from observatory.core.errors import TooManySchedules
from observatory.core.schedule import FateCounts

_LOOK_EVERY = 100


def check_count(schedules: int) -> None:
    """
    May there be so many?

    Raises:
        TooManySchedules: More than `limits.SCHEDULES_MAX`.
    """
    if schedules > limits.SCHEDULES_MAX:
        raise TooManySchedules(f"there are {limits.SCHEDULES_MAX} schedules already; delete one first")


def is_time_to_look(counts: FateCounts, written: int) -> bool:
    """
    True when the rows of a schedule's ticks are to be counted: doing it at every tick would cost more than writing it.

    Args:
        counts: Of the schedule, with the ticks that were just written.
        written: New rows.
    """
    return (counts.fired + counts.late) % _LOOK_EVERY < written


def surplus(rows: int, written: int) -> int:
    """How many of the oldest of a schedule's *rows*, of which so many were just written, are to go."""
    rows_max = limits.SCHEDULE_TICKS_KEPT + limits.SCHEDULE_TICKS_PRUNED
    return written + limits.SCHEDULE_TICKS_PRUNED if rows > rows_max else 0
