"""Does every driver of the outbox hand out each committed event, in order and without a gap?"""

import asyncio

import msgspec
import pytest

from observatory.core import limits
from observatory.core.command import Cancel, Fail
from observatory.core.errors import StoreUnavailable
from observatory.core.job import JobError, Outcome
from observatory.job_store.port import Order
from observatory.testing.factories import new_job
from tests.conformance.checkers import all_events


@pytest.fixture
async def relay(truth):
    """The truth, with a relay that was there before the first job."""
    assert await truth.outbox.unpublished(count_max=1) == []
    return truth


async def submit(truth, count=1):
    return await truth.store.submit([new_job(truth.ids) for _ in range(count)])


async def positions(truth, count_max=limits.RELAY_BATCH_MAX):
    return [event.position for event in await truth.outbox.unpublished(count_max=count_max)]


async def drain(truth, count_max):
    """Publish everything as a relay does; the positions in order."""
    seen = []
    while batch := await truth.outbox.unpublished(count_max=count_max):
        seen += [event.position for event in batch]
        await truth.outbox.confirm(batch[-1].position)
    return seen


class TestRoundTrip:
    async def test_an_event_leaves_as_it_stands_in_the_log(self, relay):
        await submit(relay, 2)

        events = await relay.outbox.unpublished(count_max=10)

        assert events == await all_events(relay.log)
        assert [event.position for event in events] == [1, 2]

    async def test_what_was_confirmed_does_not_come_again(self, relay):
        await submit(relay, 5)
        await relay.outbox.confirm(3)

        assert await positions(relay) == [4, 5]

    async def test_everything_comes_in_batches_without_a_gap(self, relay):
        answers = await submit(relay, 7)
        await relay.store.apply([Order(answer.job.id, Cancel()) for answer in answers])

        assert await drain(relay, 4) == list(range(1, 15))

    async def test_it_says_since_when_something_waits(self, relay):
        assert await relay.outbox.waiting_since() is None
        first = relay.clock.now()
        await submit(relay)
        unmoved = await relay.outbox.waiting_since()
        await relay.outbox.unpublished(count_max=10)
        relay.clock.advance(7.0)
        await submit(relay)

        assert (unmoved, await relay.outbox.waiting_since()) == (first, first)
        await relay.outbox.confirm(1)
        assert await relay.outbox.waiting_since() == relay.clock.now()
        await relay.outbox.unpublished(count_max=10)
        assert await relay.outbox.waiting_since() == relay.clock.now()
        await relay.outbox.confirm(2)
        assert await relay.outbox.waiting_since() is None

    async def test_after_a_restart_what_comes_is_a_run_up_to_the_newest(self, relay):
        await submit(relay, 5)
        await relay.outbox.confirm(2)

        relay.restart()
        rest = await positions(relay)
        await submit(relay, 1)
        with_new = await positions(relay)

        # At least once: an earlier position may be remembered. Whatever is left out, a consumer reads from the log.
        assert rest == list(range(6 - len(rest), 6))
        assert with_new == [*rest, 6]

    async def test_positions_alone_are_those_of_the_events(self, relay):
        assert not await relay.outbox.unpublished_positions(count_max=10)
        await submit(relay, 5)
        await relay.outbox.confirm(2)

        assert await relay.outbox.unpublished_positions(count_max=10) == range(3, 6)
        assert await positions(relay) == [3, 4, 5]
        assert await relay.outbox.unpublished_positions(count_max=2) == range(3, 5)

    async def test_positions_alone_drain_the_outbox_in_batches_without_a_gap(self, relay):
        await submit(relay, 7)
        seen = []
        while batch := await relay.outbox.unpublished_positions(count_max=3):
            seen.append(batch)
            await relay.outbox.confirm(batch[-1])

        assert seen == [range(1, 4), range(4, 7), range(7, 8)]
        assert [event.position for event in await all_events(relay.log)] == list(range(1, 8))


class TestConcurrency:
    async def test_no_event_is_missed_while_jobs_are_submitted(self, relay):
        seen = []

        async def publish():
            while len(seen) < 60:
                await relay.outbox.wait(timeout_s=5.0)
                seen.extend(await drain(relay, 7))

        async def submit_many():
            for _ in range(20):
                await submit(relay, 3)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(publish())
            tasks.create_task(submit_many())

        assert seen == list(range(1, 61))

    async def test_a_commit_wakes_the_one_who_waits(self, relay):
        await relay.outbox.wait(timeout_s=0)  # what came before is seen
        waiting = asyncio.create_task(relay.outbox.wait(timeout_s=3_600.0))

        await submit(relay)

        async with asyncio.timeout(10.0):
            await waiting

    async def test_a_commit_that_came_before_the_wait_is_not_slept_through(self, relay):
        await submit(relay)

        async with asyncio.timeout(10.0):
            await relay.outbox.wait(timeout_s=3_600.0)


