"""
What is asked about schedules: pure, for both clients.

Calls that name a schedule raise `InvalidSchedule` for a name that none can have.
"""

from typing import TypedDict

import msgspec

from observatory.client import calls
from observatory.client.calls import Call, Reply
from observatory.core import limits
from observatory.core.job import JsonObject
from observatory.core.schedule_name import checked_name


class PreviewAsked(TypedDict, total=False):
    """The arguments of `preview`, for the clients that hand them on."""

    cron: str | None
    timezone: str | None
    every: str | None
    anchor: str | None
    after: str | None
    """An instant; None means now."""
    count: int


class StoredSchedule(msgspec.Struct, frozen=True):
    """A schedule that is durable."""

    schedule: JsonObject
    warning: str | None = None
    """What the gateway wants its author to know of it: a code, a colon, a sentence."""


def put(name: str, request: JsonObject) -> Call:
    """Create or replace (`contracts/schemas/schedule-request`)."""
    call = calls.post(_of(name), request)
    return msgspec.structs.replace(call, method="PUT")


def stored(call: Call, reply: Reply) -> StoredSchedule:
    """
    Raises:
        RequestRefused, ServiceFailed, BadAnswer: As of `calls.understood`.
    """
    schedule = calls.an_object(call, calls.understood(call, reply))
    return StoredSchedule(schedule=schedule, warning=reply.headers.get("job-warning"))


def delete(name: str) -> Call:
    return Call(service="gateway", method="DELETE", path=_of(name))


def pause(name: str, by: str | None) -> Call:
    return calls.post(_of(name, "/pause"), {} if by is None else {"by": by})


def resume(name: str) -> Call:
    return calls.post(_of(name, "/resume"))


def schedules(cursor: str | None, count_max: int) -> Call:
    return calls.get("read_model", "/schedules", cursor=cursor, limit=count_max)


def schedule(name: str) -> Call:
    return calls.get("read_model", _of(name))


def ticks(name: str, cursor: str | None, count_max: int) -> Call:
    return calls.get("read_model", _of(name, "/ticks"), cursor=cursor, limit=count_max)


def preview(
    *,
    cron: str | None = None,
    timezone: str | None = None,
    every: str | None = None,
    anchor: str | None = None,
    after: str | None = None,
    count: int = limits.UPCOMING_DEFAULT,
) -> Call:
    return calls.get(
        "read_model",
        "/schedule-preview",
        cron=cron,
        timezone=timezone,
        every=every,
        anchor=anchor,
        after=after,
        count=count,
    )


def done(call: Call, reply: Reply) -> None:
    """
    A good answer without a body.

    Raises:
        RequestRefused, ServiceFailed, BadAnswer: As of `calls.understood`.
    """
    if reply.status != 204:
        calls.understood(call, reply)


def _of(name: str, rest: str = "") -> str:
    return f"/schedules/{checked_name(name)}{rest}"
