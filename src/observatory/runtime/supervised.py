"""All roles of one host over PostgreSQL, each in a process of its own: from the migration to the last end."""

import asyncio
import contextlib
from collections.abc import Mapping

import structlog

from observatory.core import limits
from observatory.core.errors import DataFolderInUse, Unavailable
from observatory.core.retry import RetryPolicy
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.discovery import Say, publish, say_where_it_runs
from observatory.runtime.fleet.fleet import Fleet
from observatory.runtime.fleet.plan import plan_of
from observatory.runtime.ports.opening import migrate
from observatory.runtime.settings import Settings
from observatory.runtime.settings_urls import shown_url
from observatory.runtime.sources import Sources, system_sources
from observatory.runtime.step import Step

_log = structlog.get_logger("observatory.fleet")

PAUSES = RetryPolicy(base_s=limits.BEGIN_PAUSE_S, cap_s=limits.BEGIN_PAUSE_S_MAX, factor=2.0, jitter=0.2)


async def run_supervised(settings: Settings, *, environ: Mapping[str, str], say: Say, stop: asyncio.Event) -> None:
    """
    Migrate, then keep every role running until *stop* is set; when this returns or raises, none is left.

    While the database is away nothing is begun, and that is said. When another process runs this data folder
    already, over the same database, its addresses are said and the call returns.

    Args:
        environ: What each role is given, with the settings of this process as variables.

    Raises:
        DataFolderInUse: That process runs over another database, or does not say where it is.
        CannotStart: A port is taken, the data folder cannot be used, the schema is newer than the release, or a role
            cannot run with these settings.
    """
    sources = system_sources()
    began_s = sources.clock.monotonic()
    folder = DataFolder(settings.data_dir)
    try:
        folder.open(holds_jobs=False)
    except DataFolderInUse:
        if not await say_where_it_runs(settings, say):
            raise
        return
    try:
        folder.remove_running()
        if not await _prepared(folder, settings, sources, say, stop):
            return
        async with contextlib.AsyncExitStack() as stack:
            plan = plan_of(settings, environ, stack)
            fleet = Fleet(plan.members, say=say, clock=sources.clock, randomness=sources.randomness)
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(fleet.run(stop), name="fleet")
                if await _ready(fleet, keeping):
                    publish(folder, settings, sources, plan.urls, stack)
                    say(Step("", f"ready in {sources.clock.monotonic() - began_s:.1f} s", kind="note"))
    finally:
        folder.close()


async def _prepared(folder: DataFolder, settings: Settings, sources: Sources, say: Say, stop: asyncio.Event) -> bool:
    """Token and schema; False when *stop* came first."""
    folder.token()
    for warning in folder.warnings:
        say(Step("data", warning, kind="warn"))
    if not await _migrated(settings, sources, say, stop):
        return False
    say(Step("data", shown_url(settings.postgres_url), "PostgreSQL"))
    say(Step("token", str(folder.token_file)))
    return True


async def _migrated(settings: Settings, sources: Sources, say: Say, stop: asyncio.Event) -> bool:
    tries, reason = 0, ""
    while not stop.is_set():
        try:
            migrated = await migrate(settings)
        except Unavailable as error:
            if str(error) != reason:
                reason = str(error)
                say(Step("data", f"{shown_url(settings.postgres_url)} cannot be used; waiting: {reason}", kind="warn"))
            tries += 1
            _log.warning("the database is away, trying again", error=str(error), tries=tries)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSES.delay_s(tries, sources.randomness.random())):
                    await stop.wait()
        else:
            if migrated.applied:
                say(Step("data", f"migrated: {', '.join(migrated.applied)}", kind="note"))
            return True
    return False


async def _ready(fleet: Fleet, keeping: "asyncio.Task[None]") -> bool:
    """False when the fleet ended first."""
    waiting = asyncio.create_task(fleet.ready.wait())
    try:
        await asyncio.wait([waiting, keeping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    return fleet.ready.is_set()
