"""Does the relay publish at once after a quiet time, rest while much is committed, and tell positions alone?"""

import asyncio

import pytest

from observatory.core import limits
from observatory.maintenance.relay import Relay
from observatory.testing.factories import JobFactory
from observatory.testing.manual_sources import ManualClock


class Ends:
    """An outbox and a bus: what is put in comes out."""

    def __init__(self, takes=lambda: None):
        self.committed = []
        self.published = []
        self.reads = 0
        self._takes = takes

    async def unpublished(self, *, count_max):
        self.reads += 1
        return self.committed[:count_max]

    async def unpublished_positions(self, *, count_max):
        if not self.committed:
            return range(0)
        first = self.committed[0].position
        return range(first, first + len(self.committed[:count_max]))

    async def confirm(self, position):
        self.committed = [event for event in self.committed if event.position > position]

    async def wait(self, *, timeout_s):
        pass

    async def publish(self, events):
        self.published.append(list(events))
        self._takes()


@pytest.fixture
def slept(monkeypatch):
    """What was slept, in seconds. Nothing takes any time."""
    slept = []

    async def sleep(delay_s):
        slept.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return slept


async def test_it_rests_after_a_batch_and_not_after_a_quiet_time(slept):
    clock, ends, factory = ManualClock(), Ends(), JobFactory()
    relay = Relay(outbox=ends, bus=ends, clock=clock)
    factory.pending()
    ends.committed = factory.events

    await relay.wait()
    assert slept == []

    assert await relay.run_once() == 1
    await relay.wait()
    assert slept == [pytest.approx(limits.RELAY_REST_S_MIN)]

    clock.advance(limits.RELAY_REST_S_MIN)
    await relay.wait()
    assert len(slept) == 1
    assert [len(batch) for batch in ends.published] == [1]


@pytest.mark.parametrize(
    ("took_s", "rest_s"),
    [
        (0.0, limits.RELAY_REST_S_MIN),
        (limits.RELAY_REST_S_MIN, limits.RELAY_REST_FACTOR * limits.RELAY_REST_S_MIN),
        (60.0, limits.RELAY_REST_S_MAX),
    ],
)
async def test_it_rests_the_longer_the_more_its_batch_cost(slept, took_s, rest_s):
    clock, factory = ManualClock(), JobFactory()
    ends = Ends(takes=lambda: clock.advance(took_s))
    relay = Relay(outbox=ends, bus=ends, clock=clock)
    factory.pending()
    ends.committed = factory.events

    await relay.run_once()
    await relay.run_once()

    assert slept == [pytest.approx(rest_s)]


async def test_it_rests_only_once_the_outbox_is_empty(slept):
    ends, factory = Ends(), JobFactory()
    relay = Relay(outbox=ends, bus=ends, clock=ManualClock())
    for _ in range(limits.RELAY_BATCH_MAX + 1):
        factory.pending()
    ends.committed = factory.events

    assert await relay.run_once() == limits.RELAY_BATCH_MAX
    assert await relay.run_once() == 1
    assert slept == []
    assert await relay.run_once() == 0
    assert slept == [pytest.approx(limits.RELAY_REST_S_MIN)]

    assert [len(batch) for batch in ends.published] == [limits.RELAY_BATCH_MAX, 1]


async def test_a_bus_that_takes_positions_is_told_them_and_no_event_is_read(slept):
    ends, factory, told = Ends(), JobFactory(), []

    async def announce(positions):
        told.append(positions)

    relay = Relay(outbox=ends, bus=ends, clock=ManualClock(), announce=announce)
    for _ in range(3):
        factory.pending()
    ends.committed = factory.events

    assert await relay.run_once() == 3
    assert await relay.run_once() == 0

    assert told == [range(1, 4)]
    assert (ends.published, ends.reads) == ([], 0)
