"""
The schedule: what is to be done again and again, when, and what became of each tick.

A tick is an instant at which a schedule shall fire. Which ticks there are is a function of the definition alone;
each gets exactly one fate (`core.ticks`). The structs are the wire form as well.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final, Self

import msgspec

from observatory.core import limits
from observatory.core.cron import CronTiming, normal_cron
from observatory.core.errors import InvalidSchedule
from observatory.core.interval import ANCHOR_DEFAULT, IntervalTiming, interval_s
from observatory.core.job import JsonObject
from observatory.core.zones import UTC_NAME, zone_of

Timing = CronTiming | IntervalTiming


class Missed(StrEnum):
    """What to do with ticks that nobody fired within `limits.SCHEDULE_LATE_S`."""

    SKIP = "skip"
    """Fire none of them."""
    LAST = "last"
    """Fire the newest one, unless a newer tick fires in time anyway."""
    ALL = "all"
    """Fire the newest ones, at most `missed_max`."""


class Fate(StrEnum):
    """What became of a tick."""

    FIRED = "fired"
    """A job was accepted no later than `limits.SCHEDULE_LATE_S` after its time."""
    LATE = "late"
    """A job was accepted later than that."""
    SKIPPED = "skipped"
    """Somebody decided against it: the schedule was paused or replaced."""
    MISSED = "missed"
    """Nobody was there in time, and the policy fired another tick or none."""


class Reason(StrEnum):
    """Why a tick made no job."""

    PAUSED = "paused"
    REPLACED = "replaced"
    POLICY_SKIP = "policy_skip"
    POLICY_LAST = "policy_last"
    POLICY_ALL = "policy_all"


class ScheduleDefinition(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """When to fire, and which job. Either `cron` or `every`. None means that the caller did not say."""

    type: str
    cron: str | None = None
    timezone: str | None = None
    """Of a cron expression; UTC when None."""
    every: str | None = None
    anchor: datetime | None = None
    """Of an interval: it fires at whole multiples from here; from 1970-01-01T00:00:00Z when None."""
    missed: Missed = Missed.LAST
    missed_max: int | None = None
    """How many ticks `all` fires at most; `limits.SCHEDULE_CATCH_UP_DEFAULT` when None."""
    payload: JsonObject = {}
    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    timeout_seconds: float | None = None
    metadata: JsonObject | None = None


class FateCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Ticks of a schedule by what became of them, since it was created."""

    fired: int
    late: int
    skipped: int
    missed: int


NO_TICKS: Final = FateCounts(fired=0, late=0, skipped=0, missed=0)


class Tick(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What became of one tick, or of several in a row that share a fate and made no job."""

    tick_at: datetime
    """The first of them."""
    last_tick_at: datetime | None = None
    """The last of them; None when it is one."""
    count: int = 1
    fate: Fate
    reason: Reason | None = None
    job_id: str | None = None
    recorded_at: datetime
    """When the fate was decided, by the store's clock."""
    generation: int
    """Of the definition that asked for it."""

    @property
    def until(self) -> datetime:
        return self.tick_at if self.last_tick_at is None else self.last_tick_at


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A definition under a name, and how far its ticks have got."""

    name: str
    definition: ScheduleDefinition
    created_at: datetime
    updated_at: datetime
    """When somebody changed it last: definition, pause or resume."""
    covered_until: datetime
    """Every tick up to here has its fate; ticks after it have none."""
    next_tick_at: datetime | None
    """The first tick after `covered_until`; None when there is none, or it cannot be computed here."""
    generation: int = 1
    """Rises when the definition is replaced by a different one."""
    version: int = 1
    """Rises with every write; a write that read an older one is refused."""
    paused_at: datetime | None = None
    paused_by: str | None = None
    skip_until: datetime | None = None
    """Ticks up to here passed during a pause that has ended; they are skipped."""
    counts: FateCounts = NO_TICKS
    last_tick: Tick | None = None
    """The newest row of its ticks."""

    def replaced(self, definition: ScheduleDefinition, at: datetime) -> Self:
        """With *definition*, whose first tick comes after *at* and after every tick that has its fate."""
        covered_until = max(self.covered_until, at)
        return msgspec.structs.replace(
            self,
            definition=definition,
            generation=self.generation + 1,
            version=self.version + 1,
            updated_at=at,
            covered_until=covered_until,
            next_tick_at=next_tick(definition, covered_until),
        )

    def paused(self, at: datetime, *, by: str) -> Self:
        """With a pause since *at*. One that is paused already stays as it is."""
        if self.paused_at is not None:
            return self
        return msgspec.structs.replace(self, paused_at=at, paused_by=by, updated_at=at, version=self.version + 1)

    def resumed(self, at: datetime) -> Self:
        """Without a pause; what came up to *at* has passed. One that is not paused stays as it is."""
        if self.paused_at is None:
            return self
        version = self.version + 1
        return msgspec.structs.replace(
            self, paused_at=None, paused_by=None, skip_until=at, updated_at=at, version=version
        )


def begun(name: str, definition: ScheduleDefinition, at: datetime) -> Schedule:
    """A schedule whose first tick comes after *at*."""
    next_tick_at = next_tick(definition, at)
    return Schedule(
        name=name, definition=definition, created_at=at, updated_at=at, covered_until=at, next_tick_at=next_tick_at
    )


def timing_of(definition: ScheduleDefinition) -> Timing:
    """
    When *definition* fires.

    Raises:
        InvalidSchedule: Its zone is not known here, or it is not one that `checked` gave.
    """
    if definition.cron is not None:
        return CronTiming(definition.cron, zone_of(definition.timezone or UTC_NAME))
    return IntervalTiming(interval_s(definition.every or ""), definition.anchor or ANCHOR_DEFAULT)


def next_tick(definition: ScheduleDefinition, after: datetime) -> datetime | None:
    """The first tick after *after*; None when there is none or its zone is not known here."""
    try:
        return next(timing_of(definition).after(after), None)
    except InvalidSchedule:
        return None


def checked(definition: ScheduleDefinition) -> ScheduleDefinition:
    """
    *definition* in the form that is stored: two that mean the same timing in the same words are equal.

    Raises:
        InvalidSchedule: Neither or both of `cron` and `every`, an option without effect, an expression, zone or
            interval that is none, or a schedule that never fires.
    """
    if (definition.cron is None) == (definition.every is None):
        raise InvalidSchedule("give either cron or every", code="bad_timing", pointer="/cron")
    if definition.missed_max is not None and definition.missed is not Missed.ALL:
        raise InvalidSchedule("missedMax has an effect only with missed: all", pointer="/missedMax")
    if definition.cron is not None:
        if definition.anchor is not None:
            raise InvalidSchedule("an anchor has an effect only with every", code="bad_timing", pointer="/anchor")
        definition = msgspec.structs.replace(definition, cron=normal_cron(definition.cron))
    elif definition.timezone is not None:
        detail = "a time zone has an effect only with cron; intervals count from their anchor"
        raise InvalidSchedule(detail, code="bad_timing", pointer="/timezone")
    timing_of(definition)
    return definition


def catch_up_max(definition: ScheduleDefinition) -> int:
    """How many ticks of the past may fire in one go."""
    match definition.missed:
        case Missed.SKIP:
            return 0
        case Missed.LAST:
            return 1
        case Missed.ALL:
            return definition.missed_max or limits.SCHEDULE_CATCH_UP_DEFAULT
