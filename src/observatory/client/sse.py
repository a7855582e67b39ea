"""
Server-Sent Events, read from bytes that come in pieces of any size: pure.

By the rules of the HTML standard ("Interpreting an event stream"): lines end in CR, LF or both, comments and unknown
fields are passed over, several `data` lines are one text. Unlike a browser it has bounds.
"""

import re

import msgspec

from observatory.client.errors import BadAnswer
from observatory.core import limits

_LINE_END = re.compile(rb"[\r\n]")
_BOM = "\ufeff"


class Message(msgspec.Struct, frozen=True):
    """One event of a stream."""

    name: str
    """`message` when the stream named none."""
    data: str
    id: str
    """The last one that was told; empty before the first."""


class SseParser:
    """
    One connection's reader.

    Attributes:
        retry_s: How soon to come back, as the stream said; None while it did not.
    """

    def __init__(self) -> None:
        self.retry_s: float | None = None
        self._pending = bytearray()
        self._is_after_cr = False
        self._is_first_line = True
        self._id = ""
        self._name = ""
        self._data: list[str] = []
        self._data_size = 0

    def feed(self, chunk: bytes) -> list[Message]:
        """
        The messages that *chunk* completes.

        Raises:
            BadAnswer: A line or a message exceeds `limits.STREAM_LINE_BYTES_MAX`.
        """
        if self._is_after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._is_after_cr = False
        self._pending += chunk
        found: list[Message] = []
        if _LINE_END.search(chunk):
            self._is_after_cr = chunk.endswith(b"\r")
            lines = bytes(self._pending).splitlines(keepends=True)
            is_complete = lines[-1].endswith((b"\r", b"\n"))
            self._pending = bytearray() if is_complete else bytearray(lines.pop())
            for line in lines:
                message = self._take(line.rstrip(b"\r\n"))
                if message is not None:
                    found.append(message)
        _check_size(len(self._pending))
        return found

    def _take(self, line: bytes) -> Message | None:
        _check_size(len(line))
        text = line.decode("utf-8", "replace")
        if self._is_first_line:
            text = text.removeprefix(_BOM)
            self._is_first_line = False
        if not text:
            return self._dispatched()
        name, _, value = text.partition(":")
        self._set(name, value.removeprefix(" "))
        return None

    def _set(self, name: str, value: str) -> None:
        match name:
            case "data":
                self._data.append(value)
                self._data_size += len(value) + 1
                _check_size(self._data_size)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdecimal() and len(value) < 10:
                self.retry_s = int(value) / 1000
            case _:
                pass

    def _dispatched(self) -> Message | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._data_size = "", [], 0
        return Message(name, "\n".join(data), self._id) if data else None


def _check_size(size: int) -> None:
    if size > limits.STREAM_LINE_BYTES_MAX:
        raise BadAnswer(f"the stream holds a line or an event of more than {limits.STREAM_LINE_BYTES_MAX} bytes")
