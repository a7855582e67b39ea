"""What one claim may take."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.queue import Admission, QueueSetting
from observatory.testing.manual_sources import BEGINNING

QUEUES = ("open", "paused", "limited")


@given(
    count_max=st.integers(0, 4),
    buffer_max=st.integers(0, 4),
    most=st.integers(1, 3),
    leased=st.integers(0, 5),
    line=st.lists(st.sampled_from(QUEUES), max_size=20),
)
def test_no_line_of_jobs_makes_a_claim_take_more_than_it_may(count_max, buffer_max, most, leased, line):
    admission = Admission(
        paused={"paused"},
        concurrency_max={"limited": most},
        leased={"limited": leased},
        count_max=count_max,
        buffer_max=buffer_max,
    )

    taken = [(queue, admission.take(queue)) for queue in line if admission.admits(queue)]

    assert "paused" not in {queue for queue, _ in taken}
    assert sum(queue == "limited" for queue, _ in taken) <= max(0, most - leased)
    assert ("limited", True) not in taken
    begun = sum(not waits for _, waits in taken)
    assert begun <= count_max
    assert len(taken) - begun <= buffer_max


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 10))
def test_without_settings_as_many_are_taken_as_there_are_and_those_that_may_begin_come_first(count, buffer, jobs):
    admission = Admission(count_max=count, buffer_max=buffer)

    taken = [admission.take("q") for _ in range(jobs) if admission.admits("q")]

    assert taken == ([False] * count + [True] * buffer)[:jobs]


def test_what_is_refused_once_stays_refused():
    admission = Admission(concurrency_max={"q": 1}, count_max=3)
    admission.take("q")

    assert [admission.admits("q") for _ in range(3)] == [False] * 3
    assert admission.admits("other")


def test_a_setting_that_says_nothing_need_not_be_kept():
    assert QueueSetting(queue="q").is_default
    assert not QueueSetting(queue="q", concurrency_max=1).is_default
    assert not QueueSetting(queue="q", paused_at=BEGINNING, paused_by="me").is_default


def test_a_second_pause_keeps_the_first_and_a_resume_keeps_the_limit():
    first = QueueSetting(queue="mail", concurrency_max=3).paused(BEGINNING, by="ann", reason="down")

    assert first.paused(BEGINNING + timedelta(1), by="bob", reason=None) == first
    assert first.resumed() == QueueSetting(queue="mail", concurrency_max=3)
    assert first.limited(None).resumed().is_default


@pytest.mark.parametrize("most", [0, limits.QUEUE_CONCURRENCY_MAX + 1])
def test_a_limit_beyond_the_bounds_is_a_programmers_error(most):
    with pytest.raises(AssertionError, match=f"a limit of {most}"):
        QueueSetting(queue="mail").limited(most)


@pytest.mark.parametrize(
    ("by", "reason"),
    [("", None), ("a" * (limits.ACTOR_CHARS_MAX + 1), None), ("ann", "r" * (limits.REASON_CHARS_MAX + 1))],
)
def test_words_beyond_the_bounds_are_a_programmers_error(by, reason):
    with pytest.raises(AssertionError):
        QueueSetting(queue="mail").paused(BEGINNING, by=by, reason=reason)
