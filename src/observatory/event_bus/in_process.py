"""The bus inside one process: queues in memory. What is lost with the process is read from the log."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection, Sequence

from observatory.core import limits
from observatory.core.event import Event
from observatory.event_bus.port import Delivery, Hint


class InProcessSubscription:
    """A bounded queue. When a consumer is too slow its oldest deliveries go: it will see the gap."""

    def __init__(self, bus: "InProcessBus", job_types: frozenset[str] | None) -> None:
        self._bus = bus
        self._job_types = job_types
        self._waiting: deque[Delivery] = deque(maxlen=limits.SUBSCRIPTION_BATCHES_MAX)
        self._has_news = asyncio.Event()
        self._tag = 0

    def offer(self, events: tuple[Event, ...]) -> None:
        """Queue what concerns it of one batch; never waits."""
        if self._job_types is not None:
            events = tuple(event for event in events if event.payload["type"] in self._job_types)
        if not events:
            return
        self._tag += 1
        self._waiting.append(Delivery(events, self._tag))
        self._has_news.set()

    async def receive(self, *, timeout_s: float) -> Delivery | None:
        if not self._waiting:
            self._has_news.clear()
            await _wait(self._has_news, timeout_s)
        return self._waiting.popleft() if self._waiting else None

    async def ack(self, delivery: Delivery) -> None:
        """Nothing is kept for a delivery that was handed out."""

    async def close(self) -> None:
        self._bus.forget(self)


class InProcessHints:
    """One flag: set by any number of hints, cleared when seen."""

    def __init__(self, bus: "InProcessBus", about: Hint) -> None:
        self.about = about
        self._bus = bus
        self._flag = asyncio.Event()

    def offer(self) -> None:
        """Remember that there is something to look for; never waits."""
        self._flag.set()

    async def wait(self, *, timeout_s: float) -> bool:
        await _wait(self._flag, timeout_s)
        came = self._flag.is_set()  # also a hint that came in the instant of the time-out
        self._flag.clear()
        return came

    async def close(self) -> None:
        self._bus.forget(self)


class InProcessBus:
    """Implements `EventBus` for consumers and processors of the same event loop."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, InProcessSubscription] = {}
        self._hints: list[InProcessHints] = []

    async def publish(self, events: Sequence[Event]) -> None:
        assert 1 <= len(events) <= limits.RELAY_BATCH_MAX, f"a batch of {len(events)} events"
        batch = tuple(events)
        for subscription in self._subscriptions.values():
            subscription.offer(batch)

    async def subscribe(self, consumer: str, *, job_types: Collection[str] | None = None) -> InProcessSubscription:
        subscription = InProcessSubscription(self, None if job_types is None else frozenset(job_types))
        self._subscriptions[consumer] = subscription
        return subscription

    async def hint(self, about: Hint = Hint.READY) -> None:
        self._offer(about)

    def hint_ahead(self) -> None:
        self._offer(Hint.READY)

    def _offer(self, about: Hint) -> None:
        for hints in self._hints:
            if hints.about is about:
                hints.offer()

    async def listen(self, about: Hint = Hint.READY) -> InProcessHints:
        hints = InProcessHints(self, about)
        self._hints.append(hints)
        return hints

    def forget(self, listener: InProcessSubscription | InProcessHints) -> None:
        """Deliver nothing more to *listener*."""
        self._hints = [hints for hints in self._hints if hints is not listener]
        self._subscriptions = {
            name: subscription for name, subscription in self._subscriptions.items() if subscription is not listener
        }


async def _wait(flag: asyncio.Event, timeout_s: float) -> None:
    if flag.is_set():
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await flag.wait()
