"""Which fate each tick gets: `settle(schedule, at)`. A driver stores what is decided here."""

from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Final

import msgspec

from observatory.core import limits
from observatory.core.interval import IntervalTiming
from observatory.core.schedule import (
    Fate,
    FateCounts,
    Missed,
    Reason,
    Schedule,
    Tick,
    Timing,
    catch_up_max,
    next_tick,
    timing_of,
)

_replace = msgspec.structs.replace
_INSTANT: Final = timedelta(microseconds=1)
_IN_TIME: Final = timedelta(seconds=limits.SCHEDULE_LATE_S)
_POLICIES: Final = {
    Missed.SKIP: Reason.POLICY_SKIP,
    Missed.LAST: Reason.POLICY_LAST,
    Missed.ALL: Reason.POLICY_ALL,
}


class Settlement(msgspec.Struct, frozen=True):
    """What one round makes of a schedule."""

    schedule: Schedule
    """As it is afterwards, but for `last_tick`. Its version is one more than before."""
    ticks: tuple[Tick, ...]
    """Those that got their fate, in order. A tick that fires has no job yet."""


class _Piece(msgspec.Struct, frozen=True):
    """Ticks of a span of time: the older ones as a range, the newest one by one."""

    older: tuple[datetime, datetime, int] | None
    """First, last and count; None when there are none."""
    newest: tuple[datetime, ...]
    is_whole: bool
    """False when the span goes on behind what was looked at; then *newest* is empty."""


def settle(schedule: Schedule, at: datetime, *, fire_max: int = limits.SCHEDULE_CATCH_UP_MAX) -> Settlement | None:
    """
    Give their fate to the ticks up to *at* that have none; None when there is no such tick.

    Pure. One call looks at no more than `limits.SCHEDULE_TICKS_MAX` ticks of a cron expression, so that a long gap
    takes several; of an interval it counts any number at once. `covered_until` is then the last tick that got a
    fate, never *at* itself, and never goes back: a clock that steps back fires nothing again.

    Args:
        fire_max: At least 1. Ticks that shall fire beyond these wait for the next call.

    Raises:
        InvalidSchedule: The zone of the schedule is not known here.
    """
    assert fire_max >= 1, "a call gets on"
    timing = timing_of(schedule.definition)
    if schedule.paused_at is not None:
        return _skip(schedule, timing, at, Reason.PAUSED, at)
    return _skip_pause(schedule, timing, at) or _fire(schedule, timing, at, fire_max)


def skip_rest(schedule: Schedule, at: datetime) -> Settlement | None:
    """As `settle`, for a definition that is about to be replaced: nothing fires any more."""
    timing = timing_of(schedule.definition)
    reason = Reason.REPLACED if schedule.paused_at is None else Reason.PAUSED
    return _skip_pause(schedule, timing, at) or _skip(schedule, timing, at, reason, at)


def upcoming(timing: Timing, after: datetime, count: int) -> list[datetime]:
    """The next *count* ticks after *after*; fewer when there are no more within `limits.CRON_YEARS_MAX`."""
    until = after + timedelta(days=366 * limits.CRON_YEARS_MAX)
    return list(islice(takewhile(lambda tick: tick <= until, timing.after(after)), count))


def _skip_pause(schedule: Schedule, timing: Timing, at: datetime) -> Settlement | None:
    """Of a pause that has ended, what was not settled while it lasted."""
    if schedule.skip_until is None:
        return None
    return _skip(schedule, timing, min(at, schedule.skip_until), Reason.PAUSED, at)


def _skip(schedule: Schedule, timing: Timing, until: datetime, reason: Reason, at: datetime) -> Settlement | None:
    piece = _piece(timing, schedule.covered_until, until, keep=0)
    return (
        None if piece.older is None else _settled(schedule, [_range(piece.older, schedule, Fate.SKIPPED, reason, at)])
    )


