"""
The scheduler: gives each tick of each schedule its fate, and fires those that shall.

What becomes of a tick is decided by `core.ticks.settle`; it takes effect in one transaction with the tick's job, and
only if nobody else moved the schedule meanwhile. So a restart, a second scheduler or a clock that steps back costs
time, never a tick, and no tick fires twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import msgspec
import structlog

from observatory.core import limits
from observatory.core.errors import InvalidSchedule, ScheduleUnreadable
from observatory.core.handler import TypeInfo
from observatory.core.job import NewJob
from observatory.core.schedule import Fate, Schedule, next_tick
from observatory.core.scheduled_job import job_of_tick, jobs_at_once
from observatory.core.sources import Clock, Ids
from observatory.core.ticks import Settlement, settle
from observatory.event_bus.port import EventBus
from observatory.job_store.port import JobQueries
from observatory.job_store.schedules import Schedules

_log = structlog.get_logger("observatory.scheduler")
_FIRES = frozenset({Fate.FIRED, Fate.LATE})


class Scheduler:
    """One loop. Running it on several nodes changes nothing but load."""

    name = "scheduler"

    def __init__(self, *, schedules: Schedules, queries: JobQueries, bus: EventBus, clock: Clock, ids: Ids) -> None:
        self._schedules = schedules
        self._queries = queries
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._next_tick_at: datetime | None = None
        self._has_reckoned = False
        self._faults: dict[str, str] = {}
        """Schedules that cannot be worked on, and why: each is logged once."""

    async def run_once(self) -> int:
        """Give their fate to the ticks that came, or to a bounded piece of them; returns how many rows it recorded."""
        if not self._has_reckoned:
            await self._for_each(await self._schedules.names(), self._reckon)
            self._has_reckoned = True
        due = await self._schedules.due()
        self._next_tick_at = due.next_tick_at
        if not due.names:
            return 0
        types = {known.info.type: known.info for known in await self._queries.types()}
        return await self._for_each(due.names, lambda name: self._settle(name, due.at, types))

    async def wait(self) -> None:
        """Until the next tick, or until it is time to look all the same."""
        wait_s = limits.POLL_S
        if self._next_tick_at is not None:
            wait_s = min(wait_s, (self._next_tick_at - self._clock.now()).total_seconds())
        await asyncio.sleep(max(wait_s, limits.SCHEDULE_WAIT_S_MIN))

    async def _for_each(self, names: Sequence[str], work: Callable[[str], Awaitable[int]]) -> int:
        """*work* for each of *names*, some side by side; one that fails holds up no other."""
        end_s = self._clock.monotonic() + limits.SCHEDULE_ROUND_S_MAX
        count, failures = 0, list[BaseException]()
        for start in range(0, len(names), limits.SCHEDULES_AT_ONCE):
            portion = names[start : start + limits.SCHEDULES_AT_ONCE]
            answers = await asyncio.gather(*(work(name) for name in portion), return_exceptions=True)
            failures += [answer for answer in answers if isinstance(answer, BaseException)]
            count += sum(answer for answer in answers if isinstance(answer, int))
            # Rounds that record nothing are short, so schedules that cannot be worked on are not in the way.
            if count and self._clock.monotonic() >= end_s:
                break
        if failures:
            raise failures[0]
        return count

    async def _reckon(self, name: str) -> int:
        """Compute the next tick again: the zones of this machine may have changed while nothing ran."""
        schedule = await self._read(name)
        if schedule is not None:
            await self._correct(schedule)
        return 0

    async def _settle(self, name: str, at: datetime, types: Mapping[str, TypeInfo]) -> int:
        schedule = await self._read(name)
        if schedule is None:
            return 0
        try:
            settlement = settle(schedule, at, fire_max=jobs_at_once(schedule.definition))
        except InvalidSchedule as error:
            self._note(name, error.detail)
            return 0
        if settlement is None:
            await self._correct(schedule)
            return 0
        self._faults.pop(name, None)
        await self._save(settlement, types.get(schedule.definition.type))
        return len(settlement.ticks)

    async def _save(self, settlement: Settlement, info: TypeInfo | None) -> None:
        """Store it with its jobs, unless another writer was first; then the next round sees what that one left."""
        schedule, ticks, jobs = settlement.schedule, list(settlement.ticks), list[NewJob]()
        for place, tick in enumerate(ticks):
            if tick.fate in _FIRES:
                job = job_of_tick(schedule, tick.tick_at, info=info, ids=self._ids)
                ticks[place] = msgspec.structs.replace(tick, job_id=job.id)
                jobs.append(job)
        if await self._schedules.save(schedule, ticks=ticks, jobs=jobs) and jobs:
            await self._bus.hint()

    async def _correct(self, schedule: Schedule) -> None:
        following = next_tick(schedule.definition, schedule.covered_until)
        if following != schedule.next_tick_at:
            version = schedule.version + 1
            await self._schedules.save(msgspec.structs.replace(schedule, next_tick_at=following, version=version))

    async def _read(self, name: str) -> Schedule | None:
        try:
            return await self._schedules.schedule(name)
        except ScheduleUnreadable as error:
            self._note(name, str(error))
            return None

    def _note(self, name: str, fault: str) -> None:
        if self._faults.get(name) != fault:
            self._faults[name] = fault
            _log.warning("schedule stands still", schedule=name, reason=fault)
