"""A PostgreSQL database as it was at one instant, to be read only, however long that takes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

from observatory.engine.postgres_database import Connection, PostgresDatabase

T = TypeVar("T")

_FOR_LONG = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL idle_in_transaction_session_timeout = 0
"""
"""Between two reads their reader may think for longer than a transaction that writes ever should."""


class PostgresSnapshot(PostgresDatabase):
    """
    Every read sees what was committed before `taken` began; a write is refused by the server.

    Reads go one after the other over one connection. For as long as it is open the server keeps every row that was
    changed or deleted meanwhile.
    """

    def __init__(self, url: str, *, service: str, statement_cache: int) -> None:
        super().__init__(url, service=service, connections_max=1, statement_cache=statement_cache)
        self._held: Any = None
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncGenerator[None]:
        """Hold the instant until the block ends."""
        self._held = await self.connect()
        try:
            await self._held.execute(f"{self.begin}; {_FOR_LONG}")
            await self._held.fetchval("SELECT 1")  # the first statement takes the snapshot
            yield
        finally:
            self._held.terminate()

    async def read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._connection() as connection:
            return await query(connection)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        assert self._held is not None, "the snapshot is taken"
        async with self._turn:
            yield self._held
