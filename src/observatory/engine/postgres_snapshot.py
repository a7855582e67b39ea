"""A PostgreSQL database as it was at one instant, to be read only, however long that takes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from observatory.engine.postgres_database import Connection, PostgresDatabase

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"


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
            # Between two reads their reader may think for longer than a transaction that writes ever should.
            await self._held.execute("SET idle_in_transaction_session_timeout = 0")
            await self._held.execute(_BEGIN)
            await self._held.fetchval("SELECT 1")  # the first statement takes the snapshot
            yield
        finally:
            self._held.terminate()

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        assert self._held is not None, "the snapshot is taken"
        async with self._turn:
            yield self._held
