"""SIGINT and SIGTERM: the first asks the process to stop, the second ends it, and so does the clock.

Handlers are other people's code. A coroutine that ignores its cancellation keeps the loop from closing, a thread
that is no daemon keeps the interpreter, and a coroutine that blocks keeps the loop from hearing of the signal. So
a stop has a deadline that a thread of its own holds, and signals are taken by Python's own handlers, which run
even while the loop does not.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from types import FrameType

from observatory.core import limits


class StopSignals:
    """
    Held by the main thread of a process that runs until it is told to stop.

    Args:
        say: Called once, in a thread of its own, when the stop begins.
        say_late: As *say*, when the deadline ends the process: what still ran was not given back.
        stop_s_max: How long after the first signal the deadline comes.
    """

    def __init__(
        self,
        say: Callable[[], object],
        say_late: Callable[[], object],
        *,
        stop_s_max: float = limits.STOP_S_MAX,
    ) -> None:
        self._stop_s_max = stop_s_max
        self._say = say
        self._say_late = say_late
        self._deadline: threading.Timer | None = None

    @contextlib.contextmanager
    def setting(self, stop: asyncio.Event) -> Generator[None]:
        """
        Set *stop* at the first signal. Inside a running loop, in the main thread.

        The process ends with 128 and the number at the second signal, and with 1 when it still runs at the deadline.
        """
        loop = asyncio.get_running_loop()

        def begin() -> None:
            stop.set()
            threading.Thread(target=self._say, name="stopping", daemon=True).start()  # a full pipe holds up nothing

        pid = os.getpid()

        def received(number: int, frame: FrameType | None) -> None:
            if os.getpid() != pid:  # a copy that a handler forked: it ends as any program does
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
                return
            if self._deadline is not None:
                os._exit(128 + number)
            self._end_in(self._stop_s_max, self._give_up)
            loop.call_soon_threadsafe(begin)

        numbers = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.signal(number, received) for number in numbers}
        try:
            yield
        finally:
            for number in numbers:
                signal.signal(number, previous[number])

    def leave(self) -> None:
        """Everything of ours has ended in order: what else holds the process has `limits.STOP_LEAVE_S` left."""
        self._end_in(limits.STOP_LEAVE_S, lambda: _exit(0, lambda: None))

    def _give_up(self) -> None:
        _exit(1, self._say_late)

    def _end_in(self, seconds: float, end: Callable[[], object]) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = threading.Timer(seconds, end)
        self._deadline.daemon = True
        self._deadline.start()


def _exit(code: int, say: Callable[[], object]) -> None:
    """End the process now, with what it has to say as far as somebody takes it."""

    def speak() -> None:
        with contextlib.suppress(Exception):
            say()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()

    try:
        speaking = threading.Thread(target=speak, name="last words", daemon=True)
        speaking.start()
        speaking.join(limits.STOP_LAST_WORDS_S)
    finally:
        os._exit(code)
