"""
`Outbox` over one `PostgresDatabase`: committed events get their positions here.

A transaction leaves its events in the table `outbox`. One statement at a time, under a lock that is bound to its
transaction, moves the oldest of them into the history, with the next positions. Numbers of the outbox are given before
a commit, so they become visible out of order: what is moved is whatever is there, never what lies behind a number.
"""

import asyncio
from datetime import datetime
from pathlib import Path

import structlog

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.event import Event
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_database import Connection, PostgresDatabase, broken_constraint, translated
from observatory.engine.postgres_events import VALUE_COLUMNS, read_events
from observatory.engine.postgres_hearings import Hearing
from observatory.engine.postgres_notices import COMMITTED, PostgresNotices

_log = structlog.get_logger("observatory.postgres")

SQL = load_queries(Path(__file__).with_suffix(".sql"))
_MOVE = SQL["move"].replace("{columns}", VALUE_COLUMNS)
MOVE = _MOVE.replace("{chosen}", "true")
MOVE_PAST = _MOVE.replace("{chosen}", SQL["is_new"])

UNCONFIRMED = "position > greatest($1::bigint, (SELECT confirmed_position FROM observatory.published))"

_LOCK = 0x6F64_726C
"""Held by the one relay that moves events at the moment."""


class PostgresOutbox:
    """
    Implements `Outbox`. Any number of relays may run: at every moment one of them moves, and what two of them publish
    is published twice.

    The confirmed position is kept in the database; of a relay that is killed the last few may be forgotten.
    """

    def __init__(self, database: PostgresDatabase, notices: PostgresNotices) -> None:
        self._database = database
        self._has_news = asyncio.Event()
        self._has_news.set()
        self._notices = notices
        self._hearing: Hearing | None = None
        """From the first `wait` on: in most processes nobody waits."""
        self._confirmed = 0
        self._looks_past = False
        """True once an event was met that the history has already."""

    async def unpublished(self, *, count_max: int) -> list[Event]:
        assert 1 <= count_max <= limits.RELAY_BATCH_MAX, f"a batch of {count_max}"
        if await self.move(count_max=count_max) is None:
            return []
        with translated(StoreUnavailable):
            return await self._database.read(lambda connection: self._unconfirmed(connection, count_max))

    async def unpublished_positions(self, *, count_max: int) -> range:
        assert 1 <= count_max <= limits.RELAY_BATCH_MAX, f"a batch of {count_max}"
        if await self.move(count_max=count_max) is None:
            return range(0)
        with translated(StoreUnavailable):
            row = await self._database.read(lambda connection: connection.fetchrow(SQL["ends"], self._confirmed))
        assert row is not None, "both tables have one row each"
        confirmed, last = row
        return range(confirmed + 1, min(last, confirmed + count_max) + 1)

    async def move(self, *, count_max: int) -> int | None:
        """
        Give the oldest events that wait their positions; returns how many, None while another relay does that.

        They are part of the history then, whether or not they are published. An event of a number that the history has
        already, as a damaged or partly restored job writes it, is left where it is and holds up no other.
        """
        with translated(StoreUnavailable):
            if not self._looks_past:
                try:
                    return await self._database.write(lambda connection: _moved(connection, MOVE, count_max))
                except Exception as error:
                    if broken_constraint(error) != "events_pkey":
                        raise
                    _log.error("events_set_aside", reason=str(error), detail=getattr(error, "detail", None))
                    self._looks_past = True
            return await self._database.write(lambda connection: _moved(connection, MOVE_PAST, count_max))

    async def _unconfirmed(self, connection: Connection, count_max: int) -> list[Event]:
        events, _ = await read_events(connection, UNCONFIRMED, "position", [self._confirmed], count_max=count_max)
        return events

    async def wait(self, *, timeout_s: float) -> None:
        if self._hearing is None:
            self._hearing = self._notices.hear(COMMITTED, lambda _: self._has_news.set())
        try:
            async with asyncio.timeout(min(timeout_s, limits.POSTGRES_OUTBOX_LOOK_S)):
                await self._has_news.wait()
        except TimeoutError:
            return
        self._has_news.clear()

    async def confirm(self, position: int) -> None:
        self._confirmed = max(self._confirmed, position)
        with translated(StoreUnavailable):
            await self._database.write_alone(lambda connection: connection.execute(SQL["confirm"], self._confirmed))

    async def confirmed(self) -> int:
        with translated(StoreUnavailable):
            stored = await self._database.read(lambda connection: connection.fetchval(SQL["confirmed"]))
        self._confirmed = max(self._confirmed, stored)
        return self._confirmed

    async def waiting_since(self) -> datetime | None:
        with translated(StoreUnavailable):
            return await self._database.read(lambda connection: connection.fetchval(SQL["waiting_since"]))

    def close(self) -> None:
        """Hear no more."""
        if self._hearing is not None:
            self._hearing.close()


async def _moved(connection: Connection, move: str, count_max: int) -> int | None:
    # The lock has a statement of its own: the next one sees everything that its last holder committed.
    if not await connection.fetchval(SQL["try_lock"], _LOCK):
        return None
    return await connection.fetchval(move, count_max)
