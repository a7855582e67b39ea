"""Waits for the end of one attempt, and decides when it has waited long enough."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from observatory.core import limits
from observatory.processor.context import StopFlag, StopReason


class Stop(StopFlag):
    """
    How the processor asks one running attempt to end: `stop.ask(StopReason.CANCEL)`.

    `ask` belongs to the loop's thread. It returns at once; `Runner.run` then ends the attempt, each
    isolation in its own way, and returns what came of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._listener: Callable[[StopReason], object] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def is_awaited(self) -> bool:
        """Whether the handler waits for it at this moment."""
        return bool(self._waiting)

    async def wait(self) -> None:
        """Return when there is a reason. On the loop of the processor."""
        if self.reason is not None:
            return
        asked = asyncio.get_running_loop().create_future()
        self._waiting.append(asked)
        try:
            await asked
        finally:
            self._waiting.remove(asked)

    def ask(self, reason: StopReason) -> bool:
        is_news = super().ask(reason)
        for asked in self._waiting:
            if not asked.done():
                asked.set_result(None)
        if is_news and self._listener is not None:
            self._listener(reason)
        return is_news

    def listen(self, listener: Callable[[StopReason], object] | None) -> None:
        """Call *listener* with every new reason, and at once with the present one; None ends it."""
        self._listener = listener
        if listener is not None and self.reason is not None:
            listener(self.reason)


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long an attempt may go on after it was asked to end. All in seconds; None is for ever."""

    cancel_s: float | None
    drain_s: float = limits.DRAIN_S
    awaited_s: float = 0.0
    """After a cancel for which the handler waited, at least this."""

    def after(self, reason: StopReason, *, is_awaited: bool = False) -> float | None:
        """The wait that *reason* leaves."""
        if reason is StopReason.SOFT_TIMEOUT:
            return None
        if reason is StopReason.CANCEL:
            return max(self.cancel_s, self.awaited_s) if is_awaited and self.cancel_s is not None else self.cancel_s
        return self.drain_s if reason is StopReason.DRAIN else 0.0


class TimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The time-outs of one attempt, in seconds from the beginning of the wait."""

    hard_s: float
    soft_s: float | None = None


async def until_over(
    done: asyncio.Future[Any],
    stop: Stop,
    limit: TimeLimits,
    patience: Patience,
    *,
    on_ask: Callable[[StopReason], object] | None = None,
) -> StopReason | None:
    """
    Return None when *done* is, or the reason why it is not waited for any longer.

    Never cancels *done* and never raises what it holds.

    Args:
        on_ask: Called with every new reason to stop.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[StopReason | None] = loop.create_future()
    timers = [loop.call_later(limit.hard_s, stop.ask, StopReason.TIMEOUT)]
    if limit.soft_s is not None:
        timers.append(loop.call_later(limit.soft_s, stop.ask, StopReason.SOFT_TIMEOUT))

    def end(reason: StopReason | None) -> None:
        if not over.done():
            over.set_result(None if done.done() else reason)

    def ended(_: asyncio.Future[Any]) -> None:
        end(None)

    def asked(reason: StopReason) -> None:
        if on_ask is not None:
            on_ask(reason)
        wait_s = patience.after(reason, is_awaited=stop.is_awaited)
        if wait_s is not None:
            timers.append(loop.call_later(wait_s, end, reason))

    done.add_done_callback(ended)
    stop.listen(asked)
    try:
        return await over
    finally:
        stop.listen(None)
        done.remove_done_callback(ended)
        for timer in timers:
            timer.cancel()
