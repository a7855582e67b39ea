"""Does every driver of the history keep each event once and give it back in order?"""

import asyncio
import inspect

import msgspec
import pytest

from observatory.core import limits
from observatory.core.command import Cancel
from observatory.core.errors import LogUnavailable
from observatory.core.event import EventType
from observatory.event_log.port import EventFilter, EventLog
from observatory.job_store.port import Order
from observatory.testing.factories import JobFactory, full_new_job, new_job
from tests.conformance.checkers import all_events


@pytest.fixture
def events():
    """The histories of a few jobs, interleaved as they happened."""
    factory = JobFactory()
    new = full_new_job(factory.ids)
    factory.completed(payload=new.payload, metadata=new.metadata, traceparent=new.traceparent)
    factory.retrying(attempt=2)
    factory.cancelled()
    factory.clock.advance(0.000001)
    factory.failed()
    return factory.events


def positions(events):
    return [event.position for event in events]


class TestRoundTrip:
    async def test_an_empty_log_has_nothing(self, history):
        assert await history.log.head() == await history.log.highest_given() == 0
        assert await history.log.after(0, count_max=1) == []
        assert await history.log.before(None, count_max=1) == []
        assert await history.log.of_job("x", count_max=1) == []

    async def test_events_come_back_as_they_were_appended(self, history, events):
        assert await history.log.append(events) == len(events)

        assert await all_events(history.log) == events
        assert await history.log.head() == await history.log.highest_given() == events[-1].position

    async def test_reading_forwards_and_backwards(self, history, events):
        await history.log.append(events)

        assert positions(await history.log.after(3, count_max=2)) == [4, 5]
        assert positions(await history.log.before(3, count_max=5)) == [2, 1]
        assert positions(await history.log.before(None, count_max=2)) == [len(events), len(events) - 1]

    async def test_a_jobs_events_come_in_order_of_sequence(self, history, events):
        await history.log.append(events)
        job_id = events[0].job_id
        own = [event for event in events if event.job_id == job_id]

        assert await history.log.of_job(job_id, count_max=100) == own
        assert await history.log.of_job(job_id, after_sequence=2, count_max=2) == own[2:4]
        assert await history.log.of_job(job_id, after_sequence=len(own), count_max=1) == []

    async def test_filters_choose_by_job_and_by_type(self, history, events):
        await history.log.append(events)
        of_job = EventFilter(job_id=events[0].job_id)
        created = EventFilter(event_type=EventType.CREATED)
        both = EventFilter(job_id=events[0].job_id, event_type=EventType.COMPLETED)

        assert {event.job_id for event in await history.log.after(0, count_max=100, filter=of_job)} == {
            events[0].job_id
        }
        assert len(await history.log.after(0, count_max=100, filter=created)) == 4
        assert [event.event_type for event in await history.log.before(None, count_max=9, filter=both)] == [
            EventType.COMPLETED
        ]
        assert await history.log.after(0, count_max=9, filter=EventFilter(event_type="job.%")) == []

    async def test_a_filter_keeps_the_order_and_the_position(self, history, events):
        await history.log.append(events)
        created = EventFilter(event_type=EventType.CREATED)
        all_created = positions(await history.log.after(0, count_max=100, filter=created))

        assert all_created == sorted(all_created)
        assert positions(await history.log.after(all_created[0], count_max=100, filter=created)) == all_created[1:]
        assert positions(await history.log.before(all_created[-1], count_max=1, filter=created)) == [all_created[-2]]

    async def test_events_are_there_after_a_kill(self, history, events):
        await history.log.append(events)

        history.restart()

        assert await all_events(history.log) == events

    async def test_the_truth_and_its_log_agree_on_who_writes(self, truth):
        answers = await truth.store.submit([new_job(truth.ids) for _ in range(3)])
        await truth.store.apply([Order(answers[0].job.id, Cancel())])

        assert truth.log.is_shared_with_truth
        assert positions(await truth.log.after(0, count_max=100)) == [1, 2, 3, 4]


class TestConcurrency:
    async def test_many_appends_of_the_same_keep_each_event_once(self, history, events):
        counts = await asyncio.gather(*(history.log.append(events) for _ in range(8)))

        assert sum(counts) == len(events)
        assert await all_events(history.log) == events


class TestIdempotency:
    async def test_appending_again_adds_nothing(self, history, events):
        await history.log.append(events)

        assert await history.log.append(events) == 0
        assert await history.log.append(events[2:5]) == 0
        assert await all_events(history.log) == events

    async def test_an_overlapping_append_adds_what_is_new(self, history, events):
        await history.log.append(events[:4])

        assert await history.log.append(events[2:]) == len(events) - 4
        assert await all_events(history.log) == events


