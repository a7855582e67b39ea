"""An event loop without an outside: virtual time, one seeded draw for each callback that runs next.

The rules are in `docs/decisions/0004-simulation-loop.md`. Nothing here knows what is simulated.
"""

import asyncio
import contextvars
import heapq
import math
import threading
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from observatory.engine.inline_executor import InlineExecutor
from observatory.testing.manual_sources import BEGINNING
from tests.simulation.streams import Stream

PICKS_WITHOUT_PROGRESS_MAX = 20_000
"""Callbacks at one instant of virtual time. A world of this size needs a few hundred."""

TEARDOWN_PICKS_MAX = 200_000


class Escape(Exception):
    """The simulated code reached for something outside: a socket, a thread, a signal, a child process."""


class Deadlock(Exception):
    """Nothing is ready and no timer is set: nobody will ever do anything again."""


class Livelock(Exception):
    """Callbacks follow callbacks, and time stands still."""


class Node:
    """One run of one process: what it scheduled can be held back for a while, or for ever."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_crashed = False
        self.is_paused = False
        self.was_paused_at_s = -math.inf
        self.cut_off_until_s = 0.0
        """Until then nothing that it sends arrives."""
        self.parked: list[asyncio.Handle] = []

    def __repr__(self) -> str:
        return self.name


NODE: contextvars.ContextVar[Node | None] = contextvars.ContextVar("simulated node", default=None)
"""To whom a callback belongs. Tasks and timers inherit it; None is the world itself, which never fails."""


class NumberedTask(asyncio.Task[Any]):
    """Hashes by its number: the order in which a set of tasks is walked does not depend on addresses."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], number: int, node: Node | None, **options: Any) -> None:
        self.number = number
        self.node = node
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self.number


