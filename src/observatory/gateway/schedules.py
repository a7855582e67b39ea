"""What can be asked for about schedules, without HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from observatory.contracts import is_valid, validate
from observatory.contracts.schedules import SchedulePauseRequest
from observatory.core import limits
from observatory.core.errors import InvalidSchedule, ScheduleMoved, ScheduleUnreadable, UnknownSchedule
from observatory.core.job import JsonObject
from observatory.core.schedule import Schedule, ScheduleDefinition, begun, checked
from observatory.core.schedule_name import checked_name
from observatory.core.scheduled_job import metadata_of_tick
from observatory.core.sources import Clock
from observatory.core.ticks import Settlement, skip_rest
from observatory.edge.problem import InvalidFields
from observatory.gateway.advice import joined, unknown_members, unknown_type
from observatory.gateway.submit import UNNAMED, check_size
from observatory.gateway.type_catalog import TypeCatalog
from observatory.job_store.schedules import Schedules

CONTRACT: Final = "schedule-request"
PAUSE_CONTRACT: Final = "schedule-pause-request"

T = TypeVar("T")


class Put(msgspec.Struct, frozen=True):
    """What a put achieved."""

    schedule: Schedule
    is_new: bool


class ScheduleGateway:
    """
    Creates, replaces, pauses and deletes schedules.

    What was changed is durable before a method returns. Every method may raise `StoreUnavailable`; it may then be
    repeated. Methods that change one raise `ScheduleMoved` when others kept changing it meanwhile, which may be
    repeated too, and, but for `put` and `delete`, `ScheduleUnreadable` when its stored row is damaged.
    """

    def __init__(self, schedules: Schedules, types: TypeCatalog, *, clock: Clock) -> None:
        self._schedules = schedules
        self._types = types
        self._clock = clock

    @property
    def now(self) -> datetime:
        return self._clock.now()

    async def schedule(self, name: str) -> Schedule:
        """
        The schedule as it is now.

        Raises:
            UnknownSchedule: No such schedule.
        """
        found = await self._schedules.schedule(checked_name(name))
        if found is None:
            raise _unknown(name)
        return found

    def warning_about(self, schedule: Schedule, document: JsonObject) -> str | None:
        """What somebody who just put *schedule* by *document* should know, in one ASCII line; None when all is well."""
        job_type = schedule.definition.type
        return joined(
            (
                None if self._types.is_known(job_type) else unknown_type(job_type, "its jobs wait until one does"),
                unknown_members(document, ScheduleDefinition, "a schedule request"),
            )
        )

    async def put(self, name: str, document: Any) -> Put:
        """
        Create the schedule *name*, or replace its definition. An equal definition changes nothing.

        Ticks of the earlier definition that have no fate yet are skipped. The new one fires from now on. A schedule
        whose row is damaged is created anew.

        Raises:
            Refused: Nothing was stored: `InvalidJob`, `InvalidSchedule`, `TooManySchedules`.
        """
        definition = _definition_of(checked_name(name), document, self.now)
        info = await self._types.info(definition.type)
        if info is not None:
            self._types.check_payload(info, definition.payload)
        for _ in range(limits.SCHEDULE_TRIES_MAX):
            done = await self._put(name, definition)
            if done is not None:
                return done
        raise _moved(name)

    async def _put(self, name: str, definition: ScheduleDefinition) -> Put | None:
        """None when somebody else changed the schedule meanwhile."""
        before = await self._readable(name)
        if before is None:
            schedule = begun(name, definition, self.now)
            return Put(schedule, is_new=True) if await self._schedules.create(schedule) else None
        if before.definition == definition:
            return Put(before, is_new=False)
        settled = await self._skip_rest(before)
        if settled is None:
            return None
        schedule = settled.replaced(definition, self.now)
        return Put(schedule, is_new=False) if await self._schedules.save(schedule) else None

    async def _skip_rest(self, schedule: Schedule) -> Schedule | None:
        """Skip what came and has no fate, piece by piece; None when somebody else changed the schedule meanwhile."""
        while (settlement := _rest(schedule, self.now)) is not None:
            if not await self._schedules.save(settlement.schedule, ticks=settlement.ticks):
                return None
            schedule = settlement.schedule
        return schedule

    async def _readable(self, name: str) -> Schedule | None:
        """The schedule; a damaged one is removed, since nothing of it can be kept."""
        try:
            return await self._schedules.schedule(name)
        except ScheduleUnreadable:
            await self._schedules.delete(name)
            return None

    async def pause(self, name: str, document: Any) -> Schedule:
        """
        Fire nothing from now on; ticks that come meanwhile are skipped. Pausing again changes nothing.

        Raises:
            UnknownSchedule: No such schedule.
            InvalidSchedule: *document* is no `schedule-pause-request`. Nothing was done.
        """
        said = _said(PAUSE_CONTRACT, document, SchedulePauseRequest)
        by = said.by or UNNAMED
        return await self._change(name, lambda found: found.paused(self.now, by=by))

    async def resume(self, name: str) -> Schedule:
        """End a pause. Ticks that passed during it are skipped. Resuming what is not paused changes nothing."""
        return await self._change(name, lambda found: found.resumed(self.now))

    async def _change(self, name: str, change: Callable[[Schedule], Schedule]) -> Schedule:
        for _ in range(limits.SCHEDULE_TRIES_MAX):
            found = await self.schedule(name)
            changed = change(found)
            if changed is found or await self._schedules.save(changed):
                return changed
        raise _moved(name)

    async def delete(self, name: str) -> None:
        """
        Remove the schedule and its ticks. Its jobs stay.

        Raises:
            UnknownSchedule: No such schedule.
        """
        if not await self._schedules.delete(checked_name(name)):
            raise _unknown(name)


def _rest(schedule: Schedule, at: datetime) -> Settlement | None:
    try:
        return skip_rest(schedule, at)
    except InvalidSchedule:  # which ticks it had cannot be known here
        return None


def _definition_of(name: str, document: Any, now: datetime) -> ScheduleDefinition:
    definition = _said(CONTRACT, document, ScheduleDefinition)
    check_size(definition.payload, limits.PAYLOAD_BYTES_MAX, "payload")
    check_size(metadata_of_tick(definition.metadata, name, now), limits.METADATA_BYTES_MAX, "metadata")
    if definition.anchor is not None:
        definition = msgspec.structs.replace(definition, anchor=definition.anchor.astimezone(UTC))
    return checked(definition)


def _said(contract: str, document: Any, into: type[T]) -> T:
    if not is_valid(contract, document):
        raise InvalidFields(validate(contract, document), code=InvalidSchedule.code)
    return msgspec.convert(document, into, strict=False)


def _unknown(name: str) -> UnknownSchedule:
    return UnknownSchedule(f"no schedule is called {name}")


def _moved(name: str) -> ScheduleMoved:
    return ScheduleMoved(f"schedule {name} kept changing meanwhile; nothing was done, try again")
