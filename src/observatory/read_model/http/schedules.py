"""Schedules and their ticks, read from the truth."""

from datetime import UTC, datetime
from typing import Annotated

from litestar import Response, get
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from observatory.core import limits
from observatory.core.errors import BadQuery
from observatory.core.schedule import ScheduleDefinition
from observatory.edge.http.calls import json_answer
from observatory.edge.http.parameters import Cursor, Limit
from observatory.read_model.http.answers import answers
from observatory.read_model.schedules import ScheduleReadModel

Cron = Annotated[str | None, QueryParameter(max_length=limits.CRON_CHARS_MAX, description="Five fields: 0 3 * * *.")]
Timezone = Annotated[
    str | None, QueryParameter(max_length=limits.TIMEZONE_CHARS_MAX, description="Of cron: Europe/Berlin.")
]
Every = Annotated[str | None, QueryParameter(max_length=16, description="An interval: 10s, 5m, 2h, 1d.")]
Instant = Annotated[str | None, QueryParameter(max_length=40, description="RFC 3339 with an offset.")]
Count = Annotated[int, QueryParameter(ge=1, le=limits.UPCOMING_MAX, description="How many ticks.")]


def schedule_routes(schedules: ScheduleReadModel) -> list[ControllerRouterHandler]:
    """Schedules and their ticks, read from the truth."""

    @get("/schedules", opt=answers("schedule-list"), operation_id="schedules", tags=["schedules"])
    async def all_schedules(limit: Limit = limits.PAGE_ITEMS_DEFAULT, cursor: Cursor = None) -> Response[bytes]:
        """Schedules in the order of their creation."""
        return json_answer(await schedules.schedules(cursor=cursor, count_max=limit))

    @get("/schedules/{name:str}", opt=answers("schedule"), operation_id="schedule", tags=["schedules"])
    async def schedule_by_name(name: FromPath[str]) -> Response[bytes]:
        """One schedule as it is now, with its next ticks."""
        return json_answer(await schedules.schedule(name))

    @get("/schedules/{name:str}/ticks", opt=answers("tick-list"), operation_id="ticks", tags=["schedules"])
    async def ticks(
        name: FromPath[str], limit: Limit = limits.PAGE_ITEMS_DEFAULT, cursor: Cursor = None
    ) -> Response[bytes]:
        """What became of the ticks of one schedule, newest first."""
        return json_answer(await schedules.ticks(name, cursor=cursor, count_max=limit))

    @get("/schedule-preview", opt=answers("schedule-preview"), operation_id="previewSchedule", tags=["schedules"])
    async def preview(
        *,
        cron: Cron = None,
        timezone: Timezone = None,
        every: Every = None,
        anchor: Instant = None,
        after: Instant = None,
        count: Count = limits.UPCOMING_DEFAULT,
    ) -> Response[bytes]:
        """When a timing would fire next; stores nothing."""
        timing = ScheduleDefinition(
            type="preview", cron=cron, timezone=timezone, every=every, anchor=_instant("anchor", anchor)
        )
        return json_answer(schedules.preview(timing, after=_instant("after", after), count=count))

    return [all_schedules, schedule_by_name, ticks, preview]


def _instant(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None and _YEAR_MIN <= at.year <= _YEAR_MAX:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadQuery(
        f"{name} must be an RFC 3339 instant with an offset such as 2026-01-31T12:00:00Z, "
        f"in the years {_YEAR_MIN} to {_YEAR_MAX}"
    )


_YEAR_MIN, _YEAR_MAX = 1000, 2900
"""So that the ticks that follow can be written: years on the wire have four digits, the first of them 1 or 2."""
