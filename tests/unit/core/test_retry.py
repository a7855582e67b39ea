"""When is the next attempt, and what may a handler ask for?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.retry import Retry, RetryPolicy, Snooze, is_tried_again

seconds = st.floats(min_value=0.001, max_value=limits.SNOOZE_S_MAX)
factors = st.floats(min_value=1.0, max_value=10.0)
attempts = st.integers(min_value=1, max_value=10_000)
chances = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)


@st.composite
def policies(draw):
    base_s, cap_s = sorted((draw(seconds), draw(seconds)))
    return RetryPolicy(base_s=base_s, factor=draw(factors), cap_s=cap_s)


@given(policies(), attempts)
def test_the_ceiling_never_shrinks_and_stays_between_base_and_cap(policy, attempt):
    ceiling_s = policy.ceiling_s(attempt)

    assert policy.base_s <= ceiling_s <= policy.cap_s
    assert ceiling_s <= policy.ceiling_s(attempt + 1)


@given(policies(), attempts, chances)
def test_the_delay_is_a_share_of_the_ceiling(policy, attempt, chance):
    assert 0.0 <= policy.delay_s(attempt, chance) <= policy.ceiling_s(attempt)


def test_the_default_doubles_from_one_second_to_an_hour():
    policy = RetryPolicy()

    assert [policy.ceiling_s(attempt) for attempt in (1, 2, 3, 4, 12, 13)] == [1.0, 2.0, 4.0, 8.0, 2048.0, 3600.0]


def test_an_exponent_beyond_floats_gives_the_cap():
    assert RetryPolicy(factor=10.0).ceiling_s(1_000_000) == limits.RETRY_CAP_S


@pytest.mark.parametrize(
    "fields",
    [
        {"base_s": 0.0},
        {"base_s": -1.0},
        {"base_s": 2.0, "cap_s": 1.0},
        {"cap_s": limits.SNOOZE_S_MAX + 1},
        {"factor": 0.99},
        {"factor": 10.01},
        {"factor": float("nan")},
        {"base_s": float("nan")},
    ],
    ids=str,
)
def test_a_policy_out_of_bounds_cannot_be_made(fields):
    with pytest.raises(ValueError):
        RetryPolicy(**fields)


def test_there_is_no_attempt_before_the_first():
    with pytest.raises(AssertionError):
        RetryPolicy().ceiling_s(0)


@pytest.mark.parametrize("in_s", [limits.SNOOZE_S_MIN, limits.SNOOZE_S_MAX])
def test_a_handler_may_ask_for_any_delay_within_the_bounds(in_s):
    assert Retry(in_s=in_s).in_s == in_s
    assert Snooze(in_s).in_s == in_s


def test_another_attempt_may_follow_at_once_and_a_snooze_may_not():
    assert Retry(in_s=0.0).in_s == 0.0
    with pytest.raises(ValueError, match=r"from 1\.0"):
        Snooze(0.999)


@pytest.mark.parametrize("in_s", ["x", True, [], b"1"])
def test_a_delay_that_is_no_number_is_refused_by_its_name(in_s: Any) -> None:
    with pytest.raises(TypeError, match=r"in_s of a Retry is .*; it is a number of seconds"):
        Retry(in_s=in_s)
    with pytest.raises(TypeError, match=r"in_s of a Snooze is .*; it is a number of seconds"):
        Snooze(in_s)


def test_a_snooze_says_until_when() -> None:
    with pytest.raises(TypeError, match=r"in_s of a Snooze is None; it is a number of seconds"):
        Snooze(None)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("in_s", [-0.001, limits.SNOOZE_S_MAX + 1, float("nan"), float("inf")])
def test_a_handler_may_not_ask_for_a_delay_beyond_them(in_s):
    with pytest.raises(ValueError):
        Retry(in_s=in_s)
    with pytest.raises(ValueError):
        Snooze(in_s)


@pytest.mark.parametrize(("jitter", "least", "most"), [(1.0, 0.0, 8.0), (0.25, 6.0, 8.0), (0.0, 8.0, 8.0)])
def test_jitter_is_the_share_of_the_wait_that_is_drawn(jitter: float, least: float, most: float) -> None:
    policy = RetryPolicy(base_s=4.0, factor=2.0, jitter=jitter)

    assert (policy.delay_s(2, 0.0), policy.delay_s(2, 1.0)) == (least, most)


@pytest.mark.parametrize("jitter", [-0.1, 1.1, float("nan")])
def test_a_jitter_that_is_no_share_is_refused(jitter: float) -> None:
    with pytest.raises(ValueError, match="jitter"):
        RetryPolicy(jitter=jitter)


@pytest.mark.parametrize("option", ["base_s", "factor", "cap_s", "jitter"])
@pytest.mark.parametrize("value", ["1", None, True])
def test_an_option_of_a_policy_that_is_no_number_is_refused_by_its_name(option: str, value: Any) -> None:
    with pytest.raises(TypeError, match=option):
        RetryPolicy(**{option: value})


class _Base(OSError):
    pass


class _Near(_Base):
    pass


@pytest.mark.parametrize(
    ("retry_on", "discard_on", "retried"),
    [
        (None, (), True),
        ((), (), False),
        ((OSError,), (), True),
        ((KeyError,), (), False),
        (None, (OSError,), False),
        (None, (KeyError,), True),
        ((OSError,), (_Base,), False),
        ((_Base,), (OSError,), True),
        ((_Near,), (_Base,), True),
        ((KeyError,), (ValueError,), False),
    ],
)
def test_the_nearest_class_decides_what_is_tried_again(retry_on: Any, discard_on: Any, retried: bool) -> None:
    assert is_tried_again(_Near, retry_on, discard_on) is retried
