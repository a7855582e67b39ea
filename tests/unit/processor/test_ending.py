"""What is recorded of an attempt, and by which command?"""

import enum
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core import limits, strict_json
from observatory.core.command import Fail, Refuse, Release, Snooze, Succeed
from observatory.core.errors import InvalidJob
from observatory.core.handler import Handler, Isolation
from observatory.core.job import JobError, Outcome
from observatory.core.retry import Discard, Retry, RetryPolicy
from observatory.core.retry import Snooze as SnoozeAsked
from observatory.processor import ending
from observatory.processor.context import Stopped, StopReason
from observatory.processor.ending import Ended, RetryWish, settle_command
from tests.unit.processor.jobs import executing

HANDLER = Handler(type="x", function=print, runs_in=Isolation.ASYNC, retry=RetryPolicy(base_s=4.0, factor=2.0))
ERROR = JobError(type="Broken", message="it broke")


def raised(error: BaseException, asked: StopReason | None = None) -> Ended:
    return ending.raised(error, asked=asked, timeout_s=2.0)


# --- commands -------------------------------------------------------------------------------------


def test_a_success_is_settled_with_its_result_and_duration() -> None:
    ended = Ended(outcome=Outcome.SUCCEEDED, result={"a": 1}, run_s=1.5)

    assert settle_command(ended, executing(), HANDLER, 0.5) == Succeed(fence=7, result={"a": 1}, run_s=1.5)


@pytest.mark.parametrize(("wish", "retry_in_s"), [("by_policy", 0.25 * 8.0), ("after", 9.0), ("never", None)])
def test_a_failure_is_tried_again_as_the_handler_wishes(wish: str, retry_in_s: float | None) -> None:
    ended = Ended(outcome=Outcome.FAILED, error=ERROR, retry=RetryWish(wish), wait_s=9.0, run_s=1.5)

    command = settle_command(ended, executing(attempt=2), HANDLER, chance=0.25)

    assert command == Fail(fence=7, outcome=Outcome.FAILED, error=ERROR, retry_in_s=retry_in_s, run_s=1.5)


def test_snooze_and_release_cost_no_attempt() -> None:
    snoozed = Ended(outcome=Outcome.SNOOZED, wait_s=30.0, run_s=1.0)
    released = Ended(outcome=Outcome.RELEASED, run_s=2.0)

    assert settle_command(snoozed, executing(), HANDLER, 0.5) == Snooze(fence=7, run_in_s=30.0, run_s=1.0)
    assert settle_command(released, executing(), HANDLER, 0.5) == Release(fence=7, run_s=2.0)


def test_a_payload_that_does_not_fit_is_refused() -> None:
    ended = ending.refused(InvalidJob("Expected `int`, got `str`", pointer="/payload/width"))

    command = settle_command(ended, executing(), HANDLER, 0.5)

    error = JobError(type="InvalidPayload", message="/payload/width: Expected `int`, got `str`")
    assert command == Refuse(fence=7, error=error)


def test_the_result_of_a_lost_lease_is_never_settled() -> None:
    ended = ending.stopped(StopReason.LEASE_LOST, "it was killed", timeout_s=2.0)

    with pytest.raises(AssertionError, match="dropped"):
        settle_command(ended, executing(), HANDLER, 0.5)


@pytest.mark.parametrize("reason", list(StopReason))
@pytest.mark.parametrize("end", [ending.stopped, ending.abandoned])
def test_every_early_end_can_be_settled_or_is_a_lost_lease(end: Any, reason: StopReason) -> None:
    ended = end(reason, "it was ended", timeout_s=2.0)

    if ended.outcome is not Outcome.LEASE_LOST:
        assert settle_command(ended, executing(), HANDLER, 0.5).fence == 7
    assert ended.error.type
    assert "it was ended" in ended.error.message


# --- results --------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text("abc", max_size=4), children, max_size=4),
    max_leaves=20,
)
ANYTHING = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4) | st.just(object()),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_json_comes_back_as_it_was_returned(value: Any) -> None:
    ended = ending.returned(value)

    assert (ended.outcome, ended.result) == (Outcome.SUCCEEDED, value)


