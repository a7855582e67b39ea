import msgspec
import pytest

from observatory.contracts import validate
from observatory.contracts.wire import Problem
from observatory.core import errors
from observatory.edge.problem import DETAIL_BYTES_MAX, HttpRefused, headers_of, problem_of


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidJob("x", pointer="/type"), 400, "invalid_job"),
        (errors.BadJson("too_large", "x"), 413, "too_large"),
        (errors.UnknownJob("x"), 404, "unknown_job"),
        (errors.IdempotencyConflict("x", job_id="1"), 409, "idempotency_conflict"),
        (errors.IllegalTransition("x", code="job_is_final"), 409, "job_is_final"),
        (errors.BadQuery("x"), 400, "bad_query"),
        (errors.StoreUnavailable("x"), 503, "store_unavailable"),
        (errors.KeyInUse("x"), 503, "key_in_use"),
        (errors.ViewsUnavailable("x"), 503, "views_unavailable"),
        (HttpRefused(405, "method_not_allowed", "x"), 405, "method_not_allowed"),
        (errors.LeaseLost("x"), 500, "internal_error"),
        (RuntimeError("secret"), 500, "internal_error"),
    ],
)
def test_every_error_has_a_status_and_a_stable_code(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)

    assert (problem.status, problem.code) == (status, code)
    assert validate("problem", msgspec.to_builtins(problem)) == []


def test_only_the_words_of_a_refusal_reach_the_caller() -> None:
    outside = [problem_of(error).detail or "" for error in (RuntimeError("secret"), errors.StoreUnavailable("secret"))]

    assert not [text for text in outside if "secret" in text]


def test_only_a_request_that_may_change_something_is_told_of_changes() -> None:
    away = errors.StoreUnavailable("x")

    assert problem_of(away, is_read=True).detail == "the job store did not answer"
    assert "whether a change took effect" in (problem_of(away).detail or "")


def test_a_detail_is_bounded_and_harmless() -> None:
    problem: Problem = problem_of(errors.InvalidJob("\x1b]0;x\x07" + "y" * 10_000, pointer="/type"))

    assert problem.detail is not None
    assert len(problem.detail.encode()) <= DETAIL_BYTES_MAX
    assert "\x1b" not in problem.detail
    assert "\x1b" not in problem.errors[0].detail


def test_who_may_come_back_is_told_when() -> None:
    assert dict(headers_of(errors.StoreUnavailable("x")))["Retry-After"].isdecimal()
    assert headers_of(errors.UnknownJob("x")) == ()
