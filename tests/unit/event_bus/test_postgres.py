"""What a bus over notices adds: connections that are lost, positions without events, and words of strangers."""

import asyncio
from contextlib import suppress

import pytest

from observatory.core import limits
from observatory.core.errors import BusUnavailable
from observatory.engine.postgres_notices import EVENTS, HINTS
from observatory.event_bus.consume import Consumer
from observatory.event_bus.port import Hint
from observatory.event_log.postgres import PostgresEventLog
from observatory.testing.factories import JobFactory
from tests.conformance.postgres import PostgresEngine

IN_TIME_S = 20.0


@pytest.fixture
async def movement(postgres_server, tmp_path):
    engine = PostgresEngine(name="postgres", server=postgres_server)
    opened = engine.open_bus(tmp_path)
    yield opened
    opened.end()
    engine.drop(tmp_path)


@pytest.fixture
def events():
    factory = JobFactory()
    for _ in range(10):
        factory.completed()
    return factory.events


async def execute(bus, statement, *values):
    await bus._database.write(lambda connection: connection.execute(statement, *values))


async def received(subscription):
    batches = []
    while delivery := await subscription.receive(timeout_s=0):
        batches.append([event.position for event in delivery.events])
    return batches


def lose_connection(bus):
    bus.notices._line.end()


class TestLostConnection:
    @pytest.mark.parametrize("timeout_s", [0.0, 0.001, 3_600.0])
    async def test_a_subscription_says_so_until_it_is_made_again(self, movement, events, timeout_s):
        subscription = await movement.bus.subscribe("metrics")
        await movement.other_bus.publish(events[:2])
        await movement.bus.notices.catch_up()
        lose_connection(movement.bus)
        await movement.other_bus.publish(events[2:4])
        await movement.bus.notices.ready(EVENTS)

        for _ in range(2):
            with pytest.raises(BusUnavailable):
                await subscription.receive(timeout_s=timeout_s)
        again = await movement.bus.subscribe("metrics")
        await movement.other_bus.publish(events[4:6])

        assert await received(again) == [[5, 6]]

    async def test_who_waits_is_told_at_once(self, movement):
        subscription = await movement.bus.subscribe("metrics")
        waiting = asyncio.create_task(subscription.receive(timeout_s=3_600.0))
        await asyncio.sleep(0.01)

        lose_connection(movement.bus)

        async with asyncio.timeout(IN_TIME_S):
            with pytest.raises(BusUnavailable):
                await waiting

    async def test_a_consumer_misses_nothing(self, movement, events):
        class Ledger:
            positions = ()
            checkpoint = 0

            async def load(self):
                pass

            async def apply(self, events, *, after=None):
                new = [event.position for event in events if event.position > self.checkpoint]
                self.positions += tuple(new)
                self.checkpoint = max([self.checkpoint, *new])
                return len(new)

        ledger = Ledger()
        consumer = Consumer("metrics", bus=movement.bus, log=PostgresEventLog(movement.bus._database), target=ledger)
        for first in range(0, len(events), 6):
            await movement.other_bus.publish(events[first : first + 6])
            if first % 12:
                lose_connection(movement.bus)
                await movement.bus.notices.ready(EVENTS)
            for _ in range(3):
                with suppress(BusUnavailable):
                    await consumer.run_once()

        assert ledger.positions == tuple(range(1, len(events) + 1))

    async def test_who_listens_for_hints_looks_once_and_hears_again(self, movement):
        hints = await movement.bus.listen()
        lose_connection(movement.bus)
        assert await hints.wait(timeout_s=IN_TIME_S)
        await movement.bus.notices.ready(HINTS)
        await hints.wait(timeout_s=0)

        assert not await hints.wait(timeout_s=0.05)
        await movement.other_bus.hint()
        assert await hints.wait(timeout_s=IN_TIME_S)

    async def test_listening_for_hints_does_not_need_the_connection(self, movement):
        notices = movement.bus.notices
        connect, refuses = notices._database.connect, True

        async def refused():
            if refuses:
                raise ConnectionRefusedError("injected")
            return await connect()

        notices._database.connect = refused
        hints = await movement.bus.listen(Hint.CANCEL)
        assert not await hints.wait(timeout_s=0.01)
        await movement.bus.hint(Hint.CANCEL)
        assert await hints.wait(timeout_s=0.0)
        with pytest.raises(BusUnavailable):
            await movement.bus.subscribe("metrics")

        refuses = False
        assert await hints.wait(timeout_s=IN_TIME_S)
        await movement.other_bus.hint(Hint.CANCEL)
        assert await hints.wait(timeout_s=IN_TIME_S)


