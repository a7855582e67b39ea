"""
The contract of schedules and their ticks, which are part of the truth: a tick fires in the transaction that accepts
its job.

Which ticks there are and which fate each gets is decided by `core.ticks.settle`; a driver moves rows and decides
nothing. Every write names the version that it read and takes effect only if the schedule is still at it, so of two
schedulers, or of a scheduler and a person, one wins and the other reads again.

What a method wrote is durable when it returns. Reads see every write that was answered before.

Errors of every method: `StoreUnavailable`. It is then not known whether the call took effect; all may be repeated: a
`create` or `save` that took effect unseen answers False the second time, and reading shows what it left.
A schedule whose stored row is damaged costs the others nothing. The names of schedules were checked by the caller.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from observatory.core.job import NewJob
from observatory.core.schedule import Schedule, Tick


class DueSchedules(msgspec.Struct, frozen=True):
    """Which schedules have a tick that came."""

    at: datetime
    """Now, by the store's clock: what `settle` is to be called with."""
    names: list[str]
    next_tick_at: datetime | None
    """The first tick of all that is still to come; None when there is none."""


class SchedulePage(msgspec.Struct, frozen=True):
    """Schedules, the one that was created first first."""

    schedules: list[Schedule]
    next_after: int | None
    """Pass as `after` for the next page; None when this was the last."""
    unreadable: list[str] = []
    """Names of the schedules that belong on this page and whose rows are damaged."""


class TickPage(msgspec.Struct, frozen=True):
    """Ticks of one schedule, newest first."""

    ticks: list[Tick]
    next_before: int | None
    """Pass as `before` for the next page; None when this was the last."""


class Schedules(Protocol):
    """Schedules, and what became of their ticks."""

    async def schedule(self, name: str) -> Schedule | None:
        """
        The schedule, or None when none has this name.

        Raises:
            ScheduleUnreadable: It exists and its row is damaged.
        """
        ...

    async def schedules(self, *, after: int | None, count_max: int) -> SchedulePage:
        """
        A page of all schedules, in the order in which they were created.

        Args:
            after: `next_after` of the page before; None for the first.
            count_max: From 1 to `limits.PAGE_ITEMS_MAX`. Fewer come back, but at least one, when their definitions
                would have more than `limits.READ_BYTES_MAX` as JSON.
        """
        ...

    async def names(self) -> list[str]:
        """The names of all schedules, at most `limits.SCHEDULES_MAX`."""
        ...

    async def due(self) -> DueSchedules:
        """
        The schedules whose next tick is not after now, the one that waits longest first.

        Bounded by `limits.SCHEDULES_MAX`. A snapshot: only `save` decides.
        """
        ...

    async def create(self, schedule: Schedule) -> bool:
        """
        Store *schedule* under its name; False when the name is taken, also by a damaged row.

        Raises:
            TooManySchedules: There are `limits.SCHEDULES_MAX` already.
        """
        ...

    async def save(self, schedule: Schedule, *, ticks: Sequence[Tick] = (), jobs: Sequence[NewJob] = ()) -> bool:
        """
        Replace what is stored by *schedule*, record *ticks*, and accept *jobs*: one transaction.

        Takes effect only while the stored version is one less than that of *schedule*; else the answer is False and
        nothing happened. `last_tick` of *schedule* is not stored; it is the newest of the recorded ticks. A row of
        ticks that made no jobs grows by a range that follows it with the same fate, reason and generation, instead
        of a new row beside it. Each job is accepted as by `JobStore.submit`, with its `job.created` event. Of the
        ticks of one schedule about `limits.SCHEDULE_TICKS_KEPT` rows are kept, the newest.

        Args:
            ticks: In order, after every recorded one. Those with a fate that makes a job name the id of one of *jobs*.
            jobs: New ones without idempotency key, at most `limits.SCHEDULE_CATCH_UP_MAX`.
        """
        ...

    async def delete(self, name: str) -> bool:
        """Remove the schedule and its ticks, damaged or not; its jobs stay. False when none has this name."""
        ...

    async def ticks(self, name: str, *, before: int | None, count_max: int) -> TickPage:
        """
        A page of the ticks of *name* that have their fate, newest first; empty when none has this name.

        Args:
            before: `next_before` of the page before; None for the first.
            count_max: From 1 to `limits.PAGE_ITEMS_MAX`.

        Raises:
            ScheduleUnreadable: A row of its ticks is damaged.
        """
        ...
