"""One connection of a client through the proxy, and the one to the server that belongs to it."""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import AsyncGenerator

from tests.servers.conversation import Conversation, Direction, Part
from tests.servers.fault_plan import Fault, Plan, Rule

CHUNK_BYTES = 64 * 1024
CHUNKS_HELD_MAX = 64
"""In each direction of a connection; behind them the sender waits, as it does for a network that takes no more."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Network:
    """The state of the network that all connections pass. Belongs to the thread of the proxy's loop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.latency_s = dict.fromkeys(Direction, 0.0)
        self.is_open = {direction: asyncio.Event() for direction in Direction}
        self.forwarded: Counter[str] = Counter()
        self.faults: Counter[Fault] = Counter()
        self.heal()

    def heal(self) -> None:
        self.latency_s.update(dict.fromkeys(Direction, 0.0))
        for gate in self.is_open.values():
            gate.set()


class Cut(Exception):
    """The connection ends here, by a reset or in order."""

    def __init__(self, *, is_reset: bool) -> None:
        super().__init__()
        self.is_reset = is_reset


class ProxiedConnection:
    """Two streams of bytes, each passed on in order; see `Fault` for what may happen to them."""

    def __init__(self, network: Network, client: Stream, server: Stream, conversation: Conversation) -> None:
        self._network = network
        self._client, self._server = client, server
        self._conversation = conversation
        for _, writer in (client, server):
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio misses what a listener accepts
            writer.transport.set_write_buffer_limits(high=0)  # drained is with the system, and survives a close

    def reset(self) -> None:
        for _, writer in (self._client, self._server):
            end(writer, is_reset=True)

    async def run(self) -> None:
        """Until both streams have ended, or one was cut or broke: a break is told to both sides as a reset."""
        flows = [asyncio.create_task(flow) for flow in (self._requests(), self._replies())]
        is_reset = False
        try:
            await asyncio.wait(flows, return_when=asyncio.FIRST_EXCEPTION)
            failures = [failure for flow in flows if flow.done() and (failure := flow.exception()) is not None]
            is_reset = any(not isinstance(failure, Cut) or failure.is_reset for failure in failures)
        finally:
            for flow in flows:
                flow.cancel()
            for _, writer in (self._client, self._server):
                end(writer, is_reset=is_reset)  # before anything is awaited: the proxy may end, and cancel that too
            await asyncio.gather(*flows, return_exceptions=True)

    async def _requests(self) -> None:
        writer = self._server[1]
        async with contextlib.aclosing(self._chunks(Direction.REQUESTS, self._client[0])) as chunks:
            async for chunk in chunks:
                for part in self._conversation.sent(chunk):
                    if await self._pass_request(part):
                        return  # the client is gone, and the server is at work
        writer.write(self._conversation.rest(Direction.REQUESTS))
        writer.write_eof()

    async def _replies(self) -> None:
        writer = self._client[1]
        async with contextlib.aclosing(self._chunks(Direction.REPLIES, self._server[0])) as chunks:
            async for chunk in chunks:
                for part in self._conversation.answered(chunk):
                    await self._pass_reply(part)
        if any(exchange.rule for exchange in self._conversation.open):
            raise Cut(is_reset=False)
        writer.write(self._conversation.rest(Direction.REPLIES))
        writer.write_eof()

    async def _pass_request(self, part: Part) -> bool:
        """True if the client was cut off from the request it has made."""
        exchange, writer = part.exchange, self._server[1]
        if exchange.is_decided and not exchange.is_planned:
            exchange.rule, exchange.is_planned = self._network.plan.choose(exchange.label), True
        rule = exchange.rule
        if rule is not None and rule.fault is Fault.CUT_REQUEST:
            await self._cut_within(Direction.REQUESTS, part, rule)
            return False
        exchange.is_sent = exchange.is_sent or part.is_last
        if part.is_last:
            self._network.forwarded[exchange.label] += 1
        await _write(writer, part.data)
        if not part.is_last or rule is None or rule.fault is not Fault.CUT_AFTER_REQUEST:
            return False
        self._network.faults[rule.fault] += 1
        end(self._client[1], is_reset=rule.is_reset)
        return True

    async def _pass_reply(self, part: Part) -> None:
        rule = part.exchange.rule
        if rule is None or not part.exchange.is_sent:  # without this much of an answer the client sends no more
            await _write(self._client[1], part.data)
        elif rule.fault is Fault.CUT_REPLY:
            await self._cut_within(Direction.REPLIES, part, rule)
        elif rule.fault is Fault.HOLD_REPLY:
            self._network.faults[rule.fault] += part.is_last
        elif part.is_last:
            raise Cut(is_reset=False)

    async def _cut_within(self, direction: Direction, part: Part, rule: Rule) -> None:
        """
        Pass what the rule lets through, and cut behind it.

        With nothing to pass a reply is awaited in full and a request is cut at once. The last byte never passes.
        """
        passed = part.exchange.passed_bytes
        data = part.data[: max(0, rule.first_bytes - passed[direction])]
        if part.is_last and len(data) == len(part.data):
            data = data[:-1]
        passed[direction] += len(data)
        await _write((self._client if direction is Direction.REPLIES else self._server)[1], data)
        must_wait = direction is Direction.REPLIES and rule.first_bytes == 0
        if part.is_last or (passed[direction] >= rule.first_bytes and not must_wait):
            self._network.faults[rule.fault] += 1
            raise Cut(is_reset=rule.is_reset)

    async def _chunks(self, direction: Direction, reader: asyncio.StreamReader) -> AsyncGenerator[bytes]:
        """What comes in, when the latency is over and nothing stalls; so does the end of it."""
        held: asyncio.Queue[tuple[float, bytes | OSError]] = asyncio.Queue(CHUNKS_HELD_MAX)
        reading = asyncio.create_task(self._read(direction, reader, held))
        loop = asyncio.get_running_loop()
        try:
            while True:
                due_s, chunk = await held.get()
                await asyncio.sleep(due_s - loop.time())
                await self._network.is_open[direction].wait()
                if isinstance(chunk, OSError):
                    raise chunk
                if not chunk:
                    return
                yield chunk
        finally:
            reading.cancel()

    async def _read(
        self, direction: Direction, reader: asyncio.StreamReader, held: asyncio.Queue[tuple[float, bytes | OSError]]
    ) -> None:
        """The end of the stream is the empty chunk, or what broke it."""
        loop = asyncio.get_running_loop()
        is_more = True
        while is_more:
            try:
                chunk = await reader.read(CHUNK_BYTES)
            except OSError as broken:
                chunk = broken
            is_more = isinstance(chunk, bytes) and chunk != b""
            await held.put((loop.time() + self._network.latency_s[direction], chunk))


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(data)
        await writer.drain()


def end(writer: asyncio.StreamWriter, *, is_reset: bool) -> None:
    """Close the connection: with RST if *is_reset*."""
    if is_reset and not writer.transport.is_closing():
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    elif writer.transport.get_write_buffer_size():
        writer.transport.abort()  # the peer takes nothing, and a close would wait for it
    else:
        writer.close()
