"""`Outbox` over one `SqliteFile`: the tail of its events."""

import asyncio
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.event import Event
from observatory.engine.instants import from_us
from observatory.engine.named_queries import load_queries
from observatory.engine.sqlite_events import read_events
from observatory.engine.sqlite_file import SqliteFile, translated

SQL = load_queries(Path(__file__).with_suffix(".sql"))


class SqliteOutbox:
    """
    Implements `Outbox`.

    SQLite's one writer gives positions at the insert, so the outbox is the tail of the events table.
    The bus it feeds lives in this process: what was confirmed before a restart is of no interest
    after it, so the confirmed position is kept in memory and begins at the head.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._confirmed: int | None = None
        self._looks = True
        """True when it is time to read the table, whatever is known from memory."""

    async def unpublished(self, *, count_max: int) -> list[Event]:
        assert 1 <= count_max <= limits.RELAY_BATCH_MAX, f"a batch of {count_max}"
        with translated(StoreUnavailable):
            if self._confirmed is None:
                self._confirmed = await self._file.read(_head)
            recent = self._file.recent_events.after(self._confirmed, count_max=count_max)
            if recent or (self._file.recent_events.head == self._confirmed and not self._looks):
                return recent
            tail, values = "WHERE position > ? ORDER BY position", (self._confirmed,)
            events, _ = await self._file.read(lambda c: read_events(c, tail, values, count_max=count_max))
        self._looks = False
        if not events:
            self._file.recent_events.assure(self._confirmed)
        return events

    async def unpublished_positions(self, *, count_max: int) -> range:
        events = await self.unpublished(count_max=count_max)
        if not events:
            return range(0)
        first = self._confirmed or 0
        return range(first + 1, first + len(events) + 1)

    async def wait(self, *, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._file.has_committed.wait()
        except TimeoutError:
            self._looks = True
        self._file.has_committed.clear()

    async def confirm(self, position: int) -> None:
        self._confirmed = max(position, self._confirmed or 0)

    async def confirmed(self) -> int:
        return self._confirmed or 0

    async def waiting_since(self) -> datetime | None:
        after = self._confirmed
        if after is None:
            return None
        with translated(StoreUnavailable):
            row = await self._file.read(lambda connection: connection.execute(SQL["waiting"], (after,)).fetchone())
        return None if row is None else from_us(row[0])


def _head(connection: Connection) -> int:
    return connection.execute(SQL["head"]).fetchone()[0]
