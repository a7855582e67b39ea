"""Does every driver keep schedules and their ticks so that a tick fires once, with its job or not at all?"""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from observatory.core import limits
from observatory.core.errors import StoreUnavailable, TooManySchedules
from observatory.core.job import JobStatus
from observatory.core.schedule import Fate, FateCounts, Missed, Reason, Tick
from observatory.job_store.port import JobFilter
from observatory.testing.factories import full_new_job, new_job, new_schedule
from tests.conformance.checkers import all_events

replace = msgspec.structs.replace


async def create(truth, name="nightly", **definition):
    schedule = new_schedule(name, truth.clock.now(), **definition)
    assert await truth.schedules.create(schedule)
    return schedule


def fired(truth, schedule, *, minutes=1, **changes):
    """The schedule after one tick fired *minutes* from its covered time, that tick, and its job."""
    tick_at = schedule.covered_until + timedelta(minutes=minutes)
    job = new_job(truth.ids)
    tick = Tick(tick_at=tick_at, fate=Fate.FIRED, job_id=job.id, recorded_at=tick_at, generation=1)
    after = replace(
        schedule,
        version=schedule.version + 1,
        covered_until=tick_at,
        next_tick_at=tick_at + timedelta(minutes=1),
        counts=replace(schedule.counts, fired=schedule.counts.fired + 1),
        **changes,
    )
    return after, tick, job


def span(schedule, *, count, fate=Fate.MISSED, reason=Reason.POLICY_LAST, generation=1):
    """The schedule after *count* minutes got one fate, and the row for them."""
    first = schedule.covered_until + timedelta(minutes=1)
    last = schedule.covered_until + timedelta(minutes=count)
    tick = Tick(
        tick_at=first,
        last_tick_at=last if count > 1 else None,
        count=count,
        fate=fate,
        reason=reason,
        recorded_at=last,
        generation=generation,
    )
    after = replace(
        schedule,
        version=schedule.version + 1,
        covered_until=last,
        next_tick_at=last + timedelta(minutes=1),
        counts=replace(schedule.counts, missed=schedule.counts.missed + count),
    )
    return after, tick


async def jobs_of(truth):
    return (await truth.queries.jobs(JobFilter(), before=None, count_max=100)).jobs


async def rows_of(truth, name="nightly"):
    return (await truth.schedules.ticks(name, before=None, count_max=500)).ticks


class TestRoundTrip:
    async def test_a_schedule_comes_back_as_it_was_stored(self, truth):
        at = truth.clock.now()
        schedule = replace(
            new_schedule(
                "every.thing-1_",
                at,
                every="90s",
                anchor=at,
                missed=Missed.ALL,
                missed_max=3,
                payload=full_new_job(truth.ids).payload,
                queue="q",
                priority=0,
                max_attempts=1,
                timeout_seconds=0.5,
                metadata={"team": "ä🦑"},
            ),
            paused_at=at,
            paused_by="ann",
            skip_until=at - timedelta(seconds=1),
            counts=FateCounts(fired=1, late=2, skipped=3, missed=4),
        )

        assert await truth.schedules.create(schedule)
        truth.restart()

        assert await truth.schedules.schedule("every.thing-1_") == schedule

    async def test_what_does_not_exist_is_none(self, truth):
        assert await truth.schedules.schedule("nightly") is None
        assert await rows_of(truth) == []
        assert not await truth.schedules.delete("nightly")

    async def test_a_name_is_taken_once(self, truth):
        first = await create(truth)

        assert not await truth.schedules.create(new_schedule("nightly", truth.clock.now(), every="5m"))
        assert await truth.schedules.schedule("nightly") == first

    async def test_pages_are_in_order_of_creation_and_each_schedule_is_on_one(self, truth):
        for name in "cabed":
            await create(truth, name)

        first = await truth.schedules.schedules(after=None, count_max=2)
        second = await truth.schedules.schedules(after=first.next_after, count_max=3)

        assert [one.name for one in [*first.schedules, *second.schedules]] == list("cabed")
        assert second.next_after is None
        assert await truth.schedules.names() == list("cabed")

    async def test_a_page_holds_as_much_json_as_one_read_may(self, truth, monkeypatch):
        for name in "abc":
            await create(truth, name)
        monkeypatch.setattr(limits, "READ_BYTES_MAX", 1)

        page = await truth.schedules.schedules(after=None, count_max=3)

        assert [one.name for one in page.schedules] == ["a"]
        assert page.next_after is not None


