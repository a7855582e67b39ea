"""The gateway and the read model of the embedded system without a network: real routes over a real, temporary file."""

import asyncio
import sqlite3
import tempfile
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from observatory.client.address import Address
from observatory.core.errors import ObservatoryError
from observatory.core.sources import Clock, Ids, Randomness
from observatory.edge.asgi import AsgiApp, Message
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.writers import InlineWriter
from observatory.job_store.sqlite import MIGRATIONS
from observatory.runtime.ports.sqlite import sqlite_ports
from observatory.runtime.services.place import Place, Urls
from observatory.runtime.settings import Settings
from observatory.runtime.sources import Sources
from observatory.runtime.supervisor import Supervisor
from observatory.runtime.wiring import all_services

T = TypeVar("T")

GATEWAY = "http://127.0.0.1:3000"
READ_MODEL = "http://127.0.0.1:8080"
TOKEN = "the-token-of-the-test-mode"  # noqa: S105  guards nothing: no socket is open


class NotOpen(ObservatoryError):
    """A job of a test mode is asked for, or run, outside of its `with` block: its store is not there."""

    code = "test_mode_not_open"

    def __init__(self) -> None:
        super().__init__("this test mode is not open: use it, and the handles of its jobs, inside of its `with` block")


class QuickFile(SqliteFile):
    """A file that lives as long as a test: a power cut would not be noticed, so nothing waits for the disk."""

    def open_connection(self, *, is_reader: bool = False) -> sqlite3.Connection:
        connection = super().open_connection(is_reader=is_reader)
        if not is_reader:
            connection.execute("PRAGMA synchronous = OFF")
        return connection


class LocalServices:
    """
    The services of `runtime.wiring`, on an event loop in a thread of its own, so that they can be called from any
    thread and any loop. They read and write; whoever holds them moves time and runs jobs.
    """

    def __init__(self, *, clock: Clock, ids: Ids, randomness: Randomness) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="observatory-test-")
        self._file = QuickFile(
            Path(self._folder.name) / "observatory.db", writer=InlineWriter(), readers=InlineExecutor()
        )
        self._file.migrate(load_migrations(MIGRATIONS))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="observatory test mode", daemon=True)
        self._thread.start()
        sources = Sources(clock=clock, ids=ids, randomness=randomness, instance_id=ids.new_id())
        place = Place(
            settings=Settings(data_dir=Path(self._folder.name)),
            sources=sources,
            supervisor=Supervisor(clock=clock, randomness=randomness),
            urls=Urls(gateway=GATEWAY, read_model=READ_MODEL, web="http://127.0.0.1:8081"),
            token=TOKEN,
        )
        ports = sqlite_ports(self._file, sources)
        services = all_services(place, ports)
        assert services.gateway.app is not None
        assert services.read_model.app is not None
        self.store = services.processor.worker.store
        self.worker_id = sources.instance_id
        self.queries = ports.queries
        self._apps: dict[str, AsgiApp] = {GATEWAY: services.gateway.app, READ_MODEL: services.read_model.app}
        self.address = Address(gateway=GATEWAY, read_model=READ_MODEL, token=TOKEN)

    def now(self, call: Coroutine[Any, Any, T]) -> T:
        """What *call* gives, run by the services' loop."""
        return self._begun(call).result()

    async def soon(self, call: Coroutine[Any, Any, T]) -> T:
        """As `now`, for a caller with an event loop."""
        return await asyncio.wrap_future(self._begun(call))

    def _begun(self, call: Coroutine[Any, Any, T]) -> "Future[T]":
        """
        Raises:
            NotOpen: It is closed.
        """
        if self._loop.is_closed():
            call.close()
            raise NotOpen
        return asyncio.run_coroutine_threadsafe(call, self._loop)

    async def answer(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        """One HTTP exchange with the service that the URL names, on the services' loop."""
        app = self._apps[f"{request.url.scheme}://{request.url.netloc.decode()}"]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "server": (request.url.host, request.url.port),
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }
        said: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            said.append(message)

        await app(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in said[1:])
        return httpx2.Response(said[0]["status"], headers=said[0]["headers"], content=content, request=request)

    def close(self) -> None:
        """End the thread and delete the file. Safe to call twice."""
        if not self._loop.is_closed():
            self.now(self._file.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._folder.cleanup()


class LocalTransport(httpx2.BaseTransport):
    """In the place of the network, for `client.api.Api`."""

    def __init__(self, services: LocalServices) -> None:
        self._services = services

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._services.now(self._services.answer(request, request.read()))


class AsyncLocalTransport(httpx2.AsyncBaseTransport):
    """In the place of the network, for `client.async_api.AsyncApi`."""

    def __init__(self, services: LocalServices) -> None:
        self._services = services

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._services.soon(self._services.answer(request, await request.aread()))
