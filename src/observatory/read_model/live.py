"""The newest events, kept ready for all streams: encoded once, in one ring of bounded size."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import structlog

from observatory.core import limits
from observatory.core.errors import BusUnavailable
from observatory.core.event import Event
from observatory.event_bus.port import Delivery, EventBus, Subscription
from observatory.event_log.port import EventLog
from observatory.read_model.frames import Frame, StreamFilter, Taken, frame_of, take

_log = structlog.get_logger("observatory.read_model")

CONSUMER = "stream"

Wake = Callable[[], None]


class LiveEvents:
    """
    One loop: from the bus into the ring.

    The ring holds the newest events that were delivered, within its bounds. What is older, or was lost on the way, a
    reader takes from the log: deliveries make it fast, never complete. While nobody reads, there is no subscription:
    nothing travels, nothing is kept and nothing encoded.
    """

    name = "live events"

    def __init__(self, *, bus: EventBus, log: EventLog) -> None:
        self._bus = bus
        self._log = log
        self._subscription: Subscription | None = None
        self._delivery: Delivery | None = None
        self._ring: dict[int, Frame] = {}
        self._bytes = 0
        self._readers: set[Wake] = set()
        self._has_readers = asyncio.Event()
        self.head = 0
        """The newest position that was heard of while somebody read."""

    # --- for readers --------------------------------------------------------------------------

    def join(self, wake: Wake) -> None:
        """Call *wake* whenever `head` moves. It must not wait."""
        self._readers.add(wake)
        self._has_readers.set()

    def leave(self, wake: Wake) -> None:
        """Call *wake* no more. Safe to call twice."""
        self._readers.discard(wake)
        if not self._readers:
            self._has_readers.clear()
            self._ring.clear()
            self._bytes = 0

    def reach(self, head: int) -> None:
        """The log has events up to *head*, also those that nobody delivered yet: readers will find them there."""
        if head > self.head:
            self.head = head
            for wake in self._readers:
                wake()

    def after(self, position: int, wanted: StreamFilter) -> Taken | None:
        """One write's worth of what follows *position*; None when the ring does not have the next event."""
        if position >= self.head:
            return Taken(b"", position, None, is_all=True)
        if position + 1 not in self._ring:
            return None
        return take(self._from(position + 1), wanted, position)

    def _from(self, position: int) -> Iterator[Frame]:
        while (frame := self._ring.get(position)) is not None:
            yield frame
            position += 1

    # --- the loop -----------------------------------------------------------------------------

    async def run_once(self) -> int:
        """Take up what was delivered; returns how many events that were."""
        if not self._readers:
            await self.close()
            return 0
        if self._subscription is None:
            self._subscription = await self._bus.subscribe(CONSUMER)
            return await self._look()
        delivery = self._delivery or await self._receive(self._subscription, timeout_s=0)
        self._delivery = None
        if delivery is None:
            return 0
        self._take_up(delivery.events)
        await self._subscription.ack(delivery)
        return len(delivery.events)

    async def wait(self) -> None:
        """Until something was delivered. Without deliveries the log is asked, in case they were lost."""
        await self._has_readers.wait()
        if self._subscription is None or self._delivery is not None:
            return
        self._delivery = await self._receive(self._subscription, timeout_s=limits.POLL_S)
        if self._delivery is None:
            await self._look()

    async def close(self) -> None:
        """Give up the subscription. Safe to call twice."""
        subscription, self._subscription, self._delivery = self._subscription, None, None
        if subscription is not None:
            await subscription.close()

    async def _receive(self, subscription: Subscription, *, timeout_s: float) -> Delivery | None:
        try:
            return await subscription.receive(timeout_s=timeout_s)
        except BusUnavailable:
            self._subscription = None  # as in `event_bus.consume`: the next run subscribes anew
            raise

    async def _look(self) -> int:
        """Notice events that nobody delivered."""
        before = self.head
        self.reach(await self._log.head())
        return self.head - before

    def _take_up(self, events: Sequence[Event]) -> None:
        last = events[-1].position
        assert last is not None, "the relay publishes what has its position"
        for event in events:
            if event.position not in self._ring:
                self._keep(frame_of(event))
        self.reach(last)

    def _keep(self, frame: Frame) -> None:
        self._ring[frame.position] = frame
        self._bytes += len(frame.text)
        while len(self._ring) > limits.STREAM_RING_EVENTS_MAX or self._bytes > limits.STREAM_RING_BYTES_MAX:
            oldest = self._ring.pop(next(iter(self._ring)))
            self._bytes -= len(oldest.text)
