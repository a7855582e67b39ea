"""uvicorn's h11 protocol with a deadline for request heads, and problem documents for what is not HTTP."""

import asyncio
import contextlib
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from observatory.core import limits
from observatory.edge.asgi import CONNECTION_KEY

_NOT_HTTP = (
    b'{"type":"about:blank","title":"Bad Request","status":400,"code":"malformed_http",'
    b'"detail":"the request is not well-formed HTTP/1.1"}'
)
_TOO_SLOW = (
    b'{"type":"about:blank","title":"Request Timeout","status":408,"code":"request_timeout",'
    b'"detail":"the request head did not arrive within %d s"}' % limits.HEAD_S_MAX
)


class GuardedProtocol(H11Protocol):
    """
    One connection; what lasts long knows it as `edge.asgi.Connection`.

    A head that trickles in, or never comes, does not hold it for long.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _is_lost = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, CONNECTION_KEY: self}
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering:
            self._forget_head()
        elif self._head_timer is None and self.timeout_keep_alive_task is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        self._is_lost = True
        super().connection_lost(exc)

    def abort(self) -> None:
        if not self._is_lost:
            self.transport.abort()

    def keep_little_unsent(self, bytes_max: int) -> None:
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Linux and macOS have it
        if option is not None and not self._is_lost:
            with contextlib.suppress(OSError):
                self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, option, bytes_max)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, b"Bad Request", _NOT_HTTP)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(limits.HEAD_S_MAX, self._give_up)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing() and not self._is_answering:
            self._refuse(408, b"Request Timeout", _TOO_SLOW)

    def _refuse(self, status: int, reason: bytes, body: bytes) -> None:
        """Answer at once and close; after half an answer nothing can be said, so only close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            head = (
                b"HTTP/1.1 %d %s\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n" % (status, reason, len(body))
            )
            self.transport.write(head + body)
        self.transport.close()