class SimulationLoop(asyncio.BaseEventLoop):
    """
    Runs what is ready in a drawn order; when nothing is, goes straight to the next timer.

    Args:
        schedule: Decides, and nothing else draws from it.
    """

    _ready: list[asyncio.Handle]  # a bag: its order means nothing
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, schedule: Stream) -> None:
        super().__init__()
        self.set_debug(enabled=False)
        self._ready = []
        self._draw = schedule.random
        self._now_s = 0.0
        self._picks_at_this_instant = 0
        self._thread = threading.get_ident()
        self._graveyard: list[asyncio.Handle] = []
        self._tasks: list[NumberedTask] = []
        self._task_count = 0
        self.picks = 0
        """Callbacks that ran so far."""

    # --- time and choice ----------------------------------------------------------------------

    def time(self) -> float:
        return self._now_s

    def _run_once(self) -> None:
        self._collect_due()
        while not self._ready:
            self._advance()
        ready = self._ready
        index = int(self._draw() * len(ready))
        handle, ready[index] = ready[index], ready[-1]
        ready.pop()
        if handle._cancelled or self._is_held_back(handle):
            return
        self.picks += 1
        self._picks_at_this_instant += 1
        if self._picks_at_this_instant > PICKS_WITHOUT_PROGRESS_MAX:
            raise Livelock(f"{PICKS_WITHOUT_PROGRESS_MAX} callbacks at {self._now_s:.6f} s, the last one {handle!r}")
        handle._run()

    def _is_held_back(self, handle: asyncio.Handle) -> bool:
        node = handle._context.get(NODE)
        if node is None:
            return False
        if node.is_crashed:
            self._graveyard.append(handle)  # kept, so that no finally block runs before the end
            return True
        if node.is_paused:
            node.parked.append(handle)
        return node.is_paused

    def _collect_due(self) -> None:
        timers = self._scheduled
        while timers and (timers[0]._cancelled or timers[0]._when <= self._now_s):
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if not timer._cancelled:
                self._ready.append(timer)

    def _advance(self) -> None:
        """To the next timer that somebody waits for."""
        timers = self._scheduled
        if not timers:
            raise Deadlock(f"nothing is ready and no timer is set at {self._now_s:.6f} s")
        if timers[0]._when > self._now_s:
            self._now_s = timers[0]._when
            self._picks_at_this_instant = 0
        self._collect_due()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are dropped when their turn comes."""

    # --- nodes --------------------------------------------------------------------------------

    def spawn(self, node: Node | None, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run *coroutine* as part of *node*."""
        context = contextvars.Context()
        context.run(NODE.set, node)
        return self.create_task(coroutine, context=context)

    def crash(self, node: Node) -> None:
        """A power cut: nothing of *node* runs again, no finally block and no cancellation."""
        node.is_crashed = True
        self._graveyard += node.parked
        node.parked.clear()

    def pause(self, node: Node, seconds: float) -> None:
        """Hold back everything of *node*; what became ready meanwhile runs afterwards, timers included."""
        node.is_paused = True
        node.was_paused_at_s = self._now_s
        self.call_later(seconds, self.resume, node, context=contextvars.Context())

    def resume(self, node: Node) -> None:
        """End a pause. Safe to call twice."""
        node.is_paused = False
        node.was_paused_at_s = self._now_s
        self._ready += node.parked
        node.parked.clear()

    # --- tasks --------------------------------------------------------------------------------

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None, **_: Any) -> NumberedTask:
        self._task_count += 1
        number = self._task_count
        node = NODE.get() if context is None else context.get(NODE)
        task = NumberedTask(coro, number, node, loop=self, name=name or f"task {number}", context=context)
        self._tasks.append(task)
        if len(self._tasks) >= 2_000:
            self._tasks = [kept for kept in self._tasks if not kept.done() or _has_unseen_error(kept)]
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Run *func* now; its caller goes on at a drawn step."""
        if not isinstance(executor, InlineExecutor):
            raise Escape("run_in_executor with threads")
        done = executor.submit(func, *args)
        future = self.create_future()
        self.call_soon(_copy_outcome, done, future)
        return future

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        if threading.get_ident() != self._thread:
            raise Escape("call_soon_threadsafe from another thread")
        return self.call_soon(callback, *args, context=context)

    def unseen_errors(self) -> list[BaseException]:
        """What ended tasks without anybody looking."""
        return [task._exception for task in self._tasks if _has_unseen_error(task)]  # pyright: ignore[reportAttributeAccessIssue] — CPython's own attribute

    def tear_down(self) -> None:
        """End every task, also those of crashed nodes, then close. Comes after the last check."""
        for handle in self._graveyard:
            self._ready.append(handle)
        for handle in self._ready:
            node = handle._context.get(NODE)
            if node is not None:
                node.is_crashed = node.is_paused = False
        self._graveyard.clear()
        for _ in range(5):
            pending = [task for task in self._tasks if not task.done()]
            if not pending:
                break
            self._end(pending)
        for task in self._tasks:
            task._log_destroy_pending = task._log_traceback = False  # pyright: ignore[reportAttributeAccessIssue] — CPython's own attributes
        self._tasks.clear()
        self.close()

    def _end(self, tasks: list[NumberedTask]) -> None:
        for task in tasks:
            if task.node is not None:
                task.node.is_crashed = task.node.is_paused = False
            task.cancel()
        self.call_later(60.0, self.stop, context=contextvars.Context())
        self._picks_at_this_instant = 0
        self.run_forever()


def _copy_outcome(done: Any, future: asyncio.Future[Any]) -> None:
    if future.done():
        return
    error = done.exception()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(done.result())


def _has_unseen_error(task: asyncio.Task[Any]) -> bool:
    return task.done() and bool(task._log_traceback)  # pyright: ignore[reportAttributeAccessIssue] — CPython's own attribute


def _escaping(name: str) -> Callable[..., Any]:
    def escape(self: SimulationLoop, *args: Any, **kwargs: Any) -> Any:
        raise Escape(name)

    escape.__name__ = name
    return escape


ESCAPES = (
    "add_reader", "add_signal_handler", "add_writer", "connect_accepted_socket", "connect_read_pipe",
    "connect_write_pipe", "create_connection", "create_datagram_endpoint", "create_server", "create_unix_connection",
    "create_unix_server", "getaddrinfo", "getnameinfo", "remove_reader", "remove_signal_handler", "remove_writer",
    "sendfile", "sock_accept", "sock_connect", "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into",
    "sock_sendall", "sock_sendfile", "sock_sendto", "start_tls", "subprocess_exec", "subprocess_shell",
)  # fmt: skip
"""What leads out of the simulation, by the name it is refused with."""

for _name in ESCAPES:
    setattr(SimulationLoop, _name, _escaping(_name))


class LoopClock:
    """
    Implements `core.sources.Clock` by virtual time.

    Args:
        ahead_s: How wrong this process's wall clock is. Its monotonic clock is right.
    """

    def __init__(self, loop: SimulationLoop, *, ahead_s: float = 0.0) -> None:
        self._loop = loop
        self._begin = BEGINNING + timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()
