"""How others on this machine find what runs on a data folder: its addresses, published for as long as it runs."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import TypeAlias

import httpx2

from observatory.client.data_folder import Running, read_running
from observatory.client.errors import NotReachable
from observatory.core import limits
from observatory.core.errors import DataFolderInUse
from observatory.runtime.build_info import build_info
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.services.place import Urls
from observatory.runtime.settings import Settings
from observatory.runtime.settings_urls import shown_url
from observatory.runtime.sources import Sources, SystemClock
from observatory.runtime.step import Step

Say: TypeAlias = Callable[[Step], None]

EMBEDDED = "embedded"
"""The database of a process that has the jobs in its data folder."""

STARTING_S_MAX = 3.0
"""How long a second `up` waits for the first one to publish its addresses."""


def publish(
    folder: DataFolder, settings: Settings, sources: Sources, urls: Urls, stack: contextlib.AsyncExitStack
) -> Running:
    """Let everybody who reads *folder* find *urls* and the database, until *stack* ends."""
    running = Running(
        pid=os.getpid(),
        instance_id=sources.instance_id,
        version=build_info().version,
        started_at=sources.clock.now(),
        gateway=urls.gateway,
        read_model=urls.read_model,
        web=urls.web,
        database=_database(settings),
    )
    folder.write_running(running)
    stack.callback(folder.remove_running)
    return running


async def say_where_it_runs(settings: Settings, say: Say) -> bool:
    """
    Say the addresses of the process that owns the data; False when it does not publish them in time.

    Raises:
        DataFolderInUse: It runs over another database than *settings* name.
    """
    clock = SystemClock()
    until_s = clock.monotonic() + STARTING_S_MAX
    while clock.monotonic() < until_s:
        with contextlib.suppress(NotReachable):
            running = read_running(settings.data_dir)
            if running is not None and await _answers(running.gateway):
                _check_same_database(running, settings)
                _say_addresses(running, say)
                return True
        await asyncio.sleep(0.1)
    return False


def _database(settings: Settings) -> str:
    """The database as it is published: two URLs that differ in the password alone are one."""
    return EMBEDDED if settings.postgres_url is None else shown_url(settings.postgres_url)


def _check_same_database(running: Running, settings: Settings) -> None:
    wanted = _database(settings)
    if running.database not in {None, wanted}:
        raise DataFolderInUse(
            f"{settings.data_dir} is held by process {running.pid}, which runs over another database: "
            f"{running.database}; this start asks for {wanted}",
            "stop it, point ODD_DATA_DIR at another folder, or set POSTGRES_URL as it was set there",
        )


def _say_addresses(running: Running, say: Say) -> None:
    say(Step("", f"already running on this data, process {running.pid}", kind="note"))
    for name, url in (("gateway", running.gateway), ("read model", running.read_model)):
        say(Step(name, url))
    if running.web:
        say(Step("dashboard", running.web))


async def _answers(gateway: str) -> bool:
    """True when something of ours answers there: a process that was killed leaves its addresses behind."""
    with contextlib.suppress(httpx2.HTTPError):
        async with httpx2.AsyncClient(trust_env=False, timeout=limits.CONNECT_S_MAX) as client:
            return (await client.get(f"{gateway}/healthz")).json().get("service") == "gateway"
    return False
