"""Do the folds give back what the events say, and count without losing anything?"""

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.core import folds, limits
from observatory.core.folds import OTHER, StatsView, fold_job, fold_stats
from observatory.core.job import JobStatus
from observatory.testing.factories import JobFactory, full_new_job

STATES = ["pending", "scheduled", "buffered", "executing", "retrying", "completed", "failed", "cancelled"]


def folded(history):
    document = None
    for event in history.events:
        document = fold_job(document, event)
    return document


def stats_of(events):
    view = StatsView()
    for event in events:
        view = fold_stats(view, event)
    return view


@pytest.mark.parametrize("state", STATES)
def test_a_row_is_the_fold_of_its_events(state):
    history = getattr(JobFactory(), state)()

    assert folds.comparable(folded(history)) == folds.comparable(folds.wire_form(history.job))


def test_a_job_with_every_field_is_the_fold_of_its_events():
    factory = JobFactory()
    new = full_new_job(factory.ids)
    fields = {
        name: getattr(new, name) for name in ("payload", "metadata", "idempotency_key", "retry_of", "traceparent")
    }

    history = factory.completed(**fields)

    assert folds.comparable(folded(history)) == folds.comparable(folds.wire_form(history.job))
    assert folded(history)["payload"] == new.payload


def test_folding_a_job_leaves_the_document_before_it_alone():
    history = JobFactory().executing()
    before = fold_job(None, history.events[0])
    copy = dict(before)

    fold_job(before, history.events[1])

    assert before == copy


def test_a_fold_refuses_to_begin_in_the_middle():
    history = JobFactory().executing()

    with pytest.raises(AssertionError):
        fold_job(None, history.events[1])
    with pytest.raises(AssertionError):
        fold_job({"id": history.job.id}, history.events[0])


job_lists = st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from(["a", "b", "c"])), max_size=30)


@given(job_lists)
@settings(max_examples=50, deadline=None)
def test_counts_are_a_recount_of_the_folded_jobs(wanted):
    factory = JobFactory()
    for state, job_type in wanted:
        getattr(factory, state)(type=job_type)

    view = stats_of(factory.events)

    recount = Counter(folded(history)["status"] for history in factory.histories)
    assert {status: count for status, count in view.by_status.items() if count} == dict(recount)
    assert view.total_jobs == len(factory.histories) == sum(view.by_status.values())
    assert view.events == len(factory.events)
    for job_type, counts in view.by_type.items():
        of_type = [history.job.status for history in factory.histories if history.job.type == job_type]
        assert counts.accepted == len(of_type)
        assert counts.completed == of_type.count(JobStatus.COMPLETED)
        assert counts.failed == of_type.count(JobStatus.FAILED)
        assert counts.cancelled == of_type.count(JobStatus.CANCELLED)


@given(job_lists)
@settings(max_examples=25, deadline=None)
def test_no_count_is_ever_negative_on_the_way(wanted):
    factory = JobFactory()
    for state, job_type in wanted:
        getattr(factory, state)(type=job_type)
    view = StatsView()

    for event in factory.events:
        view = fold_stats(view, event)
        assert min(view.by_status.values()) >= 0
        assert sum(view.by_status.values()) == view.total_jobs
        assert sum(counts.accepted for counts in view.by_type.values()) == view.total_jobs


def test_a_view_that_was_saved_half_way_ends_as_one_that_was_not():
    factory = JobFactory()
    for state in STATES:
        getattr(factory, state)()
    half = len(factory.events) // 2

    view = stats_of(factory.events[:half])
    view = msgspec.json.decode(msgspec.json.encode(view), type=StatsView)
    for event in factory.events[half:]:
        view = fold_stats(view, event)

    assert msgspec.json.encode(view) == msgspec.json.encode(stats_of(factory.events))


def test_attempts_are_counted_with_their_durations():
    factory = JobFactory()
    factory.retrying(attempt=2)
    factory.completed()

    view = stats_of(factory.events)

    assert view.attempts_by_outcome == {"failed": 2, "succeeded": 1}
    assert view.run_seconds_sum == 1.25
    assert view.last_event_time == factory.events[-1].occurred_at


def test_types_beyond_the_bound_are_counted_as_other():
    factory = JobFactory()
    for number in range(limits.LABEL_VALUES_MAX + 3):
        factory.completed(type=f"type-{number}")
    factory.failed(type="type-0")

    view = stats_of(factory.events)

    assert len(view.by_type) == limits.LABEL_VALUES_MAX + 1
    assert view.by_type[OTHER].accepted == view.by_type[OTHER].completed == 3
    assert (view.by_type["type-0"].completed, view.by_type["type-0"].failed) == (1, 1)
    assert sum(counts.accepted for counts in view.by_type.values()) == view.total_jobs


def test_a_job_type_that_is_really_called_other_is_not_lost():
    factory = JobFactory()
    factory.completed(type=OTHER)

    assert stats_of(factory.events).by_type[OTHER].completed == 1
