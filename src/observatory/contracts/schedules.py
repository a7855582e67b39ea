"""The wire forms of schedules. `core.schedule.ScheduleDefinition` is the body of `PUT /schedules/{name}` already."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from observatory.contracts.wire import Page
from observatory.core.errors import InvalidSchedule
from observatory.core.schedule import FateCounts, Schedule, ScheduleDefinition, Tick, timing_of
from observatory.core.ticks import upcoming
from observatory.core.zones import UTC_NAME, zone_of


class SchedulePauseRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The body of `POST /schedules/{name}/pause`."""

    by: str | None = None


class Upcoming(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A tick that is still to come."""

    tick_at: datetime
    local_time: str
    """The same instant in the zone of the schedule, with its offset: 2026-03-29T03:00:00+02:00."""


class ScheduleInfo(ScheduleDefinition, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A schedule: its definition, and how far its ticks have got."""

    name: str
    created_at: datetime
    updated_at: datetime
    generation: int
    covered_until: datetime
    counts: FateCounts
    next_tick_at: datetime | None = None
    paused_at: datetime | None = None
    paused_by: str | None = None
    last_tick: Tick | None = None
    problem: str | None = None
    """Why it cannot fire on this machine; None when it can."""
    upcoming: tuple[Upcoming, ...] | None = None
    """Its next ticks, for one schedule alone; they do not fire while it is paused."""


class ScheduleList(Page[ScheduleInfo], frozen=True, kw_only=True, rename="camel"):
    """One page of schedules."""

    unreadable: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Names of the schedules that belong on this page and cannot be read; unset when there are none."""


class Preview(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """When a timing would fire."""

    items: tuple[Upcoming, ...]
    as_of: datetime
    """The ticks are those after it."""
    cron: str | None = None
    """As it would be stored."""
    timezone: str | None = None
    every: str | None = None
    anchor: datetime | None = None


def info_of(schedule: Schedule, *, after: datetime | None = None, count: int = 0) -> ScheduleInfo:
    """
    The wire form of *schedule*.

    Args:
        count: How many of its next ticks to tell, from *after* on but none that has its fate.
    """
    problem, coming = None, None
    try:
        timing_of(schedule.definition)
        if after is not None:
            coming = tuple(upcoming_of(schedule.definition, max(after, schedule.covered_until), count))
    except InvalidSchedule as error:
        problem = error.detail
    return ScheduleInfo(
        **msgspec.structs.asdict(schedule.definition),
        name=schedule.name,
        created_at=schedule.created_at,
        updated_at=schedule.updated_at,
        generation=schedule.generation,
        covered_until=schedule.covered_until,
        counts=schedule.counts,
        next_tick_at=schedule.next_tick_at if problem is None else None,
        paused_at=schedule.paused_at,
        paused_by=schedule.paused_by,
        last_tick=schedule.last_tick,
        problem=problem,
        upcoming=coming,
    )


def upcoming_of(definition: ScheduleDefinition, after: datetime, count: int) -> Iterable[Upcoming]:
    """
    The next *count* ticks of *definition* after *after*.

    Raises:
        InvalidSchedule: Its zone is not known here.
    """
    zone = zone_of(definition.timezone or UTC_NAME)
    for tick_at in upcoming(timing_of(definition), after, count):
        yield Upcoming(tick_at=tick_at, local_time=tick_at.astimezone(zone).isoformat(timespec="seconds"))
