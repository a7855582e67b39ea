"""
Which jobs a claim takes next.

A lane is one type in one queue: its jobs lie in order in an index. The lanes of the claim's types are found by a seek
each, so that a queue from which nothing may be claimed costs as much with a million jobs as with one. How many of the
next jobs each lane has is counted without a lock; then each lane gives so many, past those that other claims hold.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import msgspec

from observatory.core.job import Job
from observatory.core.queue import Admission
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_database import Connection, Row
from observatory.job_store.damaged_rows import look_further
from observatory.job_store.postgres.rows import JOB_COLUMN_COUNT, JOB_COLUMNS, readable_jobs

SQL = load_queries(Path(__file__).with_suffix(".sql"))
LANES = SQL["lanes"].replace("{walk}", SQL["walk"])
_READY = SQL["ready"].replace("{columns}", JOB_COLUMNS)
READY = (
    _READY.replace("WITH RECURSIVE walk AS ({walk}), ", "WITH ")
    .replace("{lanes}", "SELECT * FROM unnest($1::text[], $2::text[], $3::integer[])")
    .replace("{wanted}", "$4")
)
READY_UNLIMITED = (
    _READY.replace("{walk}", SQL["walk"]).replace("{lanes}", SQL["unlimited"]).replace("{wanted}", "$2::integer")
)


class Lane(msgspec.Struct, frozen=True):
    """The waiting jobs of one type in one queue, from which something may be claimed as far as is known."""

    type: str
    queue: str
    is_limited: bool


class Limits(msgspec.Struct, frozen=True):
    """What the queues with a limit allow, for as long as the transaction that read it."""

    concurrency_max: Mapping[str, int] = MappingProxyType({})
    """Of the queues that this claim has locked."""
    leased: Mapping[str, int] = MappingProxyType({})
    closed: frozenset[str] = frozenset()
    """Queues with a limit from which this claim takes nothing: they are full, or another claim has them locked."""
    is_held_up: bool = False
    """True when another claim holds the lock of a queue that seems to have room."""

    def admission(self, count_max: int, buffer_max: int) -> Admission:
        """What one claim may take."""
        return Admission(
            paused=self.closed,
            concurrency_max=self.concurrency_max,
            leased=self.leased,
            count_max=count_max,
            buffer_max=buffer_max,
        )

    def room(self, queue: str, wanted: int) -> int:
        """How many of *wanted* jobs *queue* has room for."""
        if queue in self.closed:
            return 0
        most = self.concurrency_max.get(queue)
        return wanted if most is None else max(0, min(wanted, most - self.leased.get(queue, 0)))


async def open_lanes(connection: Connection, types: Sequence[str]) -> list[Lane]:
    """Where jobs of *types* wait in queues that are not paused."""
    rows = await connection.fetch(LANES, list(types))
    return [Lane(job_type, queue, most is not None) for job_type, queue, is_paused, most in rows if not is_paused]


async def lock_limits(connection: Connection, lanes: Sequence[Lane]) -> Limits:
    """What is set for those of *lanes* that are limited; locked, without waiting, where there seems to be room."""
    queues = {lane.queue for lane in lanes if lane.is_limited}
    if not queues:
        return Limits()
    with_room = [row[0] for row in await connection.fetch(SQL["with_room"], sorted(queues))]
    if not with_room:
        return Limits(closed=frozenset(queues))
    locked = {row[0]: row[1] for row in await connection.fetch(SQL["lock_limits"], with_room)}
    leased = await connection.fetch(SQL["leased_of"], list(locked))
    return Limits(
        concurrency_max=locked,
        leased={row[0]: row[1] for row in leased},
        closed=frozenset(queues - set(locked)),
        is_held_up=len(locked) < len(with_room),
    )


Ready = tuple[list[Job], datetime | None]
"""Jobs in order, locked, and the time after that, None when there are none."""


async def ready_unlimited_jobs(connection: Connection, types: Sequence[str], *, wanted: int) -> Ready:
    """As `ready_jobs`, of all lanes of *types*, by one statement; nothing where one of their queues has a limit."""
    return await _past_damaged(wanted, lambda count: connection.fetch(READY_UNLIMITED, list(types), count))


async def ready_jobs(connection: Connection, lanes: Sequence[Lane], allowed: Limits, *, wanted: int) -> Ready:
    """The next *wanted* jobs of *lanes*; fewer come when fewer wait or others hold them."""

    async def first(count: int) -> list[Row]:
        rooms = [allowed.room(lane.queue, wanted) for lane in lanes]
        rooms = [room + count - wanted if room else 0 for room in rooms]
        given = ([lane.type for lane in lanes], [lane.queue for lane in lanes], rooms)
        return await connection.fetch(READY, *given, count)

    return await _past_damaged(wanted, first)


async def _past_damaged(wanted: int, first: Callable[[int], Awaitable[list[Row]]]) -> Ready:
    looked_past = 0
    while True:
        rows = await first(wanted + looked_past)
        jobs, unreadable = readable_jobs(rows)
        further = look_further(looked_past, found=len(jobs), wanted=wanted, damaged=len(unreadable))
        if further is None:
            return jobs, max((row[JOB_COLUMN_COUNT] for row in rows), default=None)
        looked_past = further
