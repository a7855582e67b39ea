"""Does the relay publish at once after a quiet time, and rest while much is committed?"""

import asyncio

import pytest

from observatory.core import limits
from observatory.maintenance.relay import Relay
from observatory.testing.factories import JobFactory
from observatory.testing.manual_sources import ManualClock


class Ends:
    """An outbox and a bus: what is put in comes out."""

    def __init__(self):
        self.committed = []
        self.published = []

    async def unpublished(self, *, count_max):
        return self.committed[:count_max]

    async def confirm(self, position):
        self.committed = [event for event in self.committed if event.position > position]

    async def wait(self, *, timeout_s):
        pass

    async def publish(self, events):
        self.published.append(list(events))


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
    assert slept == [pytest.approx(limits.RELAY_PAUSE_S)]

    clock.advance(limits.RELAY_PAUSE_S)
    await relay.wait()
    assert len(slept) == 1
    assert [len(batch) for batch in ends.published] == [1]


async def test_what_is_there_already_is_published_without_a_rest(slept):
    ends, factory = Ends(), JobFactory()
    relay = Relay(outbox=ends, bus=ends, clock=ManualClock())
    for _ in range(limits.RELAY_BATCH_MAX + 1):
        factory.pending()
    ends.committed = factory.events

    while await relay.run_once():
        pass

    assert [len(batch) for batch in ends.published] == [limits.RELAY_BATCH_MAX, 1]
    assert slept == []
