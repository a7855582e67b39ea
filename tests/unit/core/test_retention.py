from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.job import FINAL, JobStatus
from observatory.core.retention import (
    Kept,
    RetentionPolicy,
    duration_s,
    duration_text,
    pages_to_give_back,
    status_of_word,
)

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("15m", 900), ("12h", 43_200), (" 7D ", 604_800), ("2w", 1_209_600), ("never", None)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int | None) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "7 d", "1h30m", "1e3s", "٧d", "9999999999d", "infinity"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        duration_s(text)


def test_the_shortest_and_the_longest_are_taken_and_one_more_or_less_is_not() -> None:
    assert duration_s(f"{limits.KEPT_S_MIN}s") == limits.KEPT_S_MIN
    assert duration_s(f"{limits.KEPT_S_MAX}s") == limits.KEPT_S_MAX
    for seconds in (limits.KEPT_S_MIN - 1, limits.KEPT_S_MAX + 1):
        with pytest.raises(ValueError, match="must be at"):
            duration_s(f"{seconds}s")


@given(st.none() | st.integers(limits.KEPT_S_MIN, limits.KEPT_S_MAX))
def test_what_is_shown_can_be_read_again(seconds: int | None) -> None:
    assert duration_s(duration_text(seconds)) == seconds


@pytest.mark.parametrize("status", [status for status in JobStatus if status not in FINAL])
def test_what_is_not_final_is_never_pruned(status: JobStatus) -> None:
    with pytest.raises(ValueError, match="only final jobs"):
        status_of_word(status)
    with pytest.raises(AssertionError):
        RetentionPolicy().kept_s("mail", status)


def test_a_type_of_its_own_goes_before_the_rest() -> None:
    policy = RetentionPolicy(
        kept=Kept(completed_s=100, failed_s=None), by_type={"mail": {JobStatus.COMPLETED: None, JobStatus.FAILED: 60}}
    )

    assert policy.kept_s("mail", JobStatus.COMPLETED) is None
    assert policy.kept_s("mail", JobStatus.CANCELLED) == limits.KEPT_CANCELLED_S
    assert policy.expires_before("mail", JobStatus.FAILED, NOW) == NOW - timedelta(seconds=60)
    assert policy.expires_before("other", JobStatus.FAILED, NOW) is None
    assert policy.prunes


def test_a_policy_that_keeps_everything_prunes_nothing() -> None:
    never = Kept(completed_s=None, failed_s=None, cancelled_s=None)

    assert not RetentionPolicy(kept=never, by_type={"mail": {JobStatus.FAILED: None}}).prunes
    assert RetentionPolicy(kept=never, by_type={"mail": {JobStatus.FAILED: 60}}).prunes


@pytest.mark.parametrize(
    ("free", "pages", "given_back"),
    [(0, 100, 0), (4_096, 8_000, 0), (4_097, 8_000, 1), (10_000, 40_000, 0), (10_001, 40_000, 1)],
)
def test_the_larger_of_the_two_bounds_of_free_space_is_kept(free, pages, given_back):
    assert pages_to_give_back(free=free, pages=pages, page_bytes=4_096) == given_back
