"""uvicorn inside our own event loop: the sockets are bound by us, and the signals stay ours."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator
from typing import Any

import uvicorn

from observatory.core import limits
from observatory.core.errors import PortTaken
from observatory.runtime.http_protocol import GuardedProtocol


def bind(host: str, port: int, *, purpose: str, setting: str) -> socket.socket:
    """
    A listening socket; *port* 0 takes a free one.

    Raises:
        PortTaken: Somebody listens there already, or the address is not ours.
    """
    return _opened(host, port, purpose=purpose, setting=setting, listens=True)


def reserve(host: str, port: int, *, purpose: str, setting: str) -> socket.socket:
    """
    As `bind`, without listening: on Linux another process may `bind` the same address meanwhile, and listen there.

    Raises:
        PortTaken: As `bind`.
    """
    return _opened(host, port, purpose=purpose, setting=setting, listens=False)


def _opened(host: str, port: int, *, purpose: str, setting: str, listens: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        if listens:
            listener.listen(limits.CONNECTIONS_WAITING_MAX)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {port} for the {purpose} is in use by another process",
                f"stop that process, or choose another port: {setting}=0 takes a free one",
            ) from error
        raise PortTaken(
            f"{host}:{port} for the {purpose} cannot be opened ({error.strerror})", "check ODD_HOST"
        ) from error
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """The address a client on this machine uses."""
    host: str
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 — compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _QuietServer(uvicorn.Server):
    """Leaves the signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class HttpServer:
    """Serves one app on one socket."""

    def __init__(self, app: Any, listener: socket.socket) -> None:
        self._listener = listener
        self._server = _QuietServer(
            uvicorn.Config(
                app,
                http=GuardedProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=limits.CONNECTIONS_WAITING_MAX,
                timeout_keep_alive=limits.KEEP_ALIVE_S,
                timeout_graceful_shutdown=limits.REQUEST_GRACE_S,
                limit_concurrency=limits.CONNECTIONS_MAX,
                h11_max_incomplete_event_size=limits.HEAD_BYTES_MAX,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve from now on."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="http server")
        await asyncio.wait(
            [self._task, asyncio.ensure_future(self._server.has_started.wait())], return_when="FIRST_COMPLETED"
        )
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Take no new request, finish the open ones within `limits.REQUEST_GRACE_S`. Safe to call twice."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait([self._task])
