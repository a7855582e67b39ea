"""Does every driver of the bus deliver batches as they were published, and hints as no more than hints?"""

import asyncio
import contextlib
import random

import pytest

from observatory.core import limits
from observatory.event_bus.consume import Consumer
from observatory.event_bus.port import Delivery, Hint
from observatory.testing.factories import JobFactory


@pytest.fixture
def events():
    factory = JobFactory()
    for _ in range(10):
        factory.completed()
    return factory.events


async def received(subscription, timeout_s=0.0):
    """Everything that is there, acked, as lists of positions."""
    batches = []
    while delivery := await subscription.receive(timeout_s=timeout_s):
        batches.append([event.position for event in delivery.events])
        await subscription.ack(delivery)
    return batches


class TestRoundTrip:
    async def test_a_batch_arrives_as_it_was_published(self, movement, events):
        subscription = await movement.bus.subscribe("metrics")

        await movement.other_bus.publish(events[:7])

        delivery = await subscription.receive(timeout_s=5.0)
        assert delivery.events == tuple(events[:7])

    async def test_every_consumer_has_a_stream_of_its_own(self, movement, events):
        one, two = await movement.bus.subscribe("one"), await movement.other_bus.subscribe("two")

        await movement.bus.publish(events[:2])
        await movement.bus.publish(events[2:3])

        assert await received(one) == await received(two) == [[1, 2], [3]]

    async def test_a_stream_begins_with_the_subscription(self, movement, events):
        await movement.bus.publish(events[:2])
        subscription = await movement.bus.subscribe("late")
        await movement.bus.publish(events[2:3])

        assert await received(subscription) == [[3]]

    async def test_a_consumer_bound_to_a_job_type_receives_only_its_events(self, movement):
        factory = JobFactory()
        for job_type in ("mail", "Mail", "mail.urgent", "image", "mail"):
            factory.completed(type=job_type)
        bound = await movement.bus.subscribe("bound", job_types={"mail"})
        nothing = await movement.bus.subscribe("nothing", job_types=())
        free = await movement.bus.subscribe("free")

        await movement.other_bus.publish(factory.events)
        await movement.other_bus.publish(factory.histories[3].events)

        mails = [event.position for event in factory.events if event.payload["type"] == "mail"]
        assert await received(bound) == [mails]
        assert len(mails) == 2 * len(factory.histories[0].events)
        assert await received(nothing) == []
        assert [len(batch) for batch in await received(free)] == [30, 6]

    async def test_publishing_to_nobody_is_taken(self, movement, events):
        await movement.bus.publish(events[:1])

    async def test_a_closed_subscription_holds_up_nobody(self, movement, events):
        closed, open_ = await movement.bus.subscribe("one"), await movement.bus.subscribe("two")
        await closed.close()

        await movement.bus.publish(events[:1])

        assert await received(open_) == [[1]]

    async def test_a_consumer_that_subscribes_again_gets_what_comes_from_then_on(self, movement, events):
        await (await movement.bus.subscribe("metrics")).close()
        again = await movement.bus.subscribe("metrics")

        await movement.bus.publish(events[:1])

        assert await received(again) == [[1]]

    async def test_closing_the_old_subscription_leaves_the_new_one_alone(self, movement, events):
        old = await movement.bus.subscribe("metrics")
        new = await movement.bus.subscribe("metrics")
        await old.close()

        await movement.bus.publish(events[:1])

        assert await received(new) == [[1]]

    async def test_a_hint_wakes_every_listener(self, movement):
        one, two = await movement.bus.listen(), await movement.other_bus.listen()

        await movement.bus.hint()

        assert await one.wait(timeout_s=5.0)
        assert await two.wait(timeout_s=5.0)

    @pytest.mark.parametrize("about", Hint)
    async def test_a_hint_wakes_only_those_who_listen_for_what_it_is_about(self, movement, about):
        hints = {kind: await movement.other_bus.listen(kind) for kind in Hint}

        await movement.bus.hint(about)

        assert await hints.pop(about).wait(timeout_s=5.0)
        for others in hints.values():
            assert not await others.wait(timeout_s=0.05)


