"""A network between a client and a server that does what a test tells it to."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Self

from tests.servers.conversation import Conversation, Direction
from tests.servers.fault_plan import Fault, Plan, Rule
from tests.servers.proxied_connection import Network, ProxiedConnection, end

CONTROL_S_MAX = 10.0


class FaultProxy:
    """
    Forwards connections to *server_port* of this machine, in a thread of its own; `port` is where the clients go.

    The plan decides about single exchanges; `stall`, `delay` and `reset_connections` are about all connections, those
    that come later too but for the last. Every method may be called from any thread, returns when it has taken effect
    and takes microseconds, so a test may call it from its event loop. A client whose server cannot be reached is reset.

    Args:
        conversation: The protocol.
        rules: The plan, see `Rule`.
        seed: Of the plan's probabilities.
    """

    def __init__(
        self,
        server_port: int,
        conversation: Callable[[], Conversation] = Conversation,
        rules: Iterable[Rule] = (),
        *,
        seed: int = 0,
    ) -> None:
        self.plan = Plan(rules, seed=seed)
        self.connections = 0
        """Made by clients, since the start."""
        self._server_port = server_port
        self._conversation = conversation
        self._network = Network(self.plan)
        self._passing: set[ProxiedConnection] = set()
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result(CONTROL_S_MAX)
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every connection."""
        self._do(self._end.set)
        self._thread.join(CONTROL_S_MAX)

    @property
    def url(self) -> str:
        """For HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def forwarded(self) -> Counter[str]:
        """By label, the requests that went to the server in full; each counts before the server can answer it."""
        return self._network.forwarded

    @property
    def faults(self) -> Counter[Fault]:
        """Those that happened, each counted before its client can notice it."""
        return self._network.faults

    def stall(self, *directions: Direction) -> None:
        """Hold all bytes, and ends of streams, in these directions until `heal`: only a time-out can notice."""
        self._do(lambda: [self._network.is_open[direction].clear() for direction in directions])

    def delay(self, direction: Direction, latency_s: float) -> None:
        """What comes in from now on goes out so much later; the order stays, and the throughput."""
        self._do(lambda: self._network.latency_s.update({direction: latency_s}))

    def heal(self) -> None:
        """What was held goes on; nothing is stalled or delayed any more, and no further exchange is cut."""
        self.plan.clear()
        self._do(self._network.heal)

    def reset_connections(self) -> None:
        """RST to the client and to the server of every connection that is open."""
        self._do(lambda: [connection.reset() for connection in self._passing])

    def _do(self, action: Callable[[], object]) -> None:
        """In the thread of the proxy."""
        done: Future[None] = Future()

        def run() -> None:
            action()
            done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result(CONTROL_S_MAX)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._listener)
        self._ready.set_result(None)
        await self._end.wait()
        server.close()
        clients = dict(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        for writer in clients.values():
            end(writer, is_reset=True)  # of a task that was cancelled before its first step
        await asyncio.sleep(0)  # closed transports give up their sockets in the next round

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._forward(reader, writer))
        self._clients[task] = writer
        task.add_done_callback(self._clients.pop)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except (OSError, asyncio.CancelledError):
            end(writer, is_reset=True)
            return
        connection = ProxiedConnection(self._network, (reader, writer), server, self._conversation())
        self._passing.add(connection)
        try:
            await connection.run()
        except asyncio.CancelledError:
            return  # the proxy ends
        finally:
            self._passing.discard(connection)
