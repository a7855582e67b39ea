"""`schedules`: list, show, set, pause, resume and delete them, preview a timing, see what became of ticks."""

from typing import Annotated, Any, cast

from cyclopts import App, Parameter

from observatory.cli.commands.reading import Limit, show_list, words
from observatory.cli.commands.submit import document_of
from observatory.cli.connection import connect
from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import UsageError
from observatory.cli.job_request import payload_of, request_of, seconds_of
from observatory.cli.options import TARGET, Target
from observatory.cli.output import Column, Output, cell, of_process
from observatory.cli.person import who
from observatory.core import limits
from observatory.core.job import JsonObject

COLUMNS = (
    Column("NAME", "name"),
    Column("TYPE", "type"),
    Column("WHEN", "when"),
    Column("NEXT TICK", "nextTickAt"),
    Column("LAST TICK", "lastAt"),
    Column("FATE", "lastFate"),
    Column("COUNTS", "counted"),
    Column("PAUSED SINCE", "pausedAt"),
    Column("PROBLEM", "problem"),
)
TICK_COLUMNS = (
    Column("TICK", "tickAt"),
    Column("UNTIL", "lastTickAt"),
    Column("COUNT", "count", is_number=True),
    Column("FATE", "fate"),
    Column("REASON", "reason"),
    Column("JOB", "jobId"),
    Column("RECORDED", "recordedAt"),
)
UPCOMING_COLUMNS = (Column("TICK", "tickAt"), Column("LOCAL TIME", "local"))

schedules = App(name="schedules", help="List schedules; set, pause, resume or delete one, and see its ticks.")


@schedules.command(name="list")
@schedules.default
def list_schedules(
    *, limit: Limit = limits.PAGE_ITEMS_DEFAULT, cursor: str | None = None, target: Target = TARGET
) -> int:
    """
    List schedules in the order of their creation.

    Parameters
    ----------
    limit
        How many at most.
    cursor
        Go on where an earlier list ended.
    """
    with connect(target) as api:
        page = api.schedules(cursor=cursor, count_max=limit)
    return show_list(page, COLUMNS, target, nothing="no schedule yet", rows=[_row(one) for one in page.items])


@schedules.command
def show(name: str, /, *, target: Target = TARGET) -> int:
    """
    Show one schedule, its next ticks and what became of its last ones.

    Parameters
    ----------
    name
        Name of the schedule.
    """
    with connect(target) as api:
        found = api.schedule(name)
        ticks = api.ticks(name, count_max=10)
    out = of_process()
    if target.json:
        out.json({"schedule": found, "ticks": ticks.items})
        return ExitCode.DONE
    _show(out, found)
    if ticks.items:
        out.line("")
        out.table([_tick_row(tick) for tick in ticks.items], TICK_COLUMNS)
    if ticks.next_cursor:
        out.say(f"there are more ticks:  odd-dashboard schedules ticks {cell(name)}", "dim")
    return ExitCode.DONE


@schedules.command(name="set")
def set_schedule(
    name: str,
    type: str,
    /,
    *fields: Annotated[str, Parameter(allow_leading_hyphen=False)],
    cron: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    timezone: str | None = None,
    every: str | None = None,
    anchor: str | None = None,
    missed: str | None = None,
    missed_max: int | None = None,
    payload: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    queue: str | None = None,
    priority: int | None = None,
    max_attempts: int | None = None,
    timeout: str | None = None,
    target: Target = TARGET,
) -> int:
    """
    Create a schedule, or replace its definition.

    An equal definition changes nothing. Ticks that an earlier definition asked for and that have no fate yet are
    skipped.

    For example:

        odd-dashboard schedules set nightly report --cron "0 3 * * *" --timezone Europe/Berlin
        odd-dashboard schedules set heartbeat ping --every 10s --missed skip

    Parameters
    ----------
    name
        Name of the schedule.
    type
        Type of the jobs that it makes.
    fields
        Payload as key=value. A value that is JSON is taken as JSON, every other one as text; key='"3"' is text.
    cron
        Five fields: minute, hour, day of month, month, day of week.
    timezone
        Zone of the cron expression, such as Europe/Berlin. Default: UTC.
    every
        Interval: 10s, 5m, 2h, 1d.
    anchor
        Instant from which the interval counts. Default: 1970-01-01T00:00:00Z.
    missed
        What to do with ticks that nobody fired in time: skip, last or all. Default: last.
    missed_max
        How many of them `all` fires at most. Default: 10.
    payload
        Payload as a JSON object; - reads it from standard input.
    queue
        Queue that the jobs wait in. Default: default.
    priority
        0 is claimed first, 9 last. Default: 5.
    max_attempts
        How often a job may be tried. Default: what the type says.
    timeout
        Hard time-out of one attempt: 30, 30s, 5m. Default: what the type says.
    """
    request = request_of(
        type,
        payload_of(fields, document_of(payload)),
        cron=cron,
        timezone=timezone,
        every=every,
        anchor=anchor,
        missed=missed,
        missedMax=missed_max,
        queue=queue,
        priority=priority,
        maxAttempts=max_attempts,
        timeoutSeconds=None if timeout is None else seconds_of(timeout, option="--timeout"),
    )
    with connect(target) as api:
        stored = api.put_schedule(name, request)
    if stored.warning is not None:
        of_process().mark("warn", cell(stored.warning.partition(": ")[2]))
    return _say(stored.schedule, "set", target)


@schedules.command
def pause(name: str, /, *, by: str | None = None, target: Target = TARGET) -> int:
    """
    Fire nothing until the schedule is resumed; ticks that come meanwhile are skipped.

    Parameters
    ----------
    name
        Name of the schedule.
    by
        Who pauses it. Default: user and host.
    """
    with connect(target) as api:
        stored = api.pause_schedule(name, by=by or who())
    return _say(stored, "paused", target)


