"""Routes of schedules."""

from typing import Any, Final

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from observatory.contracts.schedules import info_of
from observatory.core import limits
from observatory.core.schedule import Schedule
from observatory.edge.access import Access, RouteRule
from observatory.edge.http import RULE
from observatory.edge.http.calls import document_in, json_answer
from observatory.gateway.http.calls import warned
from observatory.gateway.schedules import ScheduleGateway

_READ: Final = RouteRule(access=Access.READ, answers={200: "schedule"})
_PUT: Final = RouteRule(
    access=Access.WRITE, body="schedule-request", answers={200: "schedule", 201: "schedule"}, problems=(409,)
)
_PAUSE: Final = RouteRule(
    access=Access.WRITE, body="schedule-pause-request", answers={200: "schedule"}, problems=(409,)
)
_RESUME: Final = RouteRule(access=Access.WRITE, answers={200: "schedule"}, problems=(409,))
_DELETE: Final = RouteRule(access=Access.WRITE, answers={204: None})


def schedule_routes(schedules: ScheduleGateway) -> list[ControllerRouterHandler]:
    """What can be done with a schedule; lists and ticks are with the read model."""

    def answer(schedule: Schedule, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
        shown = info_of(schedule, after=schedules.now, count=limits.UPCOMING_DEFAULT)
        return json_answer(shown, status=status, headers=headers)

    @get("/schedules/{name:str}", opt={RULE: _READ}, operation_id="scheduleAtGateway", tags=["schedules"])
    async def schedule_by_name(name: FromPath[str]) -> Response[bytes]:
        """The schedule as it is now, with its next ticks."""
        return answer(await schedules.schedule(name))

    @put("/schedules/{name:str}", opt={RULE: _PUT}, operation_id="putSchedule", status_code=200, tags=["schedules"])
    async def put_schedule(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        """Create the schedule (201) or replace it (200); an equal one changes nothing; see `Job-Warning`."""
        document = await document_in(request)
        done = await schedules.put(name, document)
        headers = warned(schedules.warning_about(done.schedule, document))
        if done.is_new:
            headers["Location"] = f"/schedules/{name}"
        return answer(done.schedule, status=201 if done.is_new else 200, headers=headers)

    @delete(
        "/schedules/{name:str}", opt={RULE: _DELETE}, status_code=204, operation_id="deleteSchedule", tags=["schedules"]
    )
    async def delete_schedule(name: FromPath[str]) -> None:
        """Remove the schedule and what is known of its ticks; its jobs stay."""
        await schedules.delete(name)

    @post(
        "/schedules/{name:str}/pause",
        opt={RULE: _PAUSE},
        operation_id="pauseSchedule",
        status_code=200,
        tags=["schedules"],
    )
    async def pause(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        """Fire nothing until it is resumed; ticks that come meanwhile are skipped."""
        return answer(await schedules.pause(name, await document_in(request)))

    @post(
        "/schedules/{name:str}/resume",
        opt={RULE: _RESUME},
        operation_id="resumeSchedule",
        status_code=200,
        tags=["schedules"],
    )
    async def resume(name: FromPath[str]) -> Response[bytes]:
        """End a pause; the first tick that fires is one after now."""
        return answer(await schedules.resume(name))

    return [schedule_by_name, put_schedule, delete_schedule, pause, resume]
