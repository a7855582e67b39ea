"""The relay: committed events → bus, in order of position, each at least once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from observatory.core import limits
from observatory.core.sources import Clock
from observatory.event_bus.port import EventBus
from observatory.job_store.port import Outbox

Announce: TypeAlias = Callable[[range], Awaitable[None]]


class Relay:
    """
    One loop. An event is confirmed only after the bus has taken it.

    An event that comes after a quiet time is published at once. A relay that has emptied the outbox rests before it
    looks again: a batch wakes every consumer and costs the store a few statements, whether it holds one event or a
    thousand. It rests the longer the more its batches cost, so that it never takes more than its share of the store.

    Args:
        announce: Of a bus whose subscribers read the events from the history itself. Their positions are all that it
            takes, and here no event is read for it.
    """

    name = "relay"

    def __init__(self, *, outbox: Outbox, bus: EventBus, clock: Clock, announce: Announce | None = None) -> None:
        self._outbox = outbox
        self._bus = bus
        self._clock = clock
        self._announce = announce
        self._rests_until_s = 0.0
        """By the monotonic clock."""

    async def run_once(self) -> int:
        """Publish the next batch; returns how many events."""
        await self._rest()
        began_s = self._clock.monotonic()
        positions = await (self._published() if self._announce is None else self._announced(self._announce))
        if not positions:
            return 0
        await self._outbox.confirm(positions[-1])
        if len(positions) < limits.RELAY_BATCH_MAX:
            ended_s = self._clock.monotonic()
            rest_s = limits.RELAY_REST_FACTOR * (ended_s - began_s)
            self._rests_until_s = ended_s + min(max(rest_s, limits.RELAY_REST_S_MIN), limits.RELAY_REST_S_MAX)
        return len(positions)

    async def wait(self) -> None:
        """Until something was committed, or it is time to look all the same."""
        await self._rest()
        await self._outbox.wait(timeout_s=limits.POLL_S)

    async def _published(self) -> range:
        events = await self._outbox.unpublished(count_max=limits.RELAY_BATCH_MAX)
        if not events:
            return range(0)
        await self._bus.publish(events)
        last = events[-1].position
        assert last is not None, "the outbox gives positions"
        return range(last - len(events) + 1, last + 1)

    async def _announced(self, announce: Announce) -> range:
        positions = await self._outbox.unpublished_positions(count_max=limits.RELAY_BATCH_MAX)
        if positions:
            await announce(positions)
        return positions

    async def _rest(self) -> None:
        rests_s = self._rests_until_s - self._clock.monotonic()
        if rests_s > 0:
            await asyncio.sleep(rests_s)