def _fire(schedule: Schedule, timing: Timing, at: datetime, fire_max: int) -> Settlement | None:
    policy = schedule.definition.missed
    in_time_from = at - _IN_TIME
    piece = _piece(timing, schedule.covered_until, in_time_from - _INSTANT, keep=catch_up_max(schedule.definition))
    ticks: list[Tick] = []
    older, newest = piece.older, piece.newest
    in_time = _in_time(timing, max(schedule.covered_until, in_time_from - _INSTANT), at) if piece.is_whole else []
    if policy is Missed.LAST and in_time and newest:
        older, newest = _with(older, newest), ()
    if older is not None:
        ticks.append(_range(older, schedule, Fate.MISSED, _POLICIES[policy], at))
    firing = [_one(tick_at, schedule, Fate.LATE, at) for tick_at in newest]
    firing += [_one(tick_at, schedule, Fate.FIRED, at) for tick_at in in_time]
    ticks += firing[:fire_max]
    return _settled(schedule, ticks) if ticks else None


def _piece(timing: Timing, after: datetime, until: datetime, *, keep: int) -> _Piece:
    """The ticks after *after* and not after *until*, the newest *keep* of them apart."""
    if until <= after:
        return _Piece(None, (), is_whole=True)
    if isinstance(timing, IntervalTiming):
        return _piece_of_interval(timing, after, until, keep)
    ticks = list(islice(takewhile(lambda tick: tick <= until, timing.after(after)), limits.SCHEDULE_TICKS_MAX))
    is_whole = len(ticks) < limits.SCHEDULE_TICKS_MAX
    # Those that may be among the newest are left for the next round, which sees what follows them.
    older, newest = (ticks[: len(ticks) - keep], ticks[len(ticks) - keep :]) if len(ticks) > keep else ([], ticks)
    return _Piece((older[0], older[-1], len(older)) if older else None, tuple(newest) if is_whole else (), is_whole)


def _piece_of_interval(timing: IntervalTiming, after: datetime, until: datetime, keep: int) -> _Piece:
    count = timing.count_between(after, until)
    last, first = timing.last_until(until), timing.last_until(after) + timing.every
    kept = min(keep, count)
    newest = tuple(last - timing.every * ago for ago in reversed(range(kept)))
    older = (first, last - timing.every * kept, count - kept) if count > kept else None
    return _Piece(older, newest, is_whole=True)


def _in_time(timing: Timing, after: datetime, at: datetime) -> list[datetime]:
    return list(takewhile(lambda tick: tick <= at, timing.after(after)))


def _with(older: tuple[datetime, datetime, int] | None, newest: tuple[datetime, ...]) -> tuple[datetime, datetime, int]:
    first, count = (newest[0], 0) if older is None else (older[0], older[2])
    return first, newest[-1], count + len(newest)


def _range(span: tuple[datetime, datetime, int], schedule: Schedule, fate: Fate, reason: Reason, at: datetime) -> Tick:
    first, last, count = span
    return Tick(
        tick_at=first,
        last_tick_at=last if count > 1 else None,
        count=count,
        fate=fate,
        reason=reason,
        recorded_at=at,
        generation=schedule.generation,
    )


def _one(tick_at: datetime, schedule: Schedule, fate: Fate, at: datetime) -> Tick:
    return Tick(tick_at=tick_at, fate=fate, recorded_at=at, generation=schedule.generation)


def _settled(schedule: Schedule, ticks: list[Tick]) -> Settlement:
    covered_until = ticks[-1].until
    after = _replace(
        schedule,
        covered_until=covered_until,
        next_tick_at=next_tick(schedule.definition, covered_until),
        counts=_counted(schedule.counts, ticks),
        version=schedule.version + 1,
    )
    return Settlement(after, tuple(ticks))


def _counted(counts: FateCounts, ticks: list[Tick]) -> FateCounts:
    added = {fate: sum(tick.count for tick in ticks if tick.fate is fate) for fate in Fate}
    return FateCounts(
        fired=counts.fired + added[Fate.FIRED],
        late=counts.late + added[Fate.LATE],
        skipped=counts.skipped + added[Fate.SKIPPED],
        missed=counts.missed + added[Fate.MISSED],
    )
