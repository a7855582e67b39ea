"""The one connection of a process that listens: what is heard on it, told over it, and whether it is alive."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, TypeVar, cast

import asyncpg

from observatory.core import limits
from observatory.core.errors import BusUnavailable
from observatory.engine.postgres_database import PostgresDatabase, translated

T = TypeVar("T")

_ALIVE = "SELECT 1"


class PostgresLine:
    """
    A connection that was made, used by one statement at a time. Every error is the library's own.

    A statement goes on when its caller is cancelled. One that misses its deadline, or that fails without a word from
    the server, ends the line for good.

    Args:
        connection: Nobody else's.
        heard: Called in the loop with channel and text of every notice of others; those told over this line are not
            heard again.
        is_pooled: Whether its statements run in changing sessions of the server. Then it only tells: a session that
            was left listening would say it to whoever has it next.
    """

    def __init__(self, connection: Any, heard: Callable[[str, str], None], *, is_pooled: bool = False) -> None:
        self.has_ended = asyncio.Event()
        self.channels: set[str] = set()
        """Those listened to."""
        self._connection = connection
        self._heard = heard
        self._is_pooled = is_pooled
        self._is_free = asyncio.Lock()
        self._asked: set[asyncio.Future[Any]] = set()
        connection.add_termination_listener(self._on_end)

    async def listen(self, channel: str) -> bool:
        """Return when every notice from now on is heard, or never one; False when that was so before."""
        return await self._shielded(partial(self._listen, channel))

    async def tell(self, notices: Collection[tuple[str, str]]) -> None:
        """
        Channel and text of each, in one transaction of their own: one round trip.

        Its commit waits for no disk. It says nothing that is not durable already, and those who tell take turns in
        the whole server, each until its commit is done.
        """
        told = ", ".join(f"pg_notify({_literal(channel)}, {_literal(text)})" for channel, text in notices)
        statement = f"SELECT set_config('synchronous_commit', 'off', true), {told}"
        await self._ask(statement, limits.POSTGRES_TELL_S_MAX)

    async def catch_up(self) -> None:
        """Return when every notice that was committed before the call has been given to `heard`."""
        # The server sends what it holds for this connection with its answer, and the library gives it out in order.
        await self._ask(_ALIVE, limits.POSTGRES_PROBE_ANSWER_S_MAX)

    async def rest(self, news: asyncio.Event) -> None:
        """Return when *news* is set, when the line has ended, or when it is time to ask for a sign of life."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (news, self.has_ended)]
        try:
            await asyncio.wait(waiting, timeout=limits.POSTGRES_PROBE_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def close(self) -> None:
        """Say goodbye to the server, if it answers. Safe to call twice."""
        if not self.has_ended.is_set():
            self.has_ended.set()
            with contextlib.suppress(BusUnavailable), translated(BusUnavailable):
                await self._connection.close(timeout=limits.POSTGRES_GOODBYE_S_MAX)

    def end(self) -> None:
        """Close the connection at once, without a word. Safe to call twice."""
        self.has_ended.set()
        self._connection.terminate()

    def _on_end(self, _connection: object) -> None:
        self.has_ended.set()

    def _on_notice(self, connection: Any, teller: int, channel: object, text: object) -> None:
        if not self.has_ended.is_set() and teller != connection.get_server_pid():
            self._heard(cast("str", channel), cast("str", text))

    async def _listen(self, channel: str) -> bool:
        if channel in self.channels:
            return False
        if not self._is_pooled:
            async with asyncio.timeout(limits.POSTGRES_PROBE_ANSWER_S_MAX):
                await self._connection.add_listener(channel, self._on_notice)
        self.channels.add(channel)
        return True

    async def _ask(self, statement: str, answer_s_max: float) -> None:
        # Without values it is one message to the server and one back, also where a pooler lies between.
        await self._shielded(partial(self._connection.execute, statement, timeout=answer_s_max))

    async def _shielded(self, work: Callable[[], Awaitable[T]]) -> T:
        task = asyncio.ensure_future(self._alone(work))
        self._asked.add(task)
        task.add_done_callback(self._answered)
        return await asyncio.shield(task)

    async def _alone(self, work: Callable[[], Awaitable[T]]) -> T:
        async with self._is_free:
            try:
                return await work()
            except asyncpg.PostgresError:
                raise  # the server answered; if it also ended the connection, the library says so by itself
            except BaseException:
                self.end()
                raise

    def _answered(self, task: asyncio.Future[Any]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone


async def open_line(
    database: PostgresDatabase, channels: Callable[[], Collection[str]], heard: Callable[[str, str], None]
) -> PostgresLine:
    """A line of its own to *database*; every notice on *channels*, asked once it is connected, is heard from now on."""
    line = PostgresLine(await database.connect(), heard, is_pooled=database.is_pooled)
    try:
        for channel in channels():
            await line.listen(channel)
    except BaseException:
        line.end()
        raise
    return line


def _literal(text: str) -> str:
    assert text.isascii() and text.isprintable() and "\\" not in text, f"not for a notice: {text!r}"  # noqa: PT018
    assert len(text) <= limits.POSTGRES_NOTICE_BYTES_MAX, f"a notice of {len(text)} bytes"
    return "'" + text.replace("'", "''") + "'"
