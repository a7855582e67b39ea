"""The relay: committed events → bus, in order of position, each at least once."""

import asyncio

from observatory.core import limits
from observatory.core.sources import Clock
from observatory.event_bus.port import EventBus
from observatory.job_store.port import Outbox


class Relay:
    """
    One loop. An event is confirmed only after the bus has taken it.

    An event that comes after a quiet time is published at once. Once the outbox is empty, the relay rests for
    `limits.RELAY_PAUSE_S`: a batch wakes every consumer, and one for each commit costs a caller who waits for each of
    its jobs a tenth of its rate.
    """

    name = "relay"

    def __init__(self, *, outbox: Outbox, bus: EventBus, clock: Clock) -> None:
        self._outbox = outbox
        self._bus = bus
        self._clock = clock
        self._rests_until_s = 0.0
        """By the monotonic clock."""

    async def run_once(self) -> int:
        """Publish the next batch; returns how many events."""
        events = await self._outbox.unpublished(count_max=limits.RELAY_BATCH_MAX)
        if not events:
            return 0
        await self._bus.publish(events)
        self._rests_until_s = self._clock.monotonic() + limits.RELAY_PAUSE_S
        last = events[-1].position
        assert last is not None, "the outbox gives positions"
        await self._outbox.confirm(last)
        return len(events)

    async def wait(self) -> None:
        """Until something was committed, or it is time to look all the same."""
        rests_s = self._rests_until_s - self._clock.monotonic()
        if rests_s > 0:
            await asyncio.sleep(rests_s)
        await self._outbox.wait(timeout_s=limits.POLL_S)