class TestReading:
    async def test_pruned_events_are_left_out(self, movement, events):
        subscription = await movement.bus.subscribe("metrics")
        for first in (0, 2, 4):
            await movement.other_bus.publish(events[first : first + 2])
        await execute(movement.bus, "DELETE FROM observatory.events WHERE position IN (1, 2, 4)")

        assert await received(subscription) == [[3], [5, 6]]

    async def test_a_damaged_event_is_left_to_the_log(self, movement, events):
        subscription = await movement.bus.subscribe("metrics")
        for first in (0, 2):
            await movement.other_bus.publish(events[first : first + 2])
        await execute(movement.bus, "UPDATE observatory.events SET payload = '{' WHERE position = 1")

        assert await received(subscription) == [[3, 4]]

    async def test_a_batch_beyond_the_bound_of_a_read_comes_in_pieces(self, movement, events, monkeypatch):
        subscription = await movement.bus.subscribe("metrics")
        await movement.other_bus.publish(events[:3])
        await movement.other_bus.publish(events[3:4])
        monkeypatch.setattr(limits, "READ_BYTES_MAX", 1)

        assert await received(subscription) == [[1], [2], [3], [4]]

    async def test_a_read_that_failed_or_was_cancelled_takes_nothing_away(self, movement, events, monkeypatch):
        subscription = await movement.bus.subscribe("metrics")
        await movement.other_bus.publish(events[:2])
        faults = movement.bus._database._faults
        await movement.bus.notices.catch_up()

        faults.fail_call(1)
        with pytest.raises(BusUnavailable):
            await subscription.receive(timeout_s=0)
        reading = asyncio.create_task(subscription.receive(timeout_s=0))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])

        assert reading.cancelled()
        assert await received(subscription) == [[1, 2]]

    @pytest.mark.parametrize("beyond", [0, 1])
    async def test_batches_wait_up_to_the_bound_and_then_the_oldest_goes(self, movement, events, beyond):
        subscription = await movement.bus.subscribe("slow")
        count = limits.SUBSCRIPTION_BATCHES_MAX + beyond

        for event in events[:count]:
            await movement.other_bus.publish([event])
        await movement.bus.notices.catch_up()

        assert await received(subscription) == [[position] for position in range(1 + beyond, 1 + count)]

    async def test_a_name_that_subscribes_again_leaves_nothing_behind(self, movement):
        for _ in range(5):
            await movement.bus.subscribe("metrics")
            hints = await movement.bus.listen()
            await hints.close()

        assert len(movement.bus.notices._hearings._all) == 1


class TestStrangers:
    @pytest.mark.parametrize(
        "text", ["", "x", "1", "-", "2-1", "0-1", "1-", "-1", "1-2-3", "²-³", f"1-{2**63}", "1-" + "9" * 7_000]
    )
    async def test_words_that_are_no_positions_are_passed_over(self, movement, events, text):
        subscription, failures = await movement.bus.subscribe("metrics"), []
        asyncio.get_running_loop().set_exception_handler(lambda _, failure: failures.append(failure))

        await execute(movement.other_bus, "SELECT pg_notify($1, $2)", EVENTS, text)
        await movement.other_bus.publish(events[:1])

        assert await received(subscription) == [[1]]
        assert failures == []

    async def test_an_application_can_hint_with_its_own_transaction(self, movement):
        hints, others = await movement.bus.listen(), await movement.bus.listen(Hint.CANCEL)

        await execute(movement.other_bus, "SELECT pg_notify($1, 'ready'), pg_notify($1, 'nonsense')", HINTS)

        assert await hints.wait(timeout_s=IN_TIME_S)
        assert not await others.wait(timeout_s=0.0)
