"""The line on standard error that says how far a long command is, and goes away."""

import contextlib
import sys
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from observatory.cli.output import Output
from observatory.core import limits
from observatory.runtime.sources import SystemClock

if TYPE_CHECKING:
    from rich.status import Status

Say = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many; a total of 0 is not known."""


@contextlib.contextmanager
def progress(out: Output, *, is_json: bool) -> Generator[Say]:
    """Nothing is drawn for a program, where nobody watches, and of what is over in a moment."""
    if is_json or not out.err_is_terminal:
        yield _nothing
        return
    line = _Line(out.console(sys.stderr).status("working", spinner="dots"))
    try:
        yield line.say
    finally:
        line.end()


def words(what: str, done: int, total: int) -> str:
    """The line: `comparing jobs, 1,200 of 890,000`."""
    return f"{what}, {done:,} of {total:,}" if total else what


class _Line:
    """Drawn from `limits.PROGRESS_LINE_S` after its making, also when nothing more is said until then."""

    def __init__(self, status: "Status") -> None:
        self._status = status
        self._clock = SystemClock()
        self._began_s = self._clock.monotonic()
        self._lock = threading.Lock()
        self._is_over = False
        self._later = threading.Timer(limits.PROGRESS_LINE_S, self._draw)
        self._later.daemon = True
        self._later.start()

    def say(self, what: str, done: int, total: int) -> None:
        self._status.update(words(what, done, total))
        if self._clock.monotonic() - self._began_s >= limits.PROGRESS_LINE_S:
            self._draw()

    def end(self) -> None:
        self._later.cancel()
        with self._lock:
            self._is_over = True
            self._status.stop()

    def _draw(self) -> None:
        with self._lock:
            if not self._is_over:
                self._status.start()


def _nothing(what: str, done: int, total: int) -> None:
    """Nobody watches."""