@given(ANYTHING)
def test_a_result_is_kept_only_if_the_strict_door_lets_it_pass(value: Any) -> None:
    ended = ending.returned(value)

    if ended.outcome is Outcome.SUCCEEDED:
        assert strict_json.decode(json.dumps(ended.result, ensure_ascii=False).encode()) == ended.result
    else:
        assert ended.error is not None
        assert ended.error.type == "ResultNotJson"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (object(), "object"),
        ({"a": [float("nan")]}, "JSON"),
        ({"name": "\udc80"}, ""),
        ({"text": "a\0b"}, "/text: U+0000"),
        ({"n": [1, 2**53]}, "/n/1: an integer"),
    ],
)
def test_a_result_that_no_store_can_hold_says_why(value: Any, says: str) -> None:
    ended = ending.returned(value)

    assert ended.outcome is Outcome.FAILED
    assert ended.error is not None
    assert ended.error.type == "ResultNotJson"
    assert says in ended.error.message


@pytest.mark.parametrize(
    ("levels", "is_kept"), [(limits.JSON_DEPTH_MAX, True), (limits.JSON_DEPTH_MAX + 1, False), (100_000, False)]
)
def test_a_result_may_have_exactly_so_many_levels(levels: int, is_kept: bool) -> None:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]

    ended = ending.returned(value)

    assert ended.outcome is (Outcome.SUCCEEDED if is_kept else Outcome.FAILED)
    assert is_kept or (ended.error is not None and ended.error.type == "ResultNotJson")


class Color(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({1: "a", "1": "b"}, "/1"),
        ({"list": [{}, {"1.5": "a", 1.5: "b"}]}, "/list/1/1.5"),
        ({Color.RED: 1, "red": 2}, "/red"),
    ],
)
def test_two_keys_that_become_the_same_text_are_refused_and_named(value: Any, place: str) -> None:
    ended = ending.returned(value)

    assert ended.error is not None
    assert ended.error.type == "ResultNotJson"
    assert ended.error.message.startswith(f"the result cannot be kept at {place}: a name occurs twice")


@pytest.mark.parametrize("key", [True, None, (1, 2)])
def test_a_key_that_has_no_form_as_text_is_refused(key: Any) -> None:
    ended = ending.returned({key: 1})

    assert ended.error is not None
    assert ended.error.type == "ResultNotJson"


def test_a_key_that_is_a_number_becomes_text() -> None:
    assert ending.returned({1: "a", 2.5: {3: "c"}}).result == {"1": "a", "2.5": {"3": "c"}}


def test_a_result_may_have_exactly_the_limit_and_not_a_byte_more() -> None:
    largest = ending.returned("x" * (limits.RESULT_BYTES_MAX - 2))
    too_large = ending.returned("x" * (limits.RESULT_BYTES_MAX - 1))

    assert largest.outcome is Outcome.SUCCEEDED
    assert too_large.error is not None
    assert too_large.error.type == "ResultTooLarge"
    assert f"{limits.RESULT_BYTES_MAX + 1} bytes" in too_large.error.message


def test_a_result_too_large_in_bytes_though_not_in_characters_is_refused() -> None:
    ended = ending.returned("ü" * (limits.RESULT_BYTES_MAX - 10))

    assert ended.error is not None
    assert ended.error.type == "ResultTooLarge"


# --- errors ---------------------------------------------------------------------------------------


def test_what_a_handler_raises_decides_whether_it_is_tried_again() -> None:
    assert raised(ValueError("x")).retry is RetryWish.BY_POLICY
    assert raised(Retry("x")).retry is RetryWish.BY_POLICY
    assert (raised(Retry("x", in_s=0)).retry, raised(Retry("x", in_s=5)).wait_s) == (RetryWish.AFTER, 5)
    assert raised(Discard("x")).retry is RetryWish.NEVER
    assert (raised(SnoozeAsked(5)).outcome, raised(SnoozeAsked(5)).wait_s) == (Outcome.SNOOZED, 5)


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [("SOFT_TIMEOUT", "timed_out"), ("CANCEL", "cancelled"), ("DRAIN", "released"), ("TIMEOUT", "timed_out")],
)
def test_a_handler_that_stops_where_it_was_asked_to_ends_by_what_was_asked(asked: str, outcome: str) -> None:
    assert raised(Stopped(), StopReason[asked]).outcome == outcome


def test_a_handler_that_stops_unasked_failed() -> None:
    assert raised(Stopped()).outcome is Outcome.FAILED


