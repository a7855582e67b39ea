"""When does a processor send its next heartbeat? In virtual time."""

import asyncio

import pytest

from observatory.core import limits
from observatory.core.errors import BusUnavailable
from observatory.event_bus.in_process import InProcessBus
from observatory.event_bus.port import Hint
from observatory.job_store.port import WorkerInfo
from observatory.processor.attempts import Attempts
from observatory.processor.heartbeats import Heartbeats
from observatory.testing.manual_sources import BEGINNING
from tests.simulation.loop import SimulationLoop
from tests.simulation.streams import Streams

OFTEN = [pytest.approx(limits.HEARTBEAT_PAUSE_S)]
SELDOM = [pytest.approx(limits.HEARTBEAT_S)]


class Bus(InProcessBus):
    """Calls named in *fails* are refused, those in *hangs* never answer."""

    def __init__(self):
        super().__init__()
        self.fails, self.hangs = set(), set()

    async def listen(self, about=Hint.READY):
        await self.fate("listen")
        hints, bus = await super().listen(about), self

        class Hints:
            async def wait(self, *, timeout_s):
                await bus.fate("wait")
                return await hints.wait(timeout_s=timeout_s)

        return Hints()

    async def fate(self, call):
        if call in self.fails:
            raise BusUnavailable("no bus")
        if call in self.hangs:
            await asyncio.get_running_loop().create_future()


class Worker:
    """One without attempts, whose store does what a test wants at each heartbeat."""

    lease_s = limits.LEASE_S
    info = WorkerInfo(instance_id="w", host="h", pid=1, version="0", started_at=BEGINNING, slots=1)

    def __init__(self, bus, at_each):
        self.clock, self.bus, self.store = self, bus, self
        self.attempts = Attempts()
        self.beats_s = []
        self._at_each = at_each

    def monotonic(self):
        return asyncio.get_running_loop().time()

    async def heartbeat(self, worker, leases, *, lease_s):
        self.beats_s.append(self.monotonic())
        await self._at_each(self.bus, len(self.beats_s))
        return []


def gaps(at_each, count, **bus_options):
    """Seconds between the first heartbeats."""

    async def story():
        bus = Bus()
        for name, value in bus_options.items():
            setattr(bus, name, value)
        worker = Worker(bus, at_each)
        heartbeats = Heartbeats(worker)
        while len(worker.beats_s) <= count:
            await heartbeats.run_once()
            await heartbeats.wait()
        return [after - before for before, after in zip(worker.beats_s, worker.beats_s[1:], strict=False)]

    loop = SimulationLoop(Streams(1).schedule)
    try:
        return loop.run_until_complete(story())
    finally:
        loop.tear_down()


async def nothing(bus, number):
    pass


async def a_cancel(bus, number):
    await bus.hint(Hint.CANCEL)


async def a_ready_job(bus, number):
    await bus.hint()


def test_it_comes_every_few_seconds_and_once_more_when_it_begins_to_listen():
    assert gaps(nothing, 4) == OFTEN + SELDOM * 3


def test_a_storm_of_cancels_brings_no_more_than_ten_a_second():
    assert gaps(a_cancel, 4) == OFTEN * 4


def test_jobs_that_become_ready_bring_none_forward():
    assert gaps(a_ready_job, 4) == OFTEN + SELDOM * 3


@pytest.mark.parametrize("how", ["fails", "hangs"])
@pytest.mark.parametrize("call", ["listen", "wait"])
def test_a_bus_that_does_not_answer_delays_none(how, call):
    assert max(gaps(nothing, 6, **{how: {call}})) == SELDOM[0]


def test_a_bus_that_comes_back_is_listened_to_again():
    async def comes_back(bus, number):
        if number == 3:
            bus.fails = set()
        elif number > 3:
            await bus.hint(Hint.CANCEL)

    assert gaps(comes_back, 5, fails={"listen"}) == SELDOM * 2 + OFTEN * 3
