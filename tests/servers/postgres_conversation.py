"""Where requests and replies of PostgreSQL's protocol 3 end: with Sync or a simple Query, and with ReadyForQuery."""

import re
import struct
from collections.abc import Iterator

from tests.servers.conversation import Conversation, Direction, Exchange, Part, taken

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
FLUSH, SYNC, QUERY, CALL, TERMINATE = b"H", b"S", b"Q", b"F", b"X"
PARSE, BIND, EXECUTE = b"P", b"B", b"E"
OF_THE_LAST_REQUEST = (b"d", b"c", b"f", b"p")
"""CopyData, CopyDone, CopyFail, and what authentication says."""
COPY_ENDS = (b"c", b"f")
READY = b"Z"
COPY_FROM_CLIENT = re.compile(r"copy\b.*\bfrom\s+stdin\b", re.IGNORECASE | re.DOTALL)


class PostgresConversation(Conversation):
    """
    The label of a request is the text of the statements that it executes, with "; " between them; a statement that was
    prepared earlier counts with its text. What only prepares has "PREPARE " before it, a new connection is "startup".

    Messages of the extended protocol are held until the Sync or Flush behind them, so that the label of a request is
    known with its first byte. Encrypted connections are one exchange without an end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_started = False
        self._is_opaque = False
        self._batch = bytearray()
        self._parsed: list[str] = []
        self._executed: list[str] = []
        self._is_executing = False
        """The request that has begun is known by what it executes."""
        self._begun: Exchange | None = None
        """After a Flush: a part of the request is with the server."""
        self._statements: dict[bytes, str] = {}
        self._portals: dict[bytes, str] = {}

    def sent(self, data: bytes) -> Iterator[Part]:
        if self._is_opaque:
            yield from super().sent(data)
            return
        self.unsent += data
        while message := taken(self.unsent, _message_bytes(self.unsent, has_type=self._is_started)):
            yield from self._typed(message) if self._is_started else self._untyped(message)

    def answered(self, data: bytes) -> Iterator[Part]:
        if self._is_opaque:
            yield from super().answered(data)
            return
        self.unanswered += data
        while message := taken(self.unanswered, self._reply_bytes()):
            exchange = self.open[0] if self.open else Exchange("")  # a notice or a notification that nobody asked for
            is_last = message[:1] == READY or not self._is_started
            if is_last and self.open:
                self.open.popleft()
            self._is_opaque = not self._is_started and message in {b"S", b"G"}
            yield Part(exchange, message, is_last)

    def rest(self, direction: Direction) -> bytes:
        held = taken(self._batch, len(self._batch)) if direction is Direction.REQUESTS else b""
        return held + super().rest(direction)

    def _reply_bytes(self) -> int:
        """The answer to a request for encryption is one letter; after a "yes" nothing more is understood."""
        return _message_bytes(self.unanswered, has_type=True) if self._is_started else min(1, len(self.unanswered))

    def _untyped(self, message: bytes) -> Iterator[Part]:
        code = struct.unpack_from("!i", message, 4)[0]
        labels = {SSL_REQUEST: "encryption", GSS_REQUEST: "encryption", CANCEL_REQUEST: "cancel"}
        exchange = Exchange(labels.get(code, "startup"))
        self._is_started = code not in labels
        self.open.append(exchange)
        yield Part(exchange, message, is_last=True)

    def _typed(self, message: bytes) -> Iterator[Part]:
        kind = message[:1]
        if kind in OF_THE_LAST_REQUEST:
            yield Part(self.open[-1] if self.open else Exchange(""), message, is_last=kind in COPY_ENDS)
            return
        self._learn(kind, message[5:])
        self._batch += message
        if kind in {SYNC, QUERY, CALL, FLUSH, TERMINATE}:
            yield self._released(kind)

    def _released(self, kind: bytes) -> Part:
        """
        What was held, with the message that lets it go. A COPY goes on with its data.

        What only prepares, up to a Flush, has no ReadyForQuery of its own: it is the beginning of the next request.
        """
        exchange = self._begun or Exchange("")
        if self._begun is None and kind != TERMINATE:
            self.open.append(exchange)
        if not self._is_executing:
            exchange.label = self._label()
            self._is_executing = exchange.is_decided = bool(self._executed) or kind != FLUSH
        is_last = kind != FLUSH and not (kind == QUERY and COPY_FROM_CLIENT.match(exchange.label))
        self._begun = exchange if kind == FLUSH else None
        self._is_executing = self._is_executing and kind == FLUSH
        self._parsed, self._executed = [], []
        return Part(exchange, taken(self._batch, len(self._batch)), is_last)

    def _label(self) -> str:
        return "; ".join(self._executed or [f"PREPARE {statement}" for statement in self._parsed])

    def _learn(self, kind: bytes, body: bytes) -> None:
        names = body.split(b"\0", 2)
        if kind == QUERY:
            self._executed.append(_text(names[0]))
        elif kind == PARSE:
            self._statements[names[0]] = _text(names[1])
            self._parsed.append(_text(names[1]))
        elif kind == BIND:
            self._portals[names[0]] = self._statements.get(names[1], "")
        elif kind == EXECUTE:
            self._executed.append(self._portals.get(names[0], ""))


def _message_bytes(buffer: bytearray, *, has_type: bool) -> int:
    """The length of the first message, with its type and length; 0 if it is not whole yet."""
    before = 1 if has_type else 0
    if len(buffer) < before + 4:
        return 0
    size = before + struct.unpack_from("!i", buffer, before)[0]
    return size if len(buffer) >= size else 0


def _text(words: bytes) -> str:
    return words.decode("utf-8", "replace").strip().rstrip(";").strip()
