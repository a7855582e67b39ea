"""
Gives what a handler prints and logs in this process to the log of its attempt.

Which attempt speaks is a context variable, so attempts that run at the same time keep apart: it follows
the handler's coroutine or thread, the tasks that it starts and `asyncio.to_thread`. Not captured, because
nothing says whose it is: a thread that the handler starts by itself, what is written to the descriptors
below Python (`os.write`, C code, programs).
"""

import logging
import sys
from contextvars import ContextVar

from observatory.processor.handlers_stream import HandlersStream
from observatory.processor.log_lines import LINE, ForgivingFormatter
from observatory.processor.log_tail import LogTail

_tail: ContextVar[LogTail | None] = ContextVar("attempt_log", default=None)


def current_tail() -> LogTail | None:
    """The log of the attempt whose handler calls; None elsewhere, and when that attempt is over."""
    tail = _tail.get()
    return None if tail is None or tail.is_closed else tail


def speak_into(tail: LogTail) -> None:
    """What is printed and logged in this context from now on belongs to *tail*: call it in one of its own."""
    _tail.set(tail)


class _Records(logging.Handler):
    """Of the standard library, from every logger whose records reach the root."""

    def emit(self, record: logging.LogRecord) -> None:
        tail = current_tail()
        if tail is not None:
            tail.write_text(self.format(record) + "\n")


class Capture:
    """Puts itself between this process and its streams, for as long as somebody uses it."""

    def __init__(self) -> None:
        self._users = 0
        self._streams: dict[str, HandlersStream] = {}
        self._records = _Records()
        self._records.setFormatter(ForgivingFormatter(LINE))

    def begin(self) -> None:
        self._users += 1

    def ensure(self) -> None:
        """Put itself where it is not, or not any more: others replace the streams as well, and some close theirs."""
        for name in ("stdout", "stderr"):
            self._drop_closed(name)
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, HandlersStream):
                ours = HandlersStream(stream, current_tail)
                self._streams.setdefault(name, ours)
                setattr(sys, name, ours)
        if self._records not in logging.root.handlers:
            logging.root.addHandler(self._records)

    def end(self) -> None:
        """The last user puts the streams back."""
        self._users -= 1
        if self._users > 0:
            return
        for name in ("stdout", "stderr"):
            self._drop_closed(name)
            stream = getattr(sys, name)
            if isinstance(stream, HandlersStream):
                setattr(sys, name, stream.below)
        self._streams.clear()
        logging.root.removeHandler(self._records)

    def _drop_closed(self, name: str) -> None:
        """What a handler put in the place of a stream and closed would fail whoever writes next."""
        first = self._streams.get(name)
        if first is not None and getattr(getattr(sys, name), "closed", False) is True and not first.closed:
            setattr(sys, name, first)


CAPTURE = Capture()
"""There is one set of streams in a process."""
