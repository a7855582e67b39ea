"""The words of ASGI: types, a look at the head of a request, a whole answer."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, Protocol, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders: TypeAlias = list[tuple[bytes, bytes]]

JSON: Final = b"application/json"

_HEAD_KEY: Final = "observatory.head"

CONNECTION_KEY: Final = "observatory.connection"
"""In the state of a request: the `Connection` that it came on."""


class Head:
    """
    The headers of one request, read once.

    Args:
        scope: Of the request; names are lower-case by the rules of ASGI.
    """

    def __init__(self, scope: Scope) -> None:
        self.bytes = 0
        self.repeated: set[bytes] = set()
        """Names that occur more than once; `get` gives the first."""
        self._values: dict[bytes, bytes] = {}
        self.is_head = False
        """True for a HEAD, which the door turns into a GET without a body."""
        self.correlation_id = ""
        """Of this request; the door sets it before anything else happens."""
        for name, value in scope["headers"]:
            self.bytes += len(name) + len(value)
            if name in self._values:
                self.repeated.add(name)
            else:
                self._values[name] = value

    def get(self, name: bytes) -> str | None:
        """The value of *name* (lower-case), each byte one character; None when it is absent."""
        value = self._values.get(name)
        return None if value is None else value.decode("latin-1")


def head_of(scope: Scope) -> Head:
    """The head of the request that *scope* belongs to."""
    head = scope.get(_HEAD_KEY)
    if head is None:
        head = scope[_HEAD_KEY] = Head(scope)
    return head


class Connection(Protocol):
    """What our server offers beyond ASGI to an answer that goes on for long."""

    def abort(self) -> None:
        """Cut the connection: what its peer has not taken yet is thrown away. Safe to call twice."""
        ...

    def keep_little_unsent(self, bytes_max: int) -> None:
        """Let the system take no more than about *bytes_max* that it cannot send yet, where it can be told so."""
        ...


class NoConnection:
    """In place of one where the server offers none."""

    def abort(self) -> None:
        """Nothing to cut."""

    def keep_little_unsent(self, bytes_max: int) -> None:
        """Nobody to tell."""


def connection_of(scope: Scope) -> Connection:
    """The connection of the request that *scope* belongs to."""
    state: dict[str, Any] = scope.get("state") or {}
    return state.get(CONNECTION_KEY) or NoConnection()


async def answer(
    send: Send, status: int, body: bytes, *, media_type: bytes = JSON, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send a whole answer."""
    head: RawHeaders = [(b"content-type", media_type), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
