"""Does the scheduler give every tick one fate, whatever happens to clock, process and store meanwhile?"""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import msgspec
import pytest

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.schedule import Fate, Missed, timing_of
from observatory.core.sources import Clock
from observatory.event_bus.in_process import InProcessBus
from observatory.gateway.schedules import ScheduleGateway
from observatory.gateway.type_catalog import TypeCatalog
from observatory.job_store.port import JobFilter
from observatory.maintenance.scheduler import Scheduler
from observatory.testing.factories import new_schedule, type_info
from observatory.testing.manual_sources import ManualClock
from tests.conformance.drivers import SQLITE_INLINE

replace = msgspec.structs.replace
FIRES = {Fate.FIRED, Fate.LATE}


class Place:
    """One data set with its scheduler; both can be restarted."""

    def __init__(self, folder, begin):
        self.clock = ManualClock(begin)
        self.truth = SQLITE_INLINE.open_truth(folder, self.clock)
        self.start()

    def start(self):
        self.scheduler, self.other = self.new_scheduler(), self.new_scheduler()
        types = TypeCatalog(self.truth.queries, self.clock)
        self.gateway = ScheduleGateway(self.truth.schedules, types, clock=self.clock)

    def new_scheduler(self):
        truth = self.truth
        return Scheduler(
            schedules=truth.schedules, queries=truth.queries, bus=InProcessBus(), clock=self.clock, ids=truth.ids
        )

    def restart(self):
        self.truth = self.truth.restarted()
        self.start()

    async def until_idle(self):
        count = 0
        while done := await self.scheduler.run_once():
            count += done
        return count

    async def rows(self, name):
        """All rows of the ticks of a schedule, oldest first."""
        rows, before = [], None
        while True:
            page = await self.truth.schedules.ticks(name, before=before, count_max=limits.PAGE_ITEMS_MAX)
            rows += page.ticks
            before = page.next_before
            if before is None:
                return rows[::-1]

    async def jobs(self):
        jobs, before = [], None
        while True:
            page = await self.truth.queries.jobs(JobFilter(), before=before, count_max=limits.PAGE_ITEMS_MAX)
            jobs += page.jobs
            before = page.next_before
            if before is None:
                return jobs


@pytest.fixture
def place(tmp_path):
    opened = Place(tmp_path, datetime(2026, 1, 1, tzinfo=UTC))
    yield opened
    opened.truth.end()


async def create(place, name, **definition):
    assert await place.truth.schedules.create(new_schedule(name, place.clock.now(), **definition))


def fates(rows):
    return [(str(row.fate), row.count) for row in rows]


class TestFiring:
    async def test_a_tick_makes_the_job_that_the_schedule_describes(self, place):
        await create(
            place, "nightly", every="1h", payload={"a": 1}, queue="q", priority=1, metadata={"team": "x", "tickAt": "?"}
        )
        await place.truth.store.announce([type_info(max_attempts=7, timeout_seconds=12.0)])

        place.clock.advance(3_600.5)
        assert await place.until_idle() == 1

        [job] = await place.jobs()
        [row] = await place.rows("nightly")
        assert row.job_id == job.id
        assert (job.type, job.payload, job.queue, job.priority) == ("example", {"a": 1}, "q", 1)
        assert (job.max_attempts, job.timeout_seconds, job.status) == (7, 12.0, "PENDING")
        assert job.metadata == {"team": "x", "schedule": "nightly", "tickAt": "2026-01-01T01:00:00.000000Z"}

    async def test_a_stop_and_a_start_neither_repeat_nor_shift_a_tick(self, place):
        await create(place, "s", every="10s")
        for _ in range(6):
            place.clock.advance(7.0)
            await place.until_idle()
            place.restart()

        assert [row.tick_at.second for row in await place.rows("s")] == [10, 20, 30, 40]

    async def test_a_clock_that_steps_back_fires_nothing_again_and_goes_on_where_it_was(self, place):
        await create(place, "s", every="1m")
        place.clock.advance(185.0)
        await place.until_idle()
        before = await place.rows("s")

        place.clock.leap(-7_200.0)
        assert await place.until_idle() == 0
        place.restart()
        place.clock.advance(7_199.0)
        assert await place.until_idle() == 0
        place.clock.advance(60.0)
        await place.until_idle()

        assert (await place.rows("s"))[: len(before)] == before
        assert fates((await place.rows("s"))[len(before) :]) == [("fired", 1)]

    async def test_a_clock_that_leaps_ahead_follows_the_policy(self, place):
        await create(place, "s", every="1m", missed=Missed.ALL, missed_max=2)

        place.clock.leap(600.0)
        await place.until_idle()

        assert fates(await place.rows("s")) == [("missed", 7), ("late", 1), ("late", 1), ("fired", 1)]

    async def test_large_jobs_are_made_in_several_transactions(self, place):
        payload = {"text": "x" * 200_000}
        await create(place, "s", every="1m", missed=Missed.ALL, missed_max=20, payload=payload)
        place.clock.advance(3_600.0)

        counts = []
        while count := await place.scheduler.run_once():
            counts.append(count)

        assert len(await place.jobs()) == 21
        assert max(counts) <= 1 + limits.SCHEDULE_FIRE_BYTES_MAX // 200_000

    async def test_two_schedulers_fire_each_tick_once(self, place):
        for number in range(20):
            await create(place, f"s{number}", every="1m")
        for _ in range(5):
            place.clock.advance(60.0)
            await asyncio.gather(place.scheduler.run_once(), place.other.run_once(), place.scheduler.run_once())

        assert len(await place.jobs()) == 100
        assert [fates(await place.rows(f"s{number}")) for number in range(20)] == [[("fired", 1)] * 5] * 20

    async def test_more_schedules_than_run_side_by_side_all_fire_in_one_round(self, place):
        count = 2 * limits.SCHEDULES_AT_ONCE + 1
        for number in range(count):
            await create(place, f"s{number}", every="1m")

        place.clock.advance(60.0)

        assert await place.scheduler.run_once() == count
        assert len(await place.jobs()) == count

    async def test_a_round_that_has_lasted_long_enough_leaves_the_rest_for_the_next_one(self, place):
        for number in range(limits.SCHEDULES_AT_ONCE + 1):
            await create(place, f"s{number}", every="1m")
        place.clock.advance(60.0)

        class Slow(Clock):
            """A second passes at every look."""

            now = place.clock.now
            seconds = 0.0

            def monotonic(self):
                self.seconds += 1.0
                return self.seconds

        place.scheduler._clock = Slow()

        assert await place.scheduler.run_once() == limits.SCHEDULES_AT_ONCE
        assert await place.scheduler.run_once() == 1