class TestFiring:
    async def test_a_tick_its_job_and_the_event_come_together(self, truth):
        after, tick, job = fired(truth, await create(truth))

        assert await truth.schedules.save(after, ticks=[tick], jobs=[job])
        truth.restart()

        assert await rows_of(truth) == [tick]
        assert await truth.schedules.schedule("nightly") == replace(after, last_tick=tick)
        assert [(one.id, one.status) for one in await jobs_of(truth)] == [(job.id, JobStatus.PENDING)]
        assert [(event.job_id, event.event_type) for event in await all_events(truth.log)] == [(job.id, "job.created")]

    async def test_of_two_who_settle_the_same_tick_one_wins(self, truth):
        schedule = await create(truth)
        tries = [fired(truth, schedule) for _ in range(8)]
        drivers = [truth.schedules, truth.other_schedules] * 4

        won = await asyncio.gather(
            *(one.save(after, ticks=[tick], jobs=[job]) for one, (after, tick, job) in zip(drivers, tries, strict=True))
        )

        assert sorted(won) == [False] * 7 + [True]
        assert len(await jobs_of(truth)) == len(await rows_of(truth)) == 1

    async def test_a_schedule_that_is_deleted_while_it_fires_leaves_no_tick_and_a_job_only_with_its_answer(self, truth):
        for _ in range(5):
            before = len(await jobs_of(truth))
            after, tick, job = fired(truth, await create(truth))

            saved, deleted = await asyncio.gather(
                truth.schedules.save(after, ticks=[tick], jobs=[job]), truth.other_schedules.delete("nightly")
            )

            assert deleted
            assert len(await jobs_of(truth)) - before == int(saved)
            assert await rows_of(truth) == []

    async def test_schedules_that_fire_at_the_same_time_do_not_hold_each_other_up(self, truth):
        schedules = [await create(truth, f"s{number}") for number in range(12)]

        won = await asyncio.gather(
            *(
                truth.schedules.save(after, ticks=[tick], jobs=[job])
                for after, tick, job in (fired(truth, schedule) for schedule in schedules)
            )
        )

        assert won == [True] * 12
        assert len(await jobs_of(truth)) == 12

    async def test_a_tick_that_fires_is_heard_by_who_waits_for_events(self, truth, monkeypatch):
        monkeypatch.setattr(limits, "POSTGRES_OUTBOX_LOOK_S", 30.0)
        after, tick, job = fired(truth, await create(truth))
        assert await truth.outbox.unpublished(count_max=1) == []
        await truth.outbox.wait(timeout_s=0.1)  # for what is no news
        waits = asyncio.create_task(truth.outbox.wait(timeout_s=30.0))
        await asyncio.sleep(0)

        assert await truth.schedules.save(after, ticks=[tick], jobs=[job])

        await asyncio.wait_for(waits, 10.0)
        assert [event.job_id for event in await truth.outbox.unpublished(count_max=10)] == [job.id]

    async def test_a_save_that_read_an_older_version_changes_nothing(self, truth):
        schedule = await create(truth)
        paused = replace(schedule, version=2, paused_at=truth.clock.now(), paused_by="ann")
        assert await truth.schedules.save(paused)

        after, tick, job = fired(truth, schedule)

        assert not await truth.schedules.save(after, ticks=[tick], jobs=[job])
        assert await truth.schedules.schedule("nightly") == paused
        assert await jobs_of(truth) == []

    async def test_a_save_of_what_was_deleted_changes_nothing(self, truth):
        after, tick, job = fired(truth, await create(truth))
        assert await truth.schedules.delete("nightly")

        assert not await truth.schedules.save(after, ticks=[tick], jobs=[job])
        assert await jobs_of(truth) == []

    async def test_a_failure_anywhere_leaves_no_trace_and_the_repetition_fires_once(self, truth):
        schedule = await create(truth)
        after, tick, job = fired(truth, schedule)
        failures = 0
        for number in range(1, 15):
            truth.faults.fail_call(number)
            try:
                assert await truth.schedules.save(after, ticks=[tick], jobs=[job])
                break
            except StoreUnavailable:
                failures += 1
                truth.faults.heal()
                assert await truth.schedules.schedule("nightly") == schedule
                assert await jobs_of(truth) == await rows_of(truth) == []
        truth.faults.heal()

        assert failures >= 4
        assert len(await jobs_of(truth)) == len(await rows_of(truth)) == 1

    async def test_when_the_answer_of_a_commit_was_lost_the_repetition_fires_nothing_again(self, truth):
        after, tick, job = fired(truth, await create(truth))
        truth.faults.lose_next_commit()

        with pytest.raises(StoreUnavailable):
            await truth.schedules.save(after, ticks=[tick], jobs=[job])

        assert not await truth.schedules.save(after, ticks=[tick], jobs=[job])
        assert len(await jobs_of(truth)) == 1


