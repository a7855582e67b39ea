"""The events committed last, in memory, so that the relay need not read back what this process has just written."""

from collections import deque
from collections.abc import Iterable

from observatory.core import limits
from observatory.core.event import Event


class RecentEvents:
    """
    A run of events without a gap, the newest ones; older ones go when it becomes too large.

    It may lack events that are committed, never the other way round: whoever does not find the next position here
    reads the table. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._events: deque[tuple[Event, int]] = deque()
        """With the bytes of each payload."""
        self._bytes_sum = 0
        self.head: int | None = None
        """The newest position of the table; None when something may have been committed that is not known here."""

    def offer(self, events: Iterable[tuple[Event, int]]) -> None:
        """Take up what was committed, in order, each with the bytes of its payload."""
        for event, size in events:
            assert event.position is not None, "committed events have positions"
            if self._events and event.position != self._last + 1:
                self._clear()
            self._events.append((event, size))
            self._bytes_sum += size
            self.head = event.position
        while len(self._events) > limits.RECENT_EVENTS_MAX or self._bytes_sum > limits.READ_BYTES_MAX:
            self._bytes_sum -= self._events.popleft()[1]

    def after(self, position: int, *, count_max: int) -> list[Event]:
        """
        The next events after *position*; none when the first of them is not here. What comes before is let go.

        At most *count_max*, and at most `limits.READ_BYTES_MAX` of payload; but always the first.
        """
        while self._events and self._first <= position:
            self._bytes_sum -= self._events.popleft()[1]
        if not self._events or self._first != position + 1:
            return []
        found: list[Event] = []
        bytes_left = limits.READ_BYTES_MAX
        for event, size in self._events:
            bytes_left -= size
            if found and (bytes_left < 0 or len(found) == count_max):
                break
            found.append(event)
        return found

    def doubt(self) -> None:
        """A commit may have taken effect unseen."""
        self.head = None

    def assure(self, position: int) -> None:
        """The table was read and had nothing after *position*. What was offered meanwhile knows better."""
        if self.head is None:
            self.head = position

    def _clear(self) -> None:
        self._events.clear()
        self._bytes_sum = 0

    @property
    def _first(self) -> int:
        return self._events[0][0].position or 0

    @property
    def _last(self) -> int:
        return self._events[-1][0].position or 0