class TestConcurrency:
    async def test_one_who_waits_is_woken_by_a_publish(self, movement, events):
        subscription = await movement.bus.subscribe("metrics")
        waiting = asyncio.create_task(subscription.receive(timeout_s=3_600.0))
        await asyncio.sleep(0)

        await movement.bus.publish(events[:1])

        async with asyncio.timeout(10.0):
            assert (await waiting).events == tuple(events[:1])

    async def test_one_who_listens_is_woken_by_a_hint(self, movement):
        hints = await movement.bus.listen()
        waiting = asyncio.create_task(hints.wait(timeout_s=3_600.0))
        await asyncio.sleep(0)

        await movement.bus.hint()

        async with asyncio.timeout(10.0):
            assert await waiting

    async def test_a_cancelled_receive_takes_nothing_away(self, movement, events):
        subscription = await movement.bus.subscribe("metrics")
        waiting = asyncio.create_task(subscription.receive(timeout_s=3_600.0))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        await movement.bus.publish(events[:1])

        assert await received(subscription) == [[1]]


class TestIdempotency:
    async def test_acks_and_closes_may_be_repeated(self, movement, events):
        subscription, hints = await movement.bus.subscribe("metrics"), await movement.bus.listen()
        await movement.bus.publish(events[:1])
        delivery = await subscription.receive(timeout_s=5.0)

        for _ in range(2):
            await subscription.ack(delivery)
        for _ in range(2):
            await subscription.close()
            await hints.close()

    async def test_a_hint_ahead_never_fails_and_takes_nothing_from_the_hint_that_follows(self, movement):
        hints = await movement.bus.listen()

        movement.bus.hint_ahead()
        await hints.wait(timeout_s=0)
        await movement.bus.hint()

        assert await hints.wait(timeout_s=3_600.0)

    async def test_many_hints_count_as_one(self, movement):
        hints = await movement.bus.listen()
        for _ in range(5):
            await movement.bus.hint()

        assert await hints.wait(timeout_s=5.0)
        assert not await hints.wait(timeout_s=0.0)


class TestBounds:
    async def test_a_batch_takes_from_one_to_the_bound(self, movement):
        factory = JobFactory()
        for _ in range(limits.RELAY_BATCH_MAX + 1):
            factory.pending()
        events = factory.events
        subscription = await movement.bus.subscribe("metrics")

        await movement.bus.publish(events[:1])
        await movement.bus.publish(events[: limits.RELAY_BATCH_MAX])

        assert [len(batch) for batch in await received(subscription)] == [1, limits.RELAY_BATCH_MAX]
        for wrong in (events, []):
            with pytest.raises(AssertionError):
                await movement.bus.publish(wrong)

    async def test_nothing_in_time_is_none(self, movement):
        subscription, hints = await movement.bus.subscribe("metrics"), await movement.bus.listen()

        for timeout_s in (0.0, 0.001):
            assert await subscription.receive(timeout_s=timeout_s) is None
            assert not await hints.wait(timeout_s=timeout_s)

    async def test_what_a_slow_consumer_gets_is_in_order_and_ends_with_the_newest(self, movement):
        factory = JobFactory()
        for _ in range(limits.SUBSCRIPTION_BATCHES_MAX + 10):
            factory.pending()
        subscription = await movement.bus.subscribe("slow")

        for event in factory.events:
            await movement.bus.publish([event])
        positions = [position for batch in await received(subscription) for position in batch]

        # The oldest may be dropped: the consumer reads that range from the log.
        assert positions == list(range(len(factory.events) - len(positions) + 1, len(factory.events) + 1))
        assert len(positions) >= limits.SUBSCRIPTION_BATCHES_MAX


class Ledger:
    """Applies by writing down; refuses a gap as a projection does, and fails when told."""

    def __init__(self):
        self.positions = []
        self.fails = 0

    @property
    def checkpoint(self):
        return self.positions[-1] if self.positions else 0

    async def load(self):
        pass

    async def apply(self, events, *, after=None):
        if self.fails:
            self.fails -= 1
            raise ConnectionError("injected")
        new = [event.position for event in events if event.position > self.checkpoint]
        assert not new or new[0] == self.checkpoint + 1, "a gap"
        self.positions += new
        return len(new)


