"""The life of the services of one process, from the first loop to the last: the same for one and for all."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from observatory.runtime.services.service import Service
from observatory.runtime.supervisor import Supervisor

End: TypeAlias = Callable[[], Awaitable[None]]


def run_loops(services: Sequence[Service], supervisor: Supervisor, stack: contextlib.AsyncExitStack) -> list[End]:
    """
    Run the loops of *services*, which have begun, until *stack* ends, and close them.

    Loops end last: what drains and what is still asked over HTTP needs them.

    Returns what ends before them, side by side, so that a stop takes no longer than its slowest part; the caller may
    add to it.
    """
    for service in reversed(services):
        stack.push_async_callback(service.close)
    ends: list[End] = [service.drain for service in services]
    loops_stop = asyncio.Event()
    loops = [loop for service in services for loop in service.loops]
    running = asyncio.create_task(supervisor.run(loops, loops_stop), name="supervisor")

    async def end_all() -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for end in ends:
                    tasks.create_task(_ended(end))
        finally:
            loops_stop.set()
            await running

    stack.push_async_callback(end_all)
    return ends


async def _ended(end: End) -> None:
    await end()
