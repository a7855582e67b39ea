"""When does a processor send its next heartbeat?"""

import asyncio

import pytest

from observatory.core import limits
from observatory.core.errors import BusUnavailable
from observatory.event_bus.in_process import InProcessBus
from observatory.event_bus.port import Hint
from observatory.job_store.port import WorkerInfo
from observatory.processor.attempts import Attempts
from observatory.processor.heartbeats import Heartbeats
from observatory.testing.manual_sources import BEGINNING, ManualClock


class Worker:
    """One without attempts. Sleeping moves its clock; whoever waits for a hint does so to the end of the time."""

    lease_s = limits.LEASE_S

    def __init__(self, bus):
        self.clock, self.bus, self.store = ManualClock(), bus, self
        self.attempts = Attempts()
        self.info = WorkerInfo(instance_id="w", host="h", pid=1, version="0", started_at=BEGINNING, slots=1)
        self.beats_s = []

    async def heartbeat(self, worker, leases, *, lease_s):
        self.beats_s.append(self.clock.monotonic())
        return []


class Bus(InProcessBus):
    """*fails* names the calls that it refuses; a wait without a hint takes its whole time."""

    def __init__(self):
        super().__init__()
        self.fails = set()
        self.clock = None

    async def listen(self, about=Hint.READY):
        self._refuse("listen")
        inner = await super().listen(about)
        bus = self

        class Hints:
            async def wait(self, *, timeout_s):
                bus._refuse("wait")
                if await inner.wait(timeout_s=0):
                    return True
                bus.clock.advance(timeout_s)
                return False

        return Hints()

    def _refuse(self, call):
        if call in self.fails:
            raise BusUnavailable("no bus")


@pytest.fixture
def worker(monkeypatch):
    bus = Bus()
    worker = Worker(bus)
    bus.clock = worker.clock
    real_sleep = asyncio.sleep

    async def sleep(delay_s):
        worker.clock.advance(delay_s)
        await real_sleep(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return worker


async def beat(worker, times, *, before_each=lambda: None):
    """Seconds between the heartbeats."""
    heartbeats = Heartbeats(worker)
    for _ in range(times):
        await heartbeats.run_once()
        await worker_hint(before_each)
        await heartbeats.wait()
    return [pytest.approx(after - before) for before, after in zip(worker.beats_s, worker.beats_s[1:], strict=False)]


async def worker_hint(before_each):
    hint = before_each()
    if hint is not None:
        await hint


async def test_without_hints_it_comes_every_few_seconds(worker):
    assert await beat(worker, 4) == [limits.HEARTBEAT_S] * 3


async def test_a_storm_of_cancels_brings_no_more_than_ten_a_second(worker):
    assert await beat(worker, 4, before_each=lambda: worker.bus.hint(Hint.CANCEL)) == [limits.HEARTBEAT_PAUSE_S] * 3


async def test_jobs_that_become_ready_bring_none_forward(worker):
    assert await beat(worker, 4, before_each=worker.bus.hint) == [limits.HEARTBEAT_S] * 3


@pytest.mark.parametrize("call", ["listen", "wait"])
async def test_a_bus_that_is_gone_delays_none(worker, call):
    worker.bus.fails = {call}

    assert await beat(worker, 4) == [limits.HEARTBEAT_S] * 3


async def test_a_bus_that_comes_back_is_listened_to_again(worker):
    worker.bus.fails = {"listen"}
    await beat(worker, 2)
    worker.bus.fails, worker.beats_s = set(), []

    assert await beat(worker, 3, before_each=lambda: worker.bus.hint(Hint.CANCEL)) == [limits.HEARTBEAT_PAUSE_S] * 2


async def test_a_cancel_during_the_first_heartbeat_is_heard(worker):
    real = worker.heartbeat

    async def heartbeat(*given, **options):
        states = await real(*given, **options)
        await worker.bus.hint(Hint.CANCEL)  # after the store has looked
        return states

    worker.heartbeat = heartbeat

    assert await beat(worker, 2) == [limits.HEARTBEAT_PAUSE_S]
