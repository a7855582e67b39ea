"""Questions about schedules, without HTTP."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from observatory.contracts.schedules import Preview, ScheduleInfo, ScheduleList, info_of, upcoming_of
from observatory.contracts.wire import Page
from observatory.core import limits
from observatory.core.errors import UnknownSchedule
from observatory.core.schedule import ScheduleDefinition, Tick, checked
from observatory.core.sources import Clock
from observatory.core.zones import UTC_NAME
from observatory.edge.cursor import Cursors
from observatory.job_store.schedules import Schedules

_CURSORS: Final = Cursors("schedules")


class ScheduleReadModel:
    """Answers questions about schedules and their ticks. Changes nothing."""

    def __init__(self, schedules: Schedules, *, clock: Clock) -> None:
        self._schedules = schedules
        self._clock = clock

    async def schedules(self, *, cursor: str | None, count_max: int) -> ScheduleList:
        """
        A page of all schedules, in the order of their creation. Damaged ones are named beside the others.

        Raises:
            BadQuery: The cursor is not of this list (`bad_cursor`).
        """
        page = await self._schedules.schedules(after=_CURSORS.place(cursor), count_max=count_max)
        return ScheduleList(
            items=tuple(info_of(schedule) for schedule in page.schedules),
            next_cursor=_CURSORS.cursor(page.next_after),
            as_of=self._clock.now(),
            unreadable=tuple(page.unreadable) if page.unreadable else msgspec.UNSET,
        )

    async def schedule(self, name: str) -> ScheduleInfo:
        """
        The schedule with its next ticks.

        Raises:
            UnknownSchedule: No such schedule.
            ScheduleUnreadable: Its stored row is damaged.
        """
        found = await self._schedules.schedule(name)
        if found is None:
            raise UnknownSchedule(f"no schedule is called {name}")
        return info_of(found, after=self._clock.now(), count=limits.UPCOMING_DEFAULT)

    async def ticks(self, name: str, *, cursor: str | None, count_max: int) -> Page[Tick]:
        """
        A page of the ticks that have their fate, newest first.

        Raises:
            UnknownSchedule: No such schedule.
            BadQuery: `bad_cursor`.
        """
        cursors = Cursors(f"ticks of {name}")
        page = await self._schedules.ticks(name, before=cursors.place(cursor), count_max=count_max)
        if not page.ticks:
            await self.schedule(name)
        return self._page(page.ticks, cursors.cursor(page.next_before))

    def preview(self, definition: ScheduleDefinition, *, after: datetime | None, count: int) -> Preview:
        """
        The next *count* ticks of a timing after *after*, or after now.

        Raises:
            InvalidSchedule: Not a timing that fires.
        """
        definition = checked(definition)
        begin = self._clock.now() if after is None else after
        return Preview(
            items=tuple(upcoming_of(definition, begin, count)),
            as_of=begin,
            cron=definition.cron,
            timezone=definition.timezone or (UTC_NAME if definition.cron is not None else None),
            every=definition.every,
            anchor=definition.anchor,
        )

    def _page(self, ticks: Sequence[Tick], next_cursor: str | None) -> Page[Tick]:
        return Page(items=tuple(ticks), next_cursor=next_cursor, as_of=self._clock.now())