class TestDue:
    async def test_only_what_came_is_due_the_longest_waiting_first(self, truth):
        await create(truth, "slow", every="1h")
        await create(truth, "fast", every="10s")
        await create(truth, "fastest", every="5s")

        truth.clock.advance(10.0)
        due = await truth.schedules.due()

        assert (due.names, due.at) == (["fastest", "fast"], truth.clock.now())
        assert due.next_tick_at == truth.clock.now() + timedelta(seconds=3_590)

    async def test_with_nothing_to_come_there_is_no_next_tick(self, truth):
        due = await truth.schedules.due()

        assert (due.names, due.next_tick_at) == ([], None)

    async def test_a_schedule_without_a_next_tick_is_never_due(self, truth):
        schedule = await create(truth)
        await truth.schedules.save(replace(schedule, version=2, next_tick_at=None))
        truth.clock.advance(1e8)

        assert (await truth.schedules.due()).names == []


class TestTicks:
    async def test_ranges_that_follow_each_other_are_one_row(self, truth):
        schedule = await create(truth)
        for count in (3, 1, 2):
            schedule, tick = span(schedule, count=count)
            assert await truth.schedules.save(schedule, ticks=[tick])

        [row] = await rows_of(truth)

        assert (row.count, row.tick_at, row.last_tick_at) == (
            6,
            truth.clock.now() + timedelta(minutes=1),
            truth.clock.now() + timedelta(minutes=6),
        )

    @pytest.mark.parametrize(
        "other",
        [{"fate": Fate.SKIPPED}, {"reason": Reason.POLICY_SKIP}, {"generation": 2}],
        ids=lambda it: next(iter(it)),
    )
    async def test_ranges_of_another_fate_reason_or_generation_are_rows_of_their_own(self, truth, other):
        schedule, tick = span(await create(truth), count=2)
        assert await truth.schedules.save(schedule, ticks=[tick])
        schedule, tick = span(schedule, count=2, **other)
        assert await truth.schedules.save(schedule, ticks=[tick])

        assert [row.count for row in await rows_of(truth)] == [2, 2]

    async def test_a_range_does_not_grow_across_a_tick_that_fired(self, truth):
        schedule, tick = span(await create(truth), count=2)
        assert await truth.schedules.save(schedule, ticks=[tick])
        schedule, tick, job = fired(truth, schedule)
        assert await truth.schedules.save(schedule, ticks=[tick], jobs=[job])
        schedule, tick = span(schedule, count=2)
        assert await truth.schedules.save(schedule, ticks=[tick])

        assert [str(row.fate) for row in await rows_of(truth)] == ["missed", "fired", "missed"]

    async def test_pages_are_newest_first_and_each_row_is_on_one(self, truth):
        schedule = await create(truth)
        for _ in range(5):
            schedule, tick, job = fired(truth, schedule)
            assert await truth.schedules.save(schedule, ticks=[tick], jobs=[job])

        first = await truth.schedules.ticks("nightly", before=None, count_max=2)
        second = await truth.schedules.ticks("nightly", before=first.next_before, count_max=3)

        found = [tick.tick_at for tick in [*first.ticks, *second.ticks]]
        assert found == sorted(found, reverse=True)
        assert (len(found), second.next_before) == (5, None)

    async def test_rows_beyond_those_that_are_kept_go_the_oldest_first(self, truth, monkeypatch):
        monkeypatch.setattr(limits, "SCHEDULE_TICKS_KEPT", 120)
        monkeypatch.setattr(limits, "SCHEDULE_TICKS_PRUNED", 30)
        schedule = await create(truth)
        for _ in range(420):
            schedule, tick, job = fired(truth, schedule)
            assert await truth.schedules.save(schedule, ticks=[tick], jobs=[job])

        rows = await rows_of(truth)

        assert 100 <= len(rows) <= 400
        assert rows[0] == tick
        assert (await truth.schedules.schedule("nightly")).counts.fired == 420

    async def test_the_ticks_of_a_deleted_schedule_go_with_it_and_its_jobs_stay(self, truth):
        after, tick, job = fired(truth, await create(truth))
        assert await truth.schedules.save(after, ticks=[tick], jobs=[job])

        assert await truth.schedules.delete("nightly")
        await create(truth)

        assert await rows_of(truth) == []
        assert [one.id for one in await jobs_of(truth)] == [job.id]