@schedules.command
def resume(name: str, /, *, target: Target = TARGET) -> int:
    """
    End a pause.

    Parameters
    ----------
    name
        Name of the schedule.
    """
    with connect(target) as api:
        stored = api.resume_schedule(name)
    return _say(stored, "resumed", target)


@schedules.command
def delete(name: str, /, *, target: Target = TARGET) -> int:
    """
    Remove a schedule and what is known of its ticks. Its jobs stay.

    Parameters
    ----------
    name
        Name of the schedule.
    """
    with connect(target) as api:
        api.delete_schedule(name)
    out = of_process()
    if target.json:
        out.json({"name": name, "deleted": True})
    else:
        out.mark("ok", f"deleted {name}")
    return ExitCode.DONE


@schedules.command
def preview(
    name: str | None = None,
    /,
    *,
    cron: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    timezone: str | None = None,
    every: str | None = None,
    anchor: str | None = None,
    after: str | None = None,
    count: Annotated[int, Parameter(name=("--count", "-n"))] = 10,
    target: Target = TARGET,
) -> int:
    """
    Show when a schedule, or a timing that is not stored yet, would fire.

    For example:

        odd-dashboard schedules preview nightly
        odd-dashboard schedules preview --cron "30 2 * * *" --timezone Europe/Berlin -n 3
        odd-dashboard schedules preview nightly --after 2026-03-28T00:00:00Z

    Parameters
    ----------
    name
        Name of a schedule; or give a timing.
    cron
        Five fields: minute, hour, day of month, month, day of week.
    timezone
        Zone of the cron expression. Default: UTC.
    every
        Interval: 10s, 5m, 2h, 1d.
    anchor
        Instant from which the interval counts.
    after
        Show the ticks after this instant. Default: now.
    count
        How many.
    """
    given: dict[str, str | None] = {"cron": cron, "timezone": timezone, "every": every, "anchor": anchor}
    if (name is None) == all(value is None for value in given.values()):
        what = "neither a schedule nor a timing is given" if name is None else "a schedule and a timing are given"
        raise UsageError(what, 'give one of the two, for example:  … preview --cron "0 3 * * *"')
    with connect(target) as api:
        if name is not None:
            stored = api.schedule(name)
            given = {option: stored.get(option) for option in given}
        found = api.preview_schedule(
            cron=given["cron"],
            timezone=given["timezone"],
            every=given["every"],
            anchor=given["anchor"],
            after=after,
            count=count,
        )
    out = of_process()
    if target.json:
        out.json(found)
        return ExitCode.DONE
    out.table(_upcoming_rows(found.get("items")), UPCOMING_COLUMNS)
    if not found.get("items"):
        out.say("no tick follows", "dim")
    return ExitCode.DONE


@schedules.command
def ticks(
    name: str,
    /,
    *,
    limit: Limit = limits.PAGE_ITEMS_DEFAULT,
    cursor: str | None = None,
    target: Target = TARGET,
) -> int:
    """
    List what became of the ticks of a schedule, newest first.

    Parameters
    ----------
    name
        Name of the schedule.
    limit
        How many at most.
    cursor
        Go on where an earlier list ended.
    """
    with connect(target) as api:
        page = api.ticks(name, cursor=cursor, count_max=limit)
    return show_list(page, TICK_COLUMNS, target, nothing="no tick yet", rows=[_tick_row(tick) for tick in page.items])


def _say(stored: JsonObject, what: str, target: Target) -> int:
    out = of_process()
    if target.json:
        out.json(stored)
        return ExitCode.DONE
    out.mark("ok", f"{what} {cell(stored.get('name'))}")
    out.table(_upcoming_rows(stored.get("upcoming")), UPCOMING_COLUMNS)
    if stored.get("pausedAt"):
        out.say("it is paused, so none of these will fire", "yellow")
    return ExitCode.DONE


def _show(out: Output, found: JsonObject) -> None:
    apart = {"upcoming", "lastTick", "counts"}
    fields = [(words(name), value) for name, value in found.items() if name not in apart]
    out.fields([*fields, ("counts", _counted(found.get("counts")))])
    if found.get("upcoming"):
        out.line("")
        out.table(_upcoming_rows(found["upcoming"]), UPCOMING_COLUMNS)


def _row(schedule: JsonObject) -> JsonObject:
    last = schedule.get("lastTick")
    tick = cast("JsonObject", last) if isinstance(last, dict) else {}
    return {
        "when": _when(schedule),
        "lastAt": tick.get("lastTickAt", tick.get("tickAt")),
        "lastFate": tick.get("fate"),
        "counted": _counted(schedule.get("counts")),
    } | schedule


def _when(schedule: JsonObject) -> str:
    if schedule.get("every") is not None:
        return f"every {schedule['every']}"
    return f"{schedule.get('cron')} {schedule.get('timezone', 'UTC')}"


def _tick_row(tick: JsonObject) -> JsonObject:
    return {"count": 1} | tick


def _upcoming_rows(items: Any) -> list[JsonObject]:
    """Local times as people read them: with a blank instead of the T, and their offset."""
    found = cast("list[JsonObject]", items) if isinstance(items, list) else []
    return [{"tickAt": one.get("tickAt"), "local": str(one.get("localTime")).replace("T", " ", 1)} for one in found]


def _counted(counts: Any) -> str | None:
    if not isinstance(counts, dict):
        return None
    shown = {name: count for name, count in cast("dict[str, Any]", counts).items() if count}
    return " ".join(f"{name}={count}" for name, count in shown.items()) or None