class TestDamage:
    async def damage(self, place, name, sql):
        file = place.truth.store._file
        await file.write(lambda connection: connection.execute(sql, (name,)).rowcount)

    async def test_a_damaged_schedule_does_not_hold_up_the_others(self, place):
        for name in ("a", "b", "c"):
            await create(place, name, every="1m")
        await self.damage(place, "a", "UPDATE schedules SET definition = '{' WHERE name = ?")

        place.clock.advance(60.0)
        count = await place.until_idle()

        assert count == 2
        page = await place.truth.schedules.schedules(after=None, count_max=10)
        assert ([one.name for one in page.schedules], page.unreadable) == (["b", "c"], ["a"])

    async def test_a_schedule_whose_zone_vanished_stands_still_and_goes_on_when_the_zone_is_back(self, place):
        await create(place, "gone", cron="* * * * *", timezone="Europe/Berlin")
        await create(place, "there", cron="* * * * *", timezone="Europe/Berlin")
        rename = "UPDATE schedules SET definition = replace(definition, '{}', '{}') WHERE name = ?"
        await self.damage(place, "gone", rename.format("Berlin", "Nowhere"))

        place.clock.advance(60.0)
        await place.until_idle()
        assert (fates(await place.rows("gone")), fates(await place.rows("there"))) == ([], [("fired", 1)])

        place.restart()  # nothing is due that cannot be computed
        assert await place.until_idle() == 0
        assert (await place.truth.schedules.schedule("gone")).next_tick_at is None
        await self.damage(place, "gone", rename.format("Nowhere", "Berlin"))
        place.restart()
        place.clock.advance(120.0)
        await place.until_idle()

        assert sum(row.count for row in await place.rows("gone")) == 3

    async def test_a_store_that_fails_for_one_schedule_fires_the_others_and_says_so(self, place):
        for name in ("a", "b"):
            await create(place, name, every="1m")
        await place.scheduler.run_once()
        place.clock.advance(60.0)
        save, failed = place.truth.schedules.save, []

        async def fail_once(schedule, **rest):
            if not failed:
                failed.append(schedule.name)
                raise StoreUnavailable("for one")
            return await save(schedule, **rest)

        place.truth.schedules.save = fail_once
        with pytest.raises(StoreUnavailable):
            await place.scheduler.run_once()
        assert len(await place.jobs()) == 1

        await place.until_idle()
        assert len(await place.jobs()) == 2


class TestWaiting:
    @pytest.mark.parametrize(
        ("ahead_s", "expected_s"), [(1.5, 1.5), (60.0, limits.POLL_S), (0.001, limits.SCHEDULE_WAIT_S_MIN)]
    )
    async def test_it_waits_for_the_next_tick_but_not_longer_than_until_the_next_look(
        self, place, ahead_s, expected_s, monkeypatch
    ):
        await create(place, "s", every="60s")
        place.clock.advance(60.0 - ahead_s)
        await place.scheduler.run_once()
        waited = []

        async def sleep(seconds):
            waited.append(seconds)

        monkeypatch.setattr(asyncio, "sleep", sleep)
        await place.scheduler.wait()

        assert waited == [pytest.approx(expected_s)]


