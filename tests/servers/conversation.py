"""
What a proxy has to know of a protocol: where in the streams of bytes a request and the reply to it end.

A further protocol is one more `Conversation`; the proxy and its faults stay as they are.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from tests.servers.fault_plan import Rule


class Direction(StrEnum):
    REQUESTS = "requests"
    """From the client to the server."""
    REPLIES = "replies"


@dataclass(eq=False)
class Exchange:
    """One request and the reply to it. *label* says what is asked: "POST /jobs", or the statements."""

    label: str
    is_decided: bool = True
    """The label is final. Until then the parts pass, whatever the plan says."""
    is_planned: bool = False
    rule: Rule | None = None
    """The fault that happens to it, chosen when its first bytes pass."""
    is_sent: bool = False
    """The server has the whole request."""
    passed_bytes: dict[Direction, int] = field(default_factory=lambda: dict.fromkeys(Direction, 0))


class Part(NamedTuple):
    """Bytes that belong to one exchange; *is_last* of the request or of the reply, whichever stream they come from."""

    exchange: Exchange
    data: bytes
    is_last: bool


class Conversation:
    """
    Both streams of one connection. As it stands it knows no protocol: the connection is one exchange without an end.

    What is not yet understood waits in `unsent` and `unanswered`.
    A request is handed out before the reply to it is read, so replies belong to the oldest open exchange.
    """

    def __init__(self) -> None:
        self.unsent = bytearray()
        self.unanswered = bytearray()
        self.open: deque[Exchange] = deque()
        """Those whose reply has not ended, oldest first."""
        self._whole = Exchange("", is_sent=True)  # any reply may come at any time

    def sent(self, data: bytes) -> Iterator[Part]:
        """More bytes of the client; gives what can be passed on, in order."""
        yield Part(self._whole, data, is_last=False)

    def answered(self, data: bytes) -> Iterator[Part]:
        """As `sent`, of the server."""
        yield Part(self._whole, data, is_last=False)

    def rest(self, direction: Direction) -> bytes:
        """At the end of a stream: what was held back of it."""
        held = self.unsent if direction is Direction.REQUESTS else self.unanswered
        return taken(held, len(held))


def taken(buffer: bytearray, count: float) -> bytes:
    """The first bytes of the buffer, at most *count*; they leave it."""
    size = int(min(count, len(buffer)))
    data = bytes(buffer[:size])
    del buffer[:size]
    return data
