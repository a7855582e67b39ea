"""
The contract of the bus.

Deliveries may be lost, repeated, reordered or late; positions make that harmless: a consumer skips
what it has seen and reads a gap from the log. Hints carry nothing but what to look for: a lost one costs
time, never a job.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from observatory.core.event import Event


class Hint(StrEnum):
    """What there is to look for."""

    READY = "ready"
    """Jobs may be claimed."""
    CANCEL = "cancel"
    """A running attempt is asked to stop."""


class Delivery(msgspec.Struct, frozen=True):
    """One arrival of a batch at a consumer."""

    events: tuple[Event, ...]
    """In order of position; without a gap, unless the subscription is bound to some job types."""
    tag: int
    """Identifies the delivery to its own subscription."""


class Subscription(Protocol):
    """One consumer's stream of deliveries."""

    async def receive(self, *, timeout_s: float) -> Delivery | None:
        """
        The next delivery; None when nothing came in time.

        Raises:
            BusUnavailable: The connection is gone; subscribe again.
        """
        ...

    async def ack(self, delivery: Delivery) -> None:
        """The delivery was applied and its effect is stored. Acking twice changes nothing."""
        ...

    async def close(self) -> None:
        """Give up the subscription; what was not acked may be delivered to the next one. Safe to call twice."""
        ...


class Hints(Protocol):
    """The wake-ups of one listener."""

    async def wait(self, *, timeout_s: float) -> bool:
        """True when a hint came since the last call, or comes in time. Many hints count as one."""
        ...

    async def close(self) -> None:
        """Stop listening. Safe to call twice."""
        ...


class EventBus(Protocol):
    """Publishes and subscribes. Errors of every method: `BusUnavailable`."""

    async def publish(self, events: Sequence[Event]) -> None:
        """
        Hand one batch to every consumer's stream; returns when the bus has taken it.

        After `BusUnavailable` it is not known whether it was taken: publish again.

        Args:
            events: 1 to `limits.RELAY_BATCH_MAX`, in order of position, without a gap; as the outbox gives them,
                with at most `limits.READ_BYTES_MAX` of payload.
        """
        ...

    async def subscribe(self, consumer: str, *, job_types: Collection[str] | None = None) -> Subscription:
        """
        A stream of the batches published from now on. Each name has a stream of its own.

        Args:
            job_types: Only events of jobs of these exact types, so that positions leave some out: for somebody who
                reacts to events, not for who keeps a view. None means all of them; none given means no event.
        """
        ...

    async def hint(self, about: Hint = Hint.READY) -> None:
        """Wake everybody who listens for *about*. Cheap; never waits for a processor."""
        ...

    def hint_ahead(self) -> None:
        """
        As `hint` about ready jobs, by somebody who asks for the commit right after the call.

        Never waits and never fails. A processor beside the store can then queue its claim behind the very write that
        it is for, and one commit takes both. A bus between processes may do nothing: the hint after the commit comes
        all the same.
        """
        ...

    async def listen(self, about: Hint = Hint.READY) -> Hints:
        """Wake-ups from now on, by hints about this and nothing else."""
        ...