class Everything:
    """The log: every event up to the newest that was committed."""

    def __init__(self, events):
        self.events = events
        self.head = 0

    async def after(self, position, *, count_max):
        return self.events[position : min(self.head, position + count_max)]


class Unreliable:
    """A subscription that loses, repeats and reorders what another one gives."""

    def __init__(self, subscription, chance):
        self._subscription = subscription
        self._chance = chance
        self._held = []

    async def receive(self, *, timeout_s):
        delivery = await self._subscription.receive(timeout_s=timeout_s)
        if delivery is not None:
            self._held += [delivery] * self._chance.choice([0, 1, 1, 2])
        if self._held and self._chance.random() < 0.7:
            return self._held.pop(self._chance.randrange(len(self._held)))
        return None

    async def ack(self, delivery: Delivery):
        await self._subscription.ack(delivery)

    async def close(self):
        await self._subscription.close()


class TestConsumer:
    """What stands on the port: every position once and in order, whatever the bus does."""

    async def test_a_new_consumer_begins_with_what_the_log_has(self, movement, events):
        log, ledger = Everything(events), Ledger()
        log.head = 5
        consumer = Consumer("metrics", bus=movement.bus, log=log, target=ledger)

        assert await consumer.run_once() == 5
        log.head = 7
        await movement.bus.publish(events[5:7])
        assert await consumer.run_once() == 2

        assert ledger.positions == [1, 2, 3, 4, 5, 6, 7]
        await consumer.close()
        await consumer.close()

    async def test_a_lost_delivery_is_read_from_the_log(self, movement, events):
        log, ledger = Everything(events), Ledger()
        consumer = Consumer("metrics", bus=movement.bus, log=log, target=ledger)
        await consumer.run_once()
        log.head = 6

        await movement.bus.publish(events[4:6])
        await consumer.run_once()

        assert ledger.positions == [1, 2, 3, 4, 5, 6]

    async def test_a_delivery_that_could_not_be_applied_is_not_lost(self, movement, events):
        log, ledger = Everything(events), Ledger()
        consumer = Consumer("metrics", bus=movement.bus, log=log, target=ledger)
        await consumer.run_once()
        log.head = 3
        await movement.bus.publish(events[:3])
        ledger.fails = 1
        with pytest.raises(ConnectionError):
            await consumer.run_once()

        await consumer.run_once()

        assert ledger.positions == [1, 2, 3]

    async def test_waiting_takes_the_delivery_to_the_next_run(self, movement, events):
        log, ledger = Everything(events), Ledger()
        consumer = Consumer("metrics", bus=movement.bus, log=log, target=ledger)
        await consumer.run_once()
        await movement.bus.publish(events[:2])

        async with asyncio.timeout(10.0):
            await consumer.wait()
        await consumer.run_once()

        assert ledger.positions == [1, 2]

    @pytest.mark.parametrize("seed", range(20))
    async def test_whatever_the_bus_does_every_position_comes_once_and_in_order(
        self, movement, events, seed, monkeypatch
    ):
        monkeypatch.setattr(limits, "POLL_S", 0.0)
        chance = random.Random(seed)
        log, ledger = Everything(events), Ledger()

        class UnreliableBus:
            async def subscribe(self, name):
                return Unreliable(await movement.bus.subscribe(name), chance)

        consumer = Consumer("metrics", bus=UnreliableBus(), log=log, target=ledger)
        while log.head < len(events):
            first, log.head = log.head, min(log.head + chance.randint(1, 5), len(events))
            await movement.bus.publish(events[first : log.head])
            ledger.fails = chance.choice([0, 0, 0, 1])
            for _ in range(chance.randint(0, 3)):
                with contextlib.suppress(ConnectionError):
                    await consumer.run_once()
        ledger.fails = 0
        for _ in range(200):
            await consumer.run_once()
            await consumer.wait(timeout_s=0.0)

        assert ledger.positions == list(range(1, len(events) + 1))
