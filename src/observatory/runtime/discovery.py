"""How others on this machine find what runs on a data folder: its addresses, published for as long as it runs."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import httpx2

from observatory.client.data_folder import Running, read_running
from observatory.client.errors import NotReachable
from observatory.core import limits
from observatory.runtime.build_info import build_info
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.services.place import Urls
from observatory.runtime.sources import Sources, SystemClock
from observatory.runtime.step import Step

Say: TypeAlias = Callable[[Step], None]

STARTING_S_MAX = 3.0
"""How long a second `up` waits for the first one to publish its addresses."""


def publish(folder: DataFolder, sources: Sources, urls: Urls, stack: contextlib.AsyncExitStack) -> Running:
    """Let everybody who reads *folder* find *urls*, until *stack* ends."""
    running = Running(
        pid=os.getpid(),
        instance_id=sources.instance_id,
        version=build_info().version,
        started_at=sources.clock.now(),
        gateway=urls.gateway,
        read_model=urls.read_model,
        web=urls.web,
    )
    folder.write_running(running)
    stack.callback(folder.remove_running)
    return running


async def say_where_it_runs(data_dir: Path, say: Say) -> bool:
    """Say the addresses of the process that owns the data; False when it does not publish them in time."""
    clock = SystemClock()
    until_s = clock.monotonic() + STARTING_S_MAX
    while clock.monotonic() < until_s:
        with contextlib.suppress(NotReachable):
            running = read_running(data_dir)
            if running is not None and await _answers(running.gateway):
                say(Step("", f"already running on this data, process {running.pid}", kind="note"))
                for name, url in (("gateway", running.gateway), ("read model", running.read_model)):
                    say(Step(name, url))
                if running.web:
                    say(Step("dashboard", running.web))
                return True
        await asyncio.sleep(0.1)
    return False


async def _answers(gateway: str) -> bool:
    """True when something of ours answers there: a process that was killed leaves its addresses behind."""
    with contextlib.suppress(httpx2.HTTPError):
        async with httpx2.AsyncClient(trust_env=False, timeout=limits.CONNECT_S_MAX) as client:
            return (await client.get(f"{gateway}/healthz")).json().get("service") == "gateway"
    return False
