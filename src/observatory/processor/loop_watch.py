"""
Notices that the event loop stands still, and says which attempt holds it.

A coroutine that blocks holds up everything else in the process: claims, heartbeats, HTTP. Nothing on
the loop can say so while it lasts, so a thread does. It cannot speak while the handler holds the
interpreter's lock as well; then only the end of the stall is logged.
"""

import asyncio
import sys
import threading
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

import structlog

from observatory.core import limits
from observatory.core.sources import Clock
from observatory.processor.context import AttemptFacts

_log = structlog.get_logger("observatory.loop_watch")

_FRAMES_SHOWN = 6
"""Of the code that holds the loop: past the library that waits, to the handler that called it."""


class LoopWatch:
    """
    Watches the loop on which it is started.

    Once per stall of `limits.LOOP_STALL_S` or more it logs a warning while the stall lasts, with the job
    and type whose handler runs at that moment and the place in the code, and another one with the
    duration when the loop goes on.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._attempts: WeakKeyDictionary[asyncio.Task[Any], AttemptFacts] = WeakKeyDictionary()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._thread_id = 0
        self._due_s = 0.0
        self._looked_s = 0.0
        self._holder: dict[str, Any] | None = None
        """Of the stall that was told and has not ended yet."""

    def note(self, task: asyncio.Task[Any], attempt: AttemptFacts) -> None:
        """*task* runs the handler of *attempt*, as long as there is a task."""
        self._attempts[task] = attempt

    def start(self, *, thread: bool = True) -> None:
        """Begin, on the running loop. Without effect when it has begun."""
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._looked_s = self._clock.monotonic()
        self.turn()
        if thread:
            threading.Thread(target=self._look_again_and_again, name="loop watch", daemon=True).start()

    def stop(self) -> None:
        """End, without waiting for the thread."""
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()

    def turn(self) -> None:
        """The loop turns. Called by itself, every `limits.LOOP_LOOK_S`."""
        now_s = self._clock.monotonic()
        with self._lock:
            holder, self._holder = self._holder, None
            stood_s = now_s - self._due_s if self._due_s else 0.0
            self._due_s = now_s + limits.LOOP_LOOK_S
        if holder is not None or stood_s >= limits.LOOP_STALL_S:
            _log.warning("event loop goes on", stood_s=round(stood_s, 1), **(holder or {}))
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None:
            self._timer = self._loop.call_later(limits.LOOP_LOOK_S, self.turn)

    def look(self) -> None:
        """Compare the clock with the last turn. Called by the thread."""
        now_s = self._clock.monotonic()
        # Late itself: the whole process stood still, and the loop gets the chance to turn first.
        was_late, self._looked_s = now_s - self._looked_s >= limits.LOOP_STALL_S, now_s
        with self._lock:
            if was_late or self._holder is not None or now_s - self._due_s < limits.LOOP_STALL_S:
                return
            self._holder = self._who_holds_it()
            _log.warning("event loop blocked", stands_s=round(now_s - self._due_s, 1), **self._holder)

    def _look_again_and_again(self) -> None:
        while not self._ended.wait(limits.LOOP_LOOK_S):
            self.look()

    def _who_holds_it(self) -> dict[str, Any]:
        task = asyncio.current_task(self._loop)
        attempt = None if task is None else self._attempts.get(task)
        frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]  documented, for this purpose
        frame = frames.get(self._thread_id)
        at = " < ".join(_places(frame))
        if attempt is None:
            return {"task": None if task is None else task.get_name(), "at": at}
        return {"job": attempt.job_id, "job_type": attempt.type, "attempt": attempt.attempt, "at": at}


def _places(frame: FrameType | None) -> list[str]:
    """The innermost calls, newest first."""
    places: list[str] = []
    while frame is not None and len(places) < _FRAMES_SHOWN:
        places.append(f"{frame.f_code.co_name} ({frame.f_code.co_filename}:{frame.f_lineno})")
        frame = frame.f_back
    return places
