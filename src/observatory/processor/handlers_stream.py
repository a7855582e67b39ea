"""A standard stream as handlers see it: they can write to it, and can do it no harm."""

import io
from collections.abc import Callable
from typing import Any, TextIO

from observatory.processor.log_tail import LogTail

_TOLD = frozenset({"line_buffering", "mode", "name", "write_through"})
"""What can be told of the stream below and changes nothing of it."""

Listener = Callable[[], LogTail | None]
"""Gives the log of the attempt that calls; None for everybody else."""


class HandlersStream(io.TextIOBase):
    r"""
    Stands in the place of a standard stream: what an attempt writes is its own, the rest goes to *below*.

    Nobody can close, detach, reconfigure, move in or truncate the stream below through this one: it belongs to
    the whole process. Who that is cannot be told, of a thread that a handler left behind for one, so it holds for
    all. Closing does nothing and the stream stays usable, so a `with` block works. Text that the stream below cannot
    encode is written out, as `\ud800`, and is never an error. Not kept from anybody: `sys.__stdout__` and the
    descriptor.

    Attributes:
        below: The stream itself.
    """

    def __init__(self, below: TextIO, listener: Listener) -> None:
        super().__init__()
        self.below = below
        self._listener = listener
        self._bytes = _HandlersBytes(below, listener)

    @property
    def buffer(self) -> "_HandlersBytes":
        return self._bytes

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "utf-8" if self._listener() is not None else self.below.encoding

    @property
    def errors(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "backslashreplace" if self._listener() is not None else self.below.errors

    @property
    def closed(self) -> bool:
        return self._listener() is None and getattr(self.below, "closed", False)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        """A log is no terminal: who asks is about to colour."""
        return self._listener() is None and self.below.isatty()

    def fileno(self) -> int:
        return self.below.fileno()

    def write(self, text: str, /) -> int:
        tail = self._listener()
        if tail is None:
            return _write_anyhow(self.below, text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        tail.write_text(text)
        return len(text)

    def flush(self) -> None:
        if self._listener() is None:
            self.below.flush()

    def close(self) -> None:
        """Do nothing; what is written is on its way."""

    def reconfigure(self, **options: Any) -> None:
        """Do nothing: a log takes every text."""

    def __getattr__(self, name: str) -> Any:
        if name in _TOLD:
            return getattr(self.below, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)


class _HandlersBytes(io.BufferedIOBase):
    """`buffer` of such a stream. A text wrapper around it that is collected closes it, which does nothing."""

    def __init__(self, below: TextIO, listener: Listener) -> None:
        super().__init__()
        self._below = below
        self._listener = listener

    @property
    def closed(self) -> bool:
        return self._listener() is None and getattr(self._below, "closed", False)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._listener() is None and self._below.isatty()

    def fileno(self) -> int:
        return self._below.fileno()

    def write(self, data: Any, /) -> int:
        written = bytes(memoryview(data))
        tail = self._listener()
        if tail is not None:
            tail.write(written)
        elif hasattr(self._below, "buffer"):
            self._below.buffer.write(written)
        else:
            self._below.write(written.decode("utf-8", "backslashreplace"))
        return len(written)

    def flush(self) -> None:
        if self._listener() is None:
            self._below.flush()

    def close(self) -> None:
        """Do nothing."""


def _write_anyhow(stream: TextIO, text: str) -> int:
    try:
        return stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
        return len(text)
