"""`watch`."""

import asyncio
import contextlib
import sys
from collections.abc import Iterable
from typing import Annotated

from cyclopts import Parameter

from observatory.cli.commands.reading import checked_job_id
from observatory.cli.connection import connect, connect_async
from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import UsageError
from observatory.cli.live_view import Watched, event_cells
from observatory.cli.options import TARGET, Target
from observatory.cli.output import STATUS_STYLES, Output, cell, of_process
from observatory.client.api import Api
from observatory.client.async_api import AsyncApi
from observatory.client.errors import NotReachable, ServiceFailed
from observatory.client.following import FollowAsked, Heard
from observatory.core import limits
from observatory.core.job import FINAL, JobStatus, JsonObject
from observatory.runtime.sources import SystemClock

PAINT_S = 0.25
STATS_S = 1.0


def watch(
    job: str | None = None,
    /,
    *,
    type: str | None = None,
    event: str | None = None,
    after: Annotated[int | None, Parameter(name="--after")] = None,
    target: Target = TARGET,
) -> int:
    """
    Show events as they happen.

    In a terminal a live picture with counts, in a pipe one line per event. A connection that breaks is replaced and
    goes on where it was; it is said when it is lost and when it is back. Ctrl-C ends it. With a job: its history from
    the beginning, until it is final; then it ends as `submit --wait` does.

    For example:

        odd-dashboard watch
        odd-dashboard watch --type thumbnail --event job.failed
        odd-dashboard watch --after 0 --json | head -n 100

    Parameters
    ----------
    job
        Id of one job.
    type
        Only events of jobs of this type.
    event
        Only events of this kind, such as job.failed.
    after
        Begin behind this position; 0 is the beginning of the history. Default: from now on.
    """
    out = of_process()
    if job is not None:
        if (type, event, after) != (None, None, None):
            raise UsageError("a job is watched as a whole", "leave out --type, --event and --after")
        return _watch_job(checked_job_id(job), out, target)
    if after is not None and not 0 <= after <= limits.JSON_INTEGER_MAX:
        raise UsageError(f"--after is {after}; it must be a position, 0 or more", "see:  odd-dashboard stats")
    asked = FollowAsked(job_type=type, event_type=event, after=after)
    if target.json or not out.is_terminal:
        with connect(target) as api:
            _print_all(api.follow(**asked), out, is_json=target.json)
    else:
        asyncio.run(_show(target, asked, " ".join(filter(None, (type, event))) or "all events", out))
    return ExitCode.DONE


# --- lines --------------------------------------------------------------------------------------


def _print_all(stream: Iterable[Heard], out: Output, *, is_json: bool) -> None:
    teller = _Teller(out)
    for heard in stream:
        teller.tell(heard)
        _print(heard, out, is_json=is_json)


def _print(heard: Heard, out: Output, *, is_json: bool) -> None:
    if is_json and heard.kind == "resync":
        out.json({"resync": {"position": heard.position, "reason": heard.reason}})
    if heard.event is None:
        return
    if is_json:
        out.json(heard.event)
    else:
        *others, status = event_cells(heard.event)
        out.line("  ".join([*others, out.painted(status, STATUS_STYLES.get(status))]))
        out.flush()


class _Teller:
    """Says once when the connection is lost, and once when it is back."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._clock = SystemClock()
        self._lost_s: float | None = None

    def tell(self, heard: Heard) -> None:
        if heard.kind == "lost" and self._lost_s is None:
            self._lost_s = self._clock.monotonic()
            at = "" if heard.position is None else f" at position {heard.position}"
            self._out.mark("warn", f"connection lost{at}: {heard.reason}", "trying again until it is back")
        elif heard.kind == "connected" and self._lost_s is not None:
            away_s = self._clock.monotonic() - self._lost_s
            self._lost_s = None
            self._out.mark("ok", f"connected again after {away_s:.0f} s; goes on without a gap")
        elif heard.kind == "resync":
            text = f"events were left out ({heard.reason}); goes on from position {heard.position}"
            self._out.mark("warn", text, "what it left out is in the lists:  odd-dashboard jobs")


def _watch_job(job_id: str, out: Output, target: Target) -> int:
    with connect(target) as api:
        history = api.job_events(job_id)
        last: JsonObject = history.items[-1]
        for event in history.items:
            _print(Heard(kind="job", position=None, event=event), out, is_json=target.json)
        if not _is_end(last):
            _follow_job(api, job_id, last, out, is_json=target.json)
        return _say_end(api.job(job_id), out)


def _follow_job(api: Api, job_id: str, last: JsonObject, out: Output, *, is_json: bool) -> None:
    teller = _Teller(out)
    for heard in api.follow(job_id=job_id, after=last.get("position")):
        teller.tell(heard)
        _print(heard, out, is_json=is_json)
        is_over = heard.kind == "resync" and api.job(job_id).get("status") in FINAL
        if is_over or (heard.event is not None and _is_end(heard.event)):
            return


def _is_end(event: JsonObject) -> bool:
    return (event.get("payload") or {}).get("status") in FINAL


def _say_end(job: JsonObject, out: Output) -> int:
    status = job.get("status")
    if status == JobStatus.COMPLETED:
        out.mark("ok", f"COMPLETED, attempt {cell(job.get('attempt', 1))}")
        return ExitCode.DONE
    error: JsonObject = job.get("error") or {}
    out.mark("fail", f"{cell(status)}: {error.get('type', 'no error')}: {error.get('message', 'it was cancelled')}")
    return ExitCode.JOB_FAILED


# --- the picture ----------------------------------------------------------------------------------


async def _show(target: Target, asked: FollowAsked, of: str, out: Output) -> None:
    clock = SystemClock()
    watched = Watched(of, clock.monotonic())
    async with connect_async(target) as api, asyncio.TaskGroup() as tasks:
        tasks.create_task(_hear(api, asked, watched, clock))
        tasks.create_task(_count(api, watched, clock))
        tasks.create_task(_paint(watched, clock, out))


async def _hear(api: AsyncApi, asked: FollowAsked, watched: Watched, clock: SystemClock) -> None:
    async for heard in api.follow(**asked):
        watched.hear(heard, clock.monotonic())


async def _count(api: AsyncApi, watched: Watched, clock: SystemClock) -> None:
    while True:
        if watched.is_connected:
            with contextlib.suppress(NotReachable, ServiceFailed):  # the picture shows how old the last counts are
                watched.count(await api.stats(), clock.monotonic())
        await asyncio.sleep(STATS_S if watched.is_connected else PAINT_S)


async def _paint(watched: Watched, clock: SystemClock, out: Output) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    console = out.console(sys.stdout)
    with Live(console=console, auto_refresh=False, redirect_stdout=False) as live:
        shown: list[Text] = []
        while True:
            lines = list(watched.lines(clock.monotonic(), height=console.size.height))
            if lines != shown:  # nothing moves in a picture of which nothing changed
                live.update(Group(*lines), refresh=True)
                shown = lines
            await asyncio.sleep(PAINT_S)
