"""
Gives what a handler prints and logs in this process to the log of its attempt.

Which attempt speaks is a context variable, so attempts that run at the same time keep apart: it follows
the handler's coroutine or thread, the tasks that it starts and `asyncio.to_thread`. Not captured, because
nothing says whose it is: a thread that the handler starts by itself, what is written to the descriptors
below Python (`os.write`, C code, programs), and `sys.stdout.buffer`.
"""

import logging
import sys
from contextvars import ContextVar
from typing import Any, TextIO, cast

from observatory.processor.log_tail import LogTail

LINE = "%(levelname)s %(name)s: %(message)s"
"""How a log record is written into the log of an attempt."""

_tail: ContextVar[LogTail | None] = ContextVar("attempt_log", default=None)


def current_tail() -> LogTail | None:
    """The log of the attempt whose handler calls; None elsewhere, and when that attempt is over."""
    tail = _tail.get()
    return None if tail is None or tail.is_closed else tail


def speak_into(tail: LogTail) -> None:
    """What is printed and logged in this context from now on belongs to *tail*: call it in one of its own."""
    _tail.set(tail)


class _Stream:
    """A stream of the process, for everybody but handlers."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        tail = current_tail()
        if tail is None:
            return self.stream.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        tail.write_text(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if current_tail() is None:
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


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
        self._records = _Records()
        self._records.setFormatter(logging.Formatter(LINE))

    def begin(self) -> None:
        self._users += 1

    def ensure(self) -> None:
        """Put itself where it is not, or not any more: others replace the streams as well."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, _Stream):
                setattr(sys, name, cast("TextIO", _Stream(stream)))
        if self._records not in logging.root.handlers:
            logging.root.addHandler(self._records)

    def end(self) -> None:
        """The last user puts the streams back."""
        self._users -= 1
        if self._users > 0:
            return
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if isinstance(stream, _Stream):
                setattr(sys, name, stream.stream)
        logging.root.removeHandler(self._records)


CAPTURE = Capture()
"""There is one set of streams in a process."""