class TestBounds:
    async def test_there_is_room_for_so_many_schedules_and_not_one_more(self, truth, monkeypatch):
        monkeypatch.setattr(limits, "SCHEDULES_MAX", 3)
        for name in "abc":
            await create(truth, name)

        with pytest.raises(TooManySchedules):
            await truth.schedules.create(new_schedule("d", truth.clock.now()))

        assert await truth.schedules.names() == list("abc")
        assert await truth.schedules.delete("b")
        await create(truth, "d")

    async def test_those_who_create_at_the_same_time_share_the_room_that_is_left(self, truth, monkeypatch):
        monkeypatch.setattr(limits, "SCHEDULES_MAX", 3)
        at = truth.clock.now()

        answers = await asyncio.gather(
            *(truth.schedules.create(new_schedule(f"s{number}", at)) for number in range(10)), return_exceptions=True
        )

        assert [type(answer) for answer in answers].count(TooManySchedules) == 7
        assert len(await truth.schedules.names()) == 3

    async def test_of_many_who_create_one_name_at_the_same_time_one_does(self, truth):
        at = truth.clock.now()

        answers = await asyncio.gather(*(truth.schedules.create(new_schedule("s", at)) for _ in range(8)))

        assert sorted(answers) == [False] * 7 + [True]

    @pytest.mark.parametrize("count_max", [0, limits.PAGE_ITEMS_MAX + 1])
    async def test_a_page_beyond_the_bounds_is_a_programmers_error(self, truth, count_max):
        with pytest.raises(AssertionError):
            await truth.schedules.schedules(after=None, count_max=count_max)
        with pytest.raises(AssertionError):
            await truth.schedules.ticks("nightly", before=None, count_max=count_max)


class TestErrorTranslation:
    async def test_every_error_of_the_vendor_becomes_unavailable(self, truth):
        schedule = await create(truth)
        calls = [
            lambda: truth.schedules.schedule("nightly"),
            lambda: truth.schedules.schedules(after=None, count_max=1),
            truth.schedules.names,
            truth.schedules.due,
            lambda: truth.schedules.create(schedule),
            lambda: truth.schedules.save(replace(schedule, version=2)),
            lambda: truth.schedules.delete("nightly"),
            lambda: truth.schedules.ticks("nightly", before=None, count_max=1),
        ]
        for error in truth.faults.vendor_errors:
            for call in calls:
                truth.faults.fail_always(error)
                with pytest.raises(StoreUnavailable):
                    await call()
        truth.faults.heal()

        assert await truth.schedules.schedule("nightly") == schedule
