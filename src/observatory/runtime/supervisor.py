"""Runs loops: `run_once()` while there is work, `wait()` while there is none, and again after a failure."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

import structlog

from observatory.core import limits
from observatory.core.errors import Unavailable
from observatory.core.retry import RetryPolicy
from observatory.core.sources import Clock, Randomness

_log = structlog.get_logger("observatory.supervisor")

FAILURE_BACKOFF = RetryPolicy(base_s=0.2, factor=2.0, cap_s=limits.LOOP_BACKOFF_S_MAX)
AWAY_BACKOFF = RetryPolicy(base_s=0.2, factor=2.0, cap_s=limits.LOOP_AWAY_S_MAX)


FAILURES_MAX = 3
"""Failures in a row from which on a loop counts as not working."""


class Loop(Protocol):
    """Everything that runs in the background."""

    name: str

    async def run_once(self) -> int:
        """Do one bounded piece of work; returns how much was done. 0 means nothing is left for now."""
        ...

    async def wait(self) -> None:
        """Return when there may be something to do. May be cancelled at any time without loss."""
        ...


class LoopDown(Unavailable):
    """A loop of this process does not work; its code says how."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class LoopState:
    """What the health page says about one loop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.failures = 0
        """In a row; 0 while it works."""
        self.last_error = ""
        self.began_s: float | None = None
        """When the round that is under way began, by the monotonic clock; None between two rounds."""
        self.is_resting = False
        """True while it waits after a round that worked; its failures are forgotten once that wait is over."""
        self.has_ended = False
        """True once it will not run again."""
        self.waiting: asyncio.Task[Any] | None = None
        """Its task while there is nothing to do: a stop need not let it wait to the end."""


class Supervisor:
    """
    Keeps loops running until `stop` is set.

    A loop that fails is run again after a backoff; no failure ends the process or another loop. At
    the stop a waiting loop ends at once and a working one after its piece of work.
    """

    def __init__(self, *, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._randomness = randomness
        self.states: dict[str, LoopState] = {}

    async def check(self, name: str) -> None:
        """
        Return when the loop *name* works, or has not begun yet.

        Raises:
            LoopDown: It failed `FAILURES_MAX` times in a row or more and has not worked since, its round takes longer
                than `limits.RUN_ONCE_S_MAX`, or it ended.
        """
        down = self.down(name)
        if down is not None:
            raise down

    def down(self, name: str) -> LoopDown | None:
        """What `check` raises."""
        state = self.states.get(name)
        if state is None:
            return None
        stands_s = 0.0 if state.began_s is None else self._clock.monotonic() - state.began_s
        if state.has_ended:
            return LoopDown("loop_ended", f"{name} ended")
        if state.failures >= FAILURES_MAX and not state.is_resting:
            return LoopDown("loop_fails", f"{name} failed {state.failures} times in a row: {state.last_error}")
        if stands_s > limits.RUN_ONCE_S_MAX:
            return LoopDown("loop_hangs", f"{name} is in one round for {stands_s:.0f} s")
        return None

    async def run(self, loops: Sequence[Loop], stop: asyncio.Event) -> None:
        """Run *loops* side by side; returns when every one has ended."""
        async with asyncio.TaskGroup() as tasks:
            for loop in loops:
                tasks.create_task(self._run(loop, stop), name=loop.name)
            await stop.wait()
            for state in self.states.values():
                if state.waiting is not None:
                    state.waiting.cancel()

    async def _run(self, loop: Loop, stop: asyncio.Event) -> None:
        state = self.states.setdefault(loop.name, LoopState(loop.name))
        try:
            while not stop.is_set():
                try:
                    await self._round(loop, state, stop)
                except Exception as error:  # noqa: BLE001 — whatever it was, the loop is run again
                    await self._wait(state, stop, asyncio.sleep(self._note_failure(state, error)))
        finally:
            state.has_ended = True

    async def _round(self, loop: Loop, state: LoopState, stop: asyncio.Event) -> None:
        """Once through the work, and through the wait when there was none."""
        state.began_s = self._clock.monotonic()
        try:
            done = await loop.run_once()
        finally:
            state.began_s = None
        if done:
            await asyncio.sleep(0)
        else:
            state.is_resting = True
            try:
                await self._wait(state, stop, loop.wait())
            finally:
                state.is_resting = False
        state.failures = 0

    async def _wait(self, state: LoopState, stop: asyncio.Event, waiting: Coroutine[Any, Any, None]) -> None:
        """Await *waiting* in this very task, but no longer than until *stop* is set. Raises what *waiting* raises."""
        if stop.is_set():
            waiting.close()
            return
        task = state.waiting = asyncio.current_task()
        try:
            await waiting
        except asyncio.CancelledError:
            if task is None or not stop.is_set():
                raise
            task.uncancel()
        finally:
            state.waiting = None

    def _note_failure(self, state: LoopState, error: Exception) -> float:
        """Log the failure and return how long to pause, in seconds."""
        state.failures += 1
        state.last_error = f"{type(error).__name__}: {error}"
        is_expected = isinstance(error, Unavailable)
        backoff = AWAY_BACKOFF if is_expected else FAILURE_BACKOFF
        pause_s = backoff.delay_s(state.failures, self._randomness.random())
        _log.warning(
            "loop failed", loop=state.name, error=state.last_error, failures=state.failures, pause_s=round(pause_s, 3),
            exc_info=None if is_expected else error,
        )  # fmt: skip
        return pause_s