class TestBounds:
    async def test_appending_nothing(self, history):
        assert await history.log.append([]) == 0

    async def test_an_append_takes_up_to_the_bound(self, history):
        factory = JobFactory()
        for _ in range(limits.RELAY_BATCH_MAX + 1):
            factory.pending()

        assert await history.log.append(factory.events[:1]) == 1
        assert await history.log.append(factory.events[1:]) == limits.RELAY_BATCH_MAX
        with pytest.raises(AssertionError):
            await history.log.append(factory.events)
        assert len(await history.log.after(0, count_max=limits.READ_EVENTS_MAX)) == limits.READ_EVENTS_MAX

    @pytest.mark.parametrize("count_max", [0, limits.READ_EVENTS_MAX + 1])
    async def test_a_read_beyond_the_bounds_is_a_programmers_error(self, history, count_max):
        for read in (
            lambda: history.log.after(0, count_max=count_max),
            lambda: history.log.before(None, count_max=count_max),
            lambda: history.log.of_job("x", count_max=count_max),
        ):
            with pytest.raises(AssertionError):
                await read()

    @pytest.mark.parametrize("name", ["after", "before", "of_job", "after, filtered"])
    async def test_a_read_holds_as_much_json_as_it_may_and_not_a_byte_more(self, history, events, monkeypatch, name):
        await history.log.append(events)
        read = READS[name]
        found = await read(history.log, events, 100)
        sizes = [len(msgspec.json.encode(event.payload)) for event in found]
        assert not found.has_more

        for count in range(1, len(found)):
            monkeypatch.setattr(limits, "READ_BYTES_MAX", sum(sizes[:count]))
            at_the_bound = await read(history.log, events, 100)
            monkeypatch.setattr(limits, "READ_BYTES_MAX", sum(sizes[:count]) - 1)
            past_it = await read(history.log, events, 100)

            assert (at_the_bound, at_the_bound.has_more) == (found[:count], True)
            assert (past_it, past_it.has_more) == (found[: max(count - 1, 1)], True)

    @pytest.mark.parametrize("name", ["after", "before", "of_job", "after, filtered"])
    async def test_a_read_knows_whether_there_is_more(self, history, events, name):
        await history.log.append(events)
        found = await READS[name](history.log, events, 100)

        for count_max in range(1, len(found) + 2):
            some = await READS[name](history.log, events, count_max)
            assert (some, some.has_more) == (found[:count_max], count_max < len(found))

    async def test_reads_that_end_early_go_on_without_a_gap(self, history, events, monkeypatch):
        await history.log.append(events)
        monkeypatch.setattr(limits, "READ_BYTES_MAX", 1)

        assert await all_events(history.log) == events

    async def test_positions_beyond_the_ends_give_nothing(self, history, events):
        await history.log.append(events)

        assert await history.log.after(len(events), count_max=1) == []
        assert await history.log.after(2**62, count_max=1) == []
        assert await history.log.before(1, count_max=1) == []
        assert await history.log.before(0, count_max=1) == []


READS = {
    "after": lambda log, events, count_max: log.after(0, count_max=count_max),
    "before": lambda log, events, count_max: log.before(None, count_max=count_max),
    "of_job": lambda log, events, count_max: log.of_job(events[0].job_id, count_max=count_max),
    "after, filtered": lambda log, events, count_max: log.after(
        0, count_max=count_max, filter=EventFilter(job_id=events[0].job_id)
    ),
}

CALLS = {
    "append": lambda log, events: log.append(events),
    "after": lambda log, events: log.after(0, count_max=1),
    "before": lambda log, events: log.before(None, count_max=1),
    "of_job": lambda log, events: log.of_job("x", count_max=1),
    "head": lambda log, events: log.head(),
    "highest_given": lambda log, events: log.highest_given(),
    "generation": lambda log, events: log.generation(),
}


def test_every_method_of_the_port_is_put_to_the_test():
    assert {name for name, one in vars(EventLog).items() if inspect.iscoroutinefunction(one)} == set(CALLS)


class TestFailureInTheMiddle:
    async def test_an_append_happens_as_a_whole_or_not_at_all(self, history, events):
        await history.log.append(events[:3])
        failures = 0

        for number in range(1, 100):
            history.faults.fail_call(number)
            try:
                await history.log.append(events)
            except LogUnavailable:
                failures += 1
                history.restart()
                assert await all_events(history.log) == events[:3]
            else:
                break

        history.faults.heal()
        assert failures >= 2
        assert await all_events(history.log) == events

    async def test_an_append_whose_answer_was_lost_can_be_repeated(self, history, events):
        history.faults.lose_next_commit()
        with pytest.raises(LogUnavailable):
            await history.log.append(events)

        assert await history.log.append(events) == 0
        assert await all_events(history.log) == events


class TestErrorTranslation:
    @pytest.mark.parametrize("name", CALLS)
    async def test_every_error_of_the_vendor_becomes_unavailable(self, history, events, name):
        for error in history.faults.vendor_errors:
            history.faults.fail_always(error)
            with pytest.raises(LogUnavailable):
                await CALLS[name](history.log, events)
