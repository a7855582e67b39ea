"""The bus between processes on one PostgreSQL database: notices say which positions to read from the history."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection, Sequence

from observatory.core import limits
from observatory.core.errors import BadEnvelope, BusUnavailable
from observatory.core.event import Event
from observatory.engine.postgres_database import PostgresDatabase, translated
from observatory.engine.postgres_events import read_events
from observatory.engine.postgres_notices import EVENTS, HINTS, PostgresNotices
from observatory.event_bus.port import Delivery, Hint


class PostgresSubscription:
    """
    The ranges of positions that were told since it began; each is read when its turn comes.

    When a consumer is too slow the oldest ranges go: it will see the gap. Events that were pruned meanwhile are left
    out. So is a range with a damaged event: whoever reads the gap from the log is told what is wrong with it.
    """

    def __init__(self, bus: "PostgresBus", job_types: frozenset[str] | None) -> None:
        self._bus = bus
        self._job_types = job_types
        self._ranges: deque[tuple[int, int]] = deque(maxlen=limits.SUBSCRIPTION_BATCHES_MAX)
        self._has_news = asyncio.Event()
        self._is_lost = False
        self._tag = 0
        self._hearing = bus.notices.hear(EVENTS, self._hear)

    def _hear(self, text: str | None) -> None:
        if text is None:
            self._is_lost = True
        elif (told := _range_of(text)) is not None:
            self._ranges.append(told)
        self._has_news.set()

    async def receive(self, *, timeout_s: float) -> Delivery | None:
        end_s = asyncio.get_running_loop().time() + timeout_s
        if not self._ranges and timeout_s <= 0 and not self._is_lost:
            await self._bus.notices.catch_up()
        while await self._has_range(end_s):
            if events := self._chosen(await self._read()):
                self._tag += 1
                return Delivery(events, self._tag)
        return None

    async def _has_range(self, end_s: float) -> bool:
        """Waits for the next one until *end_s* of the loop's time."""
        if not self._ranges and not self._is_lost:
            self._has_news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(end_s):
                    await self._has_news.wait()
        if self._is_lost:
            raise BusUnavailable("PostgreSQL: the connection that listens was lost")
        return bool(self._ranges)

    async def _read(self) -> list[Event]:
        """What the next range has. It leaves the queue once it was read, so that a cancelled call takes nothing."""
        told = first, last = self._ranges[0]
        try:
            events, has_more = await self._bus.events_of(first, last)
        except BadEnvelope:
            events, has_more = [], False
        if self._ranges and self._ranges[0] is told:
            self._ranges.popleft()
            if has_more:
                self._ranges.appendleft(((events[-1].position or last) + 1, last))
        return events

    def _chosen(self, events: Sequence[Event]) -> tuple[Event, ...]:
        if self._job_types is None:
            return tuple(events)
        return tuple(event for event in events if event.payload["type"] in self._job_types)

    async def ack(self, delivery: Delivery) -> None:
        """Nothing is kept for a delivery that was handed out."""

    async def close(self) -> None:
        self._hearing.close()
        self._bus.forget(self)


class PostgresHints:
    """One flag: set by any number of hints, or when some may have been missed; cleared when seen."""

    def __init__(self, notices: PostgresNotices, about: Hint) -> None:
        self._about = about
        self._flag = asyncio.Event()
        self._hearing = notices.hear(HINTS, self._hear)

    def _hear(self, text: str | None) -> None:
        if text is None or text == self._about:
            self._flag.set()

    async def wait(self, *, timeout_s: float) -> bool:
        if not self._flag.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._flag.wait()
        came = self._flag.is_set()  # also a hint that came in the instant of the time-out
        self._flag.clear()
        return came

    async def close(self) -> None:
        self._hearing.close()


class PostgresBus:
    """
    Implements `EventBus` for all processes on one database.

    The events of `publish` must be committed in the history: the relay moves them there first, and publishes what it
    moved. A notice tells everybody their positions, and each subscription reads them. So nothing is kept for a
    subscription but some numbers, and what is lost with a connection is in the history.

    Listening for hints never fails: while the connection is lost none come, and its return counts as one.
    """

    def __init__(self, database: PostgresDatabase, notices: PostgresNotices) -> None:
        self.notices = notices
        self._database = database
        self._subscriptions: dict[str, PostgresSubscription] = {}

    async def publish(self, events: Sequence[Event]) -> None:
        assert events, "a batch of no events"
        first, last = events[0].position, events[-1].position
        assert first is not None, "the outbox gives positions"
        assert last is not None, "the outbox gives positions"
        await self.announce(range(first, last + 1))

    async def announce(self, positions: range) -> None:
        """As `publish`, of the events at these *positions*: nobody has to read them for it."""
        assert 1 <= len(positions) <= limits.RELAY_BATCH_MAX, f"a batch of {len(positions)} events"
        await self.notices.tell_now(EVENTS, f"{positions[0]}-{positions[-1]}")

    async def subscribe(self, consumer: str, *, job_types: Collection[str] | None = None) -> PostgresSubscription:
        await self.notices.ready(EVENTS)
        if consumer in self._subscriptions:
            await self._subscriptions[consumer].close()
        subscription = PostgresSubscription(self, None if job_types is None else frozenset(job_types))
        self._subscriptions[consumer] = subscription
        return subscription

    async def hint(self, about: Hint = Hint.READY) -> None:
        self.notices.tell(HINTS, about.value)

    def hint_ahead(self) -> None:
        """Between processes no claim can wait behind a write: it would find nothing, and come again."""

    async def listen(self, about: Hint = Hint.READY) -> PostgresHints:
        with contextlib.suppress(BusUnavailable):
            await self.notices.ready(HINTS)
        return PostgresHints(self.notices, about)

    async def events_of(self, first: int, last: int) -> tuple[list[Event], bool]:
        """The events at these positions, within the bounds of a read, and whether there are more."""
        condition, count_max = "position BETWEEN $1 AND $2", limits.RELAY_BATCH_MAX
        with translated(BusUnavailable):
            return await self._database.read(
                lambda connection: read_events(connection, condition, "position", (first, last), count_max=count_max)
            )

    def forget(self, subscription: PostgresSubscription) -> None:
        """Nothing is told to it any more."""
        self._subscriptions = {name: one for name, one in self._subscriptions.items() if one is not subscription}


def _range_of(text: str) -> tuple[int, int] | None:
    """None for what nobody of ours can have told."""
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal()) or max(len(first), len(last)) > len(str(limits.CURSOR_PLACE_MAX)):
        return None
    told = int(first), int(last)
    return told if 1 <= told[0] <= told[1] <= limits.CURSOR_PLACE_MAX else None
