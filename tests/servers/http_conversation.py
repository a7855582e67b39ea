"""Where requests and replies of HTTP/1.1 end: by Content-Length, by chunks, or with the connection."""

import math
from collections.abc import Iterator

from tests.servers.conversation import Conversation, Exchange, Part, taken

HEAD_END = b"\r\n\r\n"


class HttpConversation(Conversation):
    """Labels are "METHOD /path?query". Bodies pass as they come, so an endless reply passes too."""

    def __init__(self) -> None:
        super().__init__()
        self._asking: tuple[Exchange, _Body] | None = None
        self._answering: _Body | None = None

    def sent(self, data: bytes) -> Iterator[Part]:
        self.unsent += data
        while self.unsent:
            if self._asking is None:
                head = _head(self.unsent)
                if not head:
                    return
                exchange = Exchange(" ".join(head.decode("latin-1").split(" ")[:2]))
                self.open.append(exchange)
                body = _body_of_request(head)
                yield Part(exchange, head, is_last=body.is_ended)
            else:
                exchange, body = self._asking
                yield Part(exchange, body.take(self.unsent), is_last=body.is_ended)
            self._asking = None if body.is_ended else (exchange, body)
            if body.is_starved:
                return

    def answered(self, data: bytes) -> Iterator[Part]:
        self.unanswered += data
        while self.unanswered:
            exchange = self.open[0] if self.open else Exchange("")
            if self._answering is None:
                head = _head(self.unanswered)
                if not head:
                    return
                body, is_final = _body_of_reply(head, exchange.label)
                yield Part(exchange, head, is_last=is_final and body.is_ended)
            else:
                body, is_final = self._answering, True
                yield Part(exchange, body.take(self.unanswered), is_last=body.is_ended)
            self._answering = None if body.is_ended else body
            if body.is_ended and is_final and self.open:
                self.open.popleft()
            if body.is_starved:
                return


class _Body:
    """
    The rest of one message after its head.

    Args:
        length: In bytes; infinite if it ends with the connection.
        is_chunked: Then the length tells nothing.
    """

    def __init__(self, length: float, *, is_chunked: bool = False) -> None:
        self._left = 0 if is_chunked else length
        self._is_chunked = is_chunked
        self._is_in_trailers = False
        self.is_starved = False
        """It took all that it can of the buffer: what is there is no whole line."""

    @property
    def is_ended(self) -> bool:
        return not self._left and not self._is_chunked

    def take(self, buffer: bytearray) -> bytes:
        """What the buffer has of it; leaves what comes after, and a line that is not whole."""
        data = bytearray()
        self.is_starved = False
        while buffer and not self.is_ended:
            if self._left:
                piece = taken(buffer, self._left)
                self._left -= len(piece)
            else:
                piece = taken(buffer, buffer.find(b"\r\n") + 2 if b"\r\n" in buffer else 0)
                if not piece:
                    self.is_starved = True
                    break
                self._follow(piece)
            data += piece
        return bytes(data)

    def _follow(self, line: bytes) -> None:
        """The line before a chunk, or a trailer; an empty one is the end."""
        if self._is_in_trailers:
            self._is_chunked = line != b"\r\n"
        elif size := int(line.partition(b";")[0], 16):
            self._left = size + len(b"\r\n")
        else:
            self._is_in_trailers = True


def _head(buffer: bytearray) -> bytes:
    """Empty if it is not whole yet."""
    end = buffer.find(HEAD_END)
    return taken(buffer, end + len(HEAD_END)) if end >= 0 else b""


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").lower().split("\r\n")[1:]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _told(head: bytes, otherwise: float) -> _Body:
    fields = _fields(head)
    if "chunked" in fields.get("transfer-encoding", ""):
        return _Body(0, is_chunked=True)
    return _Body(float(fields.get("content-length", otherwise)))


def _body_of_request(head: bytes) -> _Body:
    return _told(head, 0)


def _body_of_reply(head: bytes, label: str) -> tuple[_Body, bool]:
    """The body, and whether this is the reply itself: one with 1xx, but 101, comes before it."""
    status = int(head.split(b" ", 2)[1])
    if status == 101:
        return _Body(math.inf), True
    if status < 200:
        return _Body(0), False
    if status in {204, 304} or label.startswith("HEAD "):
        return _Body(0), True
    return _told(head, math.inf), True