# --- a year -----------------------------------------------------------------------------------------

YEAR = {
    "berlin": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
    "berlin-often": {"cron": "*/30 1-3 * * *", "timezone": "Europe/Berlin", "missed": Missed.ALL, "missed_max": 4},
    "new-york": {"cron": "0,30 1,2 * * *", "timezone": "America/New_York", "missed": Missed.SKIP},
    "lord-howe": {"cron": "*/15 1-2 * * *", "timezone": "Australia/Lord_Howe", "missed": Missed.ALL},
    "interval": {"every": "5h", "missed": Missed.LAST},
}
CHANGES = [datetime(2026, *day, tzinfo=UTC) for day in ((3, 8), (3, 28), (4, 4), (10, 3), (10, 24), (11, 1))]
"""Around these days some zone changes its offset; the story goes slowly there."""


async def live_a_year(place, chance):
    """Let a year pass with everything that can happen; returns the latest instant at which the scheduler ran."""
    end = place.clock.now() + timedelta(days=366)
    highest = place.clock.now()
    while place.clock.now() < end:
        await pass_some_time(place, chance)
        try:
            await asyncio.gather(place.scheduler.run_once(), place.other.run_once())
            await place.until_idle()
        except StoreUnavailable:
            continue
        highest = max(highest, place.clock.now())
    place.truth.faults.heal()
    await place.until_idle()
    return max(highest, place.clock.now())


async def pass_some_time(place, chance):
    place.truth.faults.heal()  # of a fault that nothing met
    due = await place.truth.schedules.due()
    near = any(abs((due.at - change).total_seconds()) < 2 * 86_400 for change in CHANGES)
    wait_s = 0.0 if due.next_tick_at is None else (due.next_tick_at - due.at).total_seconds()
    happening = chance.random()
    if happening < 0.35 or (near and happening < 0.85):
        place.clock.advance(wait_s + chance.choice([0.0, 0.2, 9.0, 10.5]))
    elif happening < 0.88:
        place.clock.advance(chance.uniform(0, 30 if near else 60 * 3_600))
    elif happening < 0.91:
        place.clock.leap(-chance.uniform(0, 3 * 3_600))
    elif happening < 0.94:
        place.clock.leap(chance.uniform(0, 3 * 3_600))
    elif happening < 0.96:
        place.truth.faults.lose_next_commit()
    elif happening < 0.98:
        place.truth.faults.fail_call(chance.randint(1, 12))
    else:
        name = chance.choice(list(YEAR))
        await (place.gateway.resume(name) if chance.random() < 0.5 else place.gateway.pause(name, {"by": "ann"}))
    if chance.random() < 0.1:
        place.restart()


def assert_one_fate_each(schedule, rows, begin, until):
    expected = list(takewhile(lambda tick: tick <= until, timing_of(schedule.definition).after(begin)))
    assert sum(row.count for row in rows) == len(expected)
    place = 0
    for row in rows:
        assert (row.tick_at, row.until) == (expected[place], expected[place + row.count - 1])
        place += row.count
        late_s = (row.recorded_at - row.until).total_seconds()
        assert late_s >= 0
        assert row.fate is not Fate.FIRED or late_s <= limits.SCHEDULE_LATE_S
        assert row.fate is not Fate.LATE or late_s > limits.SCHEDULE_LATE_S


@pytest.mark.parametrize("seed", [1])
async def test_over_a_year_with_restarts_clock_steps_and_changes_of_offset_each_tick_has_one_fate(place, seed):
    begin = place.clock.now()
    for name, definition in YEAR.items():
        await create(place, name, **definition)

    until = await live_a_year(place, random.Random(seed))

    jobs = {job.id: job for job in await place.jobs()}
    of_ticks = []
    for name in YEAR:
        schedule, rows = await place.truth.schedules.schedule(name), await place.rows(name)
        assert_one_fate_each(schedule, rows, begin, until)
        counts = schedule.counts
        assert counts.fired + counts.late + counts.skipped + counts.missed == sum(row.count for row in rows)
        for row in rows:
            assert (row.job_id is not None) == (row.fate in FIRES)
            if row.job_id is not None:
                of_ticks.append(row.job_id)
                assert jobs[row.job_id].metadata["schedule"] == name
                assert datetime.fromisoformat(jobs[row.job_id].metadata["tickAt"]) == row.tick_at
    assert sorted(of_ticks) == sorted(jobs)
    assert len(of_ticks) > 500