@given(st.text(max_size=3 * limits.ERROR_MESSAGE_BYTES_MAX) | st.text("ü\udc80\0", min_size=4000, max_size=5000))
def test_an_error_fits_its_limits_in_text_that_can_be_stored(message: str) -> None:
    try:
        raise ValueError(message)
    except ValueError as error:
        failure = raised(error).error

    assert failure is not None
    assert failure.traceback is not None
    assert len(failure.message.encode()) <= limits.ERROR_MESSAGE_BYTES_MAX
    assert len(failure.traceback.encode()) <= limits.ERROR_TRACEBACK_BYTES_MAX
    assert "\0" not in failure.message + failure.traceback


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_message_is_whole_up_to_its_limit_and_cut_beyond(beyond: int) -> None:
    said = "x" * (limits.ERROR_MESSAGE_BYTES_MAX + beyond)
    try:
        raise ValueError(said)
    except ValueError as error:
        failure = raised(error).error

    assert failure is not None
    assert (failure.message == said) == (beyond == 0)
    assert len(failure.message.encode()) <= limits.ERROR_MESSAGE_BYTES_MAX


def test_a_long_message_does_not_push_the_frames_out_of_the_traceback() -> None:
    try:
        raise ValueError("x" * 1_000_000)
    except ValueError as error:
        failure = raised(error).error

    assert failure is not None
    assert "test_a_long_message_does_not_push" in (failure.traceback or "")


def test_of_a_traceback_that_is_too_long_the_newest_frames_are_kept() -> None:
    def even(depth: int) -> None:
        if depth == 0:
            raise ValueError("at the bottom")
        odd(depth - 1)

    def odd(depth: int) -> None:
        even(depth)

    try:
        even(300)
    except ValueError as error:
        failure = raised(error).error

    assert failure is not None
    assert failure.traceback is not None
    assert limits.ERROR_TRACEBACK_BYTES_MAX - 8 <= len(failure.traceback.encode()) <= limits.ERROR_TRACEBACK_BYTES_MAX
    assert failure.traceback.startswith("…")
    assert failure.traceback.endswith("ValueError: at the bottom\n")


def test_an_early_end_says_its_time_out() -> None:
    ended = ending.stopped(StopReason.TIMEOUT, "it was killed", timeout_s=2.0)

    assert ended.error == JobError(type="TimedOut", message="it went past its time-out of 2 s; it was killed")


def chain_of(length: int) -> ValueError:
    error = ValueError("number 0")
    for number in range(1, length):
        error, cause = ValueError(f"number {number}"), error
        error.__cause__ = cause
    return error


@pytest.mark.parametrize(("more", "shown"), [(0, True), (1, False)])
def test_causes_are_shown_as_long_as_they_are_few(more: int, shown: bool) -> None:
    try:
        raise chain_of(limits.TRACEBACK_ERRORS_MAX + more)
    except ValueError as error:
        failure = raised(error).error

    assert failure is not None
    assert failure.traceback is not None
    assert ("direct cause" in failure.traceback) is shown
    assert failure.traceback.endswith(f"ValueError: number {limits.TRACEBACK_ERRORS_MAX + more - 1}\n")


def test_exceptions_that_cause_each_other_are_shown_once() -> None:
    first, second = ValueError("the first"), ValueError("the second")
    first.__cause__, second.__cause__ = second, first
    try:
        raise first
    except ValueError as error:
        failure = raised(error).error

    assert failure is not None
    assert (failure.traceback or "").count("the second") == 1


def test_an_exception_that_nothing_can_be_learnt_from_is_recorded_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: BaseException) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(ending, "error_from", fail)

    assert raised(ValueError("x")) == ending.UNSHOWABLE
    assert settle_command(ending.UNSHOWABLE, executing(), HANDLER, 0.5).fence == 7


@pytest.mark.parametrize("kind", [Retry, SnoozeAsked])
@pytest.mark.parametrize("in_s", [float("nan"), -1.0, limits.SNOOZE_S_MAX + 1, "soon", None])
def test_a_wish_that_was_changed_to_nonsense_is_a_failure(kind: Any, in_s: Any) -> None:
    wish = kind(in_s=5.0)
    wish.in_s = in_s

    ended = raised(wish)

    assert (ended.outcome, ended.retry, ended.wait_s) == (Outcome.FAILED, RetryWish.BY_POLICY, 0.0)
    assert ended.error is not None
    assert ended.error.type == kind.__name__
    assert ("in_s is" in ended.error.message) is not (kind is Retry and in_s is None)
