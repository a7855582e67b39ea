"""What is kept of an exception in parts: bounded, true, and never the values of variables."""

from typing import Any

import msgspec
import pytest

from observatory.core import limits
from observatory.core.job import JobError
from observatory.processor import ending
from observatory.processor.result_faults import largest_part, place_of_fault


def error_of(raise_it: Any) -> JobError:
    try:
        raise_it()
    except BaseException as error:  # noqa: BLE001 — whatever a handler may raise
        failure = ending.raised(error, asked=None, timeout_s=1.0).error
    else:
        pytest.fail("it raised nothing")
    assert failure is not None
    return failure


class OutOfStock(Exception):
    """Of an application."""


class _Shop:
    def sell(self, secret: str) -> None:
        assert secret
        raise OutOfStock("no chairs")


def test_the_class_and_the_calls_are_named_and_the_values_are_not() -> None:
    error = error_of(lambda: _Shop().sell("s3cr3t-value"))

    assert (error.type, error.qualified_type) == ("OutOfStock", f"{__name__}.OutOfStock")
    last = error.frames[-1]
    assert (last.file, last.function, last.source) == (__file__, "_Shop.sell", 'raise OutOfStock("no chairs")')
    assert last.line > 0
    assert b"s3cr3t-value" not in msgspec.json.encode(error).replace(b'_Shop().sell(\\"s3cr3t-value\\")', b"")


def test_endless_recursion_shows_where_it_began_and_where_it_ended() -> None:
    def begin() -> None:
        again()

    def again() -> None:
        again()

    error = error_of(begin)

    assert error.type == "RecursionError"
    assert len(error.frames) == limits.ERROR_FRAMES_MAX
    assert error.frames_left_out > 100
    assert error.frames[1].function.endswith("begin")
    assert error.frames[-1].function.endswith("again")


def test_causes_contexts_and_members_of_groups_are_kept_with_their_relation() -> None:
    def cause() -> None:
        try:
            raise KeyError("first")
        except KeyError as first:
            raise ValueError("second") from first

    def group() -> None:
        try:
            cause()
        except ValueError:
            raise ExceptionGroup("many", [OSError("one"), TypeError("two")])  # noqa: B904 — a context is what is tested

    error = error_of(group)

    assert error.type == "ExceptionGroup"
    told = [(one.relation, one.type) for one in error.related]
    assert told == [("context", "ValueError"), ("member", "OSError"), ("member", "TypeError"), ("cause", "KeyError")]


def test_a_suppressed_context_is_not_shown() -> None:
    def raise_from_none() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second") from None

    assert error_of(raise_from_none).related == []


@pytest.mark.parametrize("more", [0, 1])
def test_exceptions_behind_it_are_kept_up_to_their_limit_and_counted_beyond(more: int) -> None:
    def raise_chain() -> None:
        error = ValueError("0")
        for number in range(1, limits.ERROR_RELATED_MAX + more + 1):
            error, before = ValueError(str(number)), error
            error.__cause__ = before
        raise error

    error = error_of(raise_chain)

    assert (len(error.related), error.related_left_out) == (limits.ERROR_RELATED_MAX, more)


def test_an_error_stays_within_its_bytes_whatever_is_in_it() -> None:
    name = "\u0001" * 300
    source = f"def f(n):\n    if n: f(n-1)\n    raise ValueError({name!r} * 100)\nf(100)\n"
    members = [ValueError("\u0001" * 10_000) for _ in range(20)]

    def raise_it() -> None:
        try:
            exec(compile(source, name, "exec"), {})
        except ValueError as error:
            raise ExceptionGroup("\u0001" * 10_000, members) from error

    error = error_of(raise_it)

    assert len(msgspec.json.encode(error)) <= limits.ERROR_BYTES_MAX


@pytest.mark.parametrize(
    ("error", "kind"),
    [(SystemExit(3), "SystemExit"), (KeyboardInterrupt(), "KeyboardInterrupt"), (GeneratorExit(), "GeneratorExit")],
)
def test_what_is_no_exception_for_most_is_one_here(error: BaseException, kind: str) -> None:
    def raise_it() -> None:
        raise error

    assert error_of(raise_it).qualified_type == kind


# --- results --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [1, {"b": object()}]}, "/a/1/b"),
        ({"a": [1.0, float("nan")]}, "/a/1"),
        ([{1, 2}, print], "/1"),
        ({"a/b": {"~": print}}, "/a~1b/~0"),
    ],
)
def test_a_result_that_is_no_json_names_the_place(value: Any, place: str) -> None:
    ended = ending.returned(value)

    assert ended.error is not None
    assert ended.error.type == "ResultNotJson"
    assert ended.error.message.startswith(f"the result has no JSON form at {place}: ")


def test_a_result_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)

    ended = ending.returned({"a": value})

    assert ended.error is not None
    assert ended.error.type == "ResultNotJson"


def test_a_result_that_is_too_large_names_what_makes_it_so() -> None:
    ended = ending.returned({"small": [1] * 100, "rows": {"names": ["x" * 70_000], "n": 1}})

    assert ended.error is not None
    assert ended.error.type == "ResultTooLarge"
    assert "70002 of them are at /rows/names/0" in ended.error.message


def test_where_nothing_is_wrong_or_large_nothing_is_named() -> None:
    assert place_of_fault({"a": [1, "b", None, {"c": 2.5}]}) is None
    assert largest_part(["x" * 10] * 10)[0] == ""
