"""The end of what one attempt logs and prints, in bounded memory however much that is."""

import threading
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from observatory.core import limits
from observatory.core.sources import Clock
from observatory.job_store.attempt_logs import LogLine

_PIECE_AGE = timedelta(seconds=limits.ATTEMPT_LOG_PIECE_S)
_PIECES_MAX = 2 * limits.ATTEMPT_LOG_LINES_MAX


class Tail(msgspec.Struct, frozen=True):
    """What was kept at one moment."""

    lines: tuple[LogLine, ...]
    dropped_lines: int
    dropped_bytes: int


class _Piece:
    """Bytes that came at about the same time."""

    __slots__ = ("at", "data")

    def __init__(self, at: datetime, data: bytes) -> None:
        self.at = at
        self.data = bytearray(data)


class LogTail:
    """
    Keeps the last `limits.ATTEMPT_LOG_BYTES_MAX` bytes of what is written, with the times, and counts the rest.

    May be written to by any thread. Holds at most twice the bound, so that it is not cut at every write.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._pieces: deque[_Piece] = deque()
        self._held_bytes = 0
        self._dropped_bytes = 0
        self._dropped_lines = 0
        self._saved_bytes = 0
        self.is_closed = False
        """True once the attempt is over: what is written now is not its own any more."""

    @property
    def written_bytes(self) -> int:
        """All that was ever written."""
        return self._held_bytes + self._dropped_bytes

    @property
    def has_news(self) -> bool:
        """Whether something was written since the last `note_saved`."""
        return self.written_bytes > self._saved_bytes

    def note_saved(self, written_bytes: int) -> None:
        self._saved_bytes = max(self._saved_bytes, written_bytes)

    def write(self, data: bytes) -> None:
        """Add *data*. Costs no more for a large one than a look at its line ends."""
        if not data:
            return
        now = self._clock.now()
        with self._lock:
            last = self._pieces[-1] if self._pieces else None
            if last is not None and now - last.at < _PIECE_AGE and len(last.data) < limits.ATTEMPT_LOG_PIECE_BYTES_MAX:
                last.data += data
            else:
                self._pieces.append(_Piece(now, data))
            self._held_bytes += len(data)
            if self._held_bytes > 2 * limits.ATTEMPT_LOG_BYTES_MAX or len(self._pieces) > _PIECES_MAX:
                self._cut()

    def write_text(self, text: str) -> None:
        self.write(text.encode("utf-8", "backslashreplace"))

    def read(self) -> Tail:
        """The last lines as text that every store can hold; what is no UTF-8 is written out in hex."""
        with self._lock:
            self._cut()
            pieces = [(piece.at, bytes(piece.data)) for piece in self._pieces]
            dropped_bytes, dropped_lines = self._dropped_bytes, self._dropped_lines
        if dropped_bytes and pieces:
            pieces[0] = (pieces[0][0], _without_half_character(pieces[0][1]))
        lines = [LogLine(at, _text(line)) for at, line in _lines(pieces)]
        too_many = max(0, len(lines) - limits.ATTEMPT_LOG_LINES_MAX)
        too_many_bytes = sum(len(line.text.encode()) + 1 for line in lines[:too_many])
        return Tail(tuple(lines[too_many:]), dropped_lines + too_many, dropped_bytes + too_many_bytes)

    def _cut(self) -> None:
        """Drop the oldest bytes beyond the bound, and the oldest pieces beyond theirs."""
        excess = self._held_bytes - limits.ATTEMPT_LOG_BYTES_MAX
        while self._pieces and (excess > 0 or len(self._pieces) > _PIECES_MAX // 2):
            oldest = self._pieces[0]
            count = len(oldest.data)
            if count > excess > 0 and len(self._pieces) <= _PIECES_MAX // 2:
                count = excess
            self._dropped_bytes += count
            self._dropped_lines += oldest.data.count(b"\n", 0, count)
            self._held_bytes -= count
            excess -= count
            del oldest.data[:count]
            if not oldest.data:
                self._pieces.popleft()


def _lines(pieces: list[tuple[datetime, bytes]]) -> Iterator[tuple[datetime, bytes]]:
    """Each line with the time at which it began."""
    begun_at: datetime | None = None
    begun: list[bytes] = []
    for at, data in pieces:
        *whole, rest = data.split(b"\n")
        for part in whole:
            yield begun_at or at, b"".join([*begun, part])
            begun_at, begun = None, []
        if rest:
            begun_at = begun_at or at
            begun.append(rest)
    if begun_at is not None:
        yield begun_at, b"".join(begun)


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _without_half_character(data: bytes) -> bytes:
    """A cut may leave the last bytes of a character, of which there are at most three."""
    start = 0
    while start < min(3, len(data)) and 0x80 <= data[start] <= 0xBF:
        start += 1
    return data[start:]