class TestIdempotency:
    async def test_reading_twice_gives_the_same(self, relay):
        await submit(relay, 3)

        assert await relay.outbox.unpublished(count_max=2) == await relay.outbox.unpublished(count_max=2)

    async def test_confirming_again_or_backwards_changes_nothing(self, relay):
        await submit(relay, 3)

        for position in (2, 2, 1, 0):
            await relay.outbox.confirm(position)

        assert await positions(relay) == [3]

    async def test_what_comes_from_memory_is_what_the_store_holds(self, relay):
        await submit(relay, 3)
        [job] = await relay.store.claim(types=["example"], worker="w", count_max=1, lease_s=10)
        error = JobError(type="E", message="m")
        fail = Fail(fence=job.fence, outcome=Outcome.FAILED, error=error, retry_in_s=5.0, run_s=0.25)
        await relay.store.apply([Order(job.id, fail)])

        from_memory = await relay.outbox.unpublished(count_max=10)
        relay.forget()

        assert from_memory == await relay.outbox.unpublished(count_max=10)
        assert len(from_memory) == 6


class TestBounds:
    @pytest.mark.parametrize("count_max", [1, limits.RELAY_BATCH_MAX])
    async def test_a_batch_has_at_most_what_was_asked_for(self, relay, count_max):
        await submit(relay, limits.BATCH_JOBS_MAX)
        await submit(relay, 1)

        assert await positions(relay, count_max) == list(range(1, count_max + 1))

    async def test_a_batch_holds_as_much_json_as_one_read_may_and_not_a_byte_more(self, relay, monkeypatch):
        await submit(relay, 5)
        sizes = [len(msgspec.json.encode(event.payload)) for event in await relay.outbox.unpublished(count_max=10)]

        monkeypatch.setattr(limits, "READ_BYTES_MAX", sum(sizes[:3]))
        at_the_bound = await positions(relay)
        monkeypatch.setattr(limits, "READ_BYTES_MAX", sum(sizes[:3]) - 1)
        past_it = await positions(relay)

        assert (at_the_bound, past_it) == ([1, 2, 3], [1, 2])

    async def test_batches_that_end_early_go_on_without_a_gap(self, relay, monkeypatch):
        await submit(relay, 5)
        monkeypatch.setattr(limits, "READ_BYTES_MAX", 1)

        assert await drain(relay, 4) == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize("count_max", [0, -1, limits.RELAY_BATCH_MAX + 1])
    async def test_a_batch_beyond_the_bounds_is_a_programmers_error(self, relay, count_max):
        for ask in (relay.outbox.unpublished, relay.outbox.unpublished_positions):
            with pytest.raises(AssertionError):
                await ask(count_max=count_max)

    async def test_waiting_ends_when_the_time_is_over(self, relay):
        await relay.outbox.wait(timeout_s=0)
        await relay.outbox.wait(timeout_s=0.001)


class TestFailureInTheMiddle:
    async def test_a_failed_read_loses_nothing(self, relay):
        await submit(relay, 3)

        relay.forget()
        relay.faults.fail_call(1)
        with pytest.raises(StoreUnavailable):
            await positions(relay)

        assert await positions(relay) == [1, 2, 3]

    async def test_a_failed_submit_leaves_no_hole(self, relay):
        await submit(relay, 1)
        failures = 0
        for number in range(1, 20):
            relay.faults.fail_call(number)
            try:
                await submit(relay, 2)
            except StoreUnavailable:
                failures += 1
            else:
                break
        relay.faults.heal()

        assert failures >= 1
        assert await drain(relay, 10) == [1, 2, 3]


class TestErrorTranslation:
    async def test_every_error_of_the_vendor_becomes_unavailable(self, relay):
        for error in relay.faults.vendor_errors:
            relay.forget()
            relay.faults.fail_always(error)
            for ask in (relay.outbox.unpublished, relay.outbox.unpublished_positions):
                with pytest.raises(StoreUnavailable):
                    await ask(count_max=10)
