"""The relay: committed events → bus, in order of position, each at least once."""

from observatory.core import limits
from observatory.event_bus.port import EventBus
from observatory.job_store.port import Outbox


class Relay:
    """One loop. An event is confirmed only after the bus has taken it."""

    name = "relay"

    def __init__(self, *, outbox: Outbox, bus: EventBus) -> None:
        self._outbox = outbox
        self._bus = bus

    async def run_once(self) -> int:
        """Publish the next batch; returns how many events."""
        events = await self._outbox.unpublished(count_max=limits.RELAY_BATCH_MAX)
        if not events:
            return 0
        await self._bus.publish(events)
        last = events[-1].position
        assert last is not None, "the outbox gives positions"
        await self._outbox.confirm(last)
        return len(events)

    async def wait(self) -> None:
        """Until something was committed, or it is time to look all the same."""
        await self._outbox.wait(timeout_s=limits.POLL_S)
