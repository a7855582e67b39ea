"""The one receive → apply → ack loop of every consumer."""

from collections.abc import Sequence
from typing import Protocol

from observatory.core import limits
from observatory.core.errors import BusUnavailable
from observatory.core.event import Event
from observatory.event_bus.port import Delivery, EventBus, Subscription


class Applies(Protocol):
    """What a consumer does with events: in order, each at least once, none left out but those of pruned jobs."""

    @property
    def checkpoint(self) -> int:
        """Position up to which everything was applied."""
        ...

    async def load(self) -> None:
        """Find out the checkpoint."""
        ...

    async def apply(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """
        Apply those that are new; returns how many.

        Args:
            after: *events* are the first of the log after this position; None when there is no gap between them.
        """
        ...


class ReadsLog(Protocol):
    """Where a gap is read."""

    async def after(self, position: int, *, count_max: int) -> list[Event]:
        """The next events after *position*, in order; only those of pruned jobs are missing."""
        ...


class Consumer:
    """
    Keeps *target* up with the log: from the bus while deliveries are contiguous, else from the log.

    Nothing is acked before it was applied. Whatever the bus loses, repeats or reorders, *target*
    sees every position once and in order, but those that were pruned before it could.
    """

    def __init__(self, name: str, *, bus: EventBus, log: ReadsLog, target: Applies) -> None:
        self.name = name
        self._bus = bus
        self._log = log
        self._target = target
        self._subscription: Subscription | None = None
        self._delivery: Delivery | None = None
        self._looks = False
        """True when it is time to look into the log, although nothing was delivered."""

    def look(self) -> None:
        """Have the next round look into the log, whatever is delivered: the target went back."""
        self._looks = True

    async def run_once(self) -> int:
        """
        Apply what was delivered, or when it is time what the log has.

        Returns how many events were new; 1 when none was and the next round has to look into the log.
        """
        if self._subscription is None:
            self._subscription = await self._bus.subscribe(self.name)
            self._looks = True  # also when what follows fails
            await self._target.load()
            return await self._look()
        delivery = self._delivery or await self._receive(self._subscription, timeout_s=0)
        self._delivery = None
        if delivery is None:
            return await self._look()
        self._looks = True  # until it was applied
        applied = 0
        first, last = delivery.events[0].position, delivery.events[-1].position
        if first is not None and first > self._target.checkpoint + 1:
            applied += await self._catch_up(first - 1)
        applied += await self._target.apply(delivery.events)
        await self._subscription.ack(delivery)
        self._looks = last is not None and last > self._target.checkpoint
        return max(applied, int(self._looks))

    async def _look(self) -> int:
        if not self._looks:
            return 0
        applied = await self._catch_up(None)
        self._looks = False
        return applied

    async def wait(self, *, timeout_s: float = limits.POLL_S) -> None:
        """Return when something was delivered or the time is over; after `POLL_S` the next round reads the log."""
        if self._subscription is not None and self._delivery is None:
            self._delivery = await self._receive(self._subscription, timeout_s=timeout_s)
            self._looks = self._looks or (self._delivery is None and timeout_s >= limits.POLL_S)

    async def _receive(self, subscription: Subscription, *, timeout_s: float) -> Delivery | None:
        try:
            return await subscription.receive(timeout_s=timeout_s)
        except BusUnavailable:
            self._subscription = None  # a connection that is gone does not come back: the next run subscribes anew
            raise

    async def _catch_up(self, until: int | None) -> int:
        applied = 0
        while until is None or self._target.checkpoint < until:
            after = self._target.checkpoint
            events = await self._log.after(after, count_max=limits.READ_EVENTS_MAX)
            if not events:
                break
            applied += await self._target.apply(events, after=after)
        return applied

    async def close(self) -> None:
        """Give up the subscription. Safe to call twice."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.close()
