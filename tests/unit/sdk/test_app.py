"""How people define job types."""

import functools
from typing import Any

import pytest

from observatory import Discard, JobContext, Observatory, RetryPolicy
from observatory.core import limits
from observatory.core.handler import Isolation


@pytest.fixture
def app() -> Observatory:
    return Observatory()


async def work_async(ctx: JobContext) -> None: ...


def work(ctx: JobContext) -> None: ...


def test_the_function_stays_as_it_is(app: Observatory) -> None:
    assert app.job("x")(work) is work


def test_a_definition_becomes_a_handler(app: Observatory) -> None:
    policy = RetryPolicy(base_s=5.0)
    define = app.job(
        "thumbnail", runs_in="process", max_attempts=5, timeout_s=30, soft_timeout_s=20, memory_bytes_max=2**28,
        retry=policy,
    )  # fmt: skip
    define(work)

    handler = app.handlers["thumbnail"]
    assert (handler.type, handler.function, handler.runs_in) == ("thumbnail", work, Isolation.PROCESS)
    assert (handler.max_attempts, handler.timeout_s, handler.soft_timeout_s) == (5, 30, 20)
    assert (handler.memory_bytes_max, handler.retry) == (2**28, policy)


def test_a_coroutine_function_runs_on_the_loop_and_any_other_in_a_thread(app: Observatory) -> None:
    app.job("a")(work_async)
    app.job("b")(work)

    assert (app.handlers["a"].runs_in, app.handlers["b"].runs_in) == (Isolation.ASYNC, Isolation.THREAD)
    assert (app.handlers["a"].max_attempts, app.handlers["a"].timeout_s) == (
        limits.ATTEMPTS_DEFAULT,
        limits.TIMEOUT_S_DEFAULT,
    )


@pytest.mark.parametrize("name", ["a", "A9", "mail.send_v2-eu", "x" * limits.JOB_TYPE_CHARS_MAX])
def test_a_good_type_name_is_accepted(app: Observatory, name: str) -> None:
    app.job(name)(work)

    assert list(app.handlers) == [name]


@pytest.mark.parametrize(
    "name", ["", ".a", "-a", "_a", "a b", "a/b", "ä", "a\n", "x" * (limits.JOB_TYPE_CHARS_MAX + 1)]
)
def test_a_bad_type_name_is_refused_before_a_function_is_given(app: Observatory, name: str) -> None:
    with pytest.raises(ValueError, match="is no job type"):
        app.job(name)


def test_a_type_is_defined_once(app: Observatory) -> None:
    app.job("x")(work)

    with pytest.raises(ValueError, match="job type x is already defined"):
        app.job("x")(work_async)
    assert app.handlers["x"].function is work


def generator(ctx: JobContext) -> Any:
    yield 1


async def async_generator(ctx: JobContext) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "options", "says"),
    [
        (work_async, {"runs_in": "thread"}, "its handler is a coroutine function"),
        (work_async, {"runs_in": "process"}, "its handler is a coroutine function"),
        (work, {"runs_in": "async"}, "its handler is not a coroutine function"),
        (work, {"runs_in": "fiber"}, "runs_in of x is 'fiber'; it is one of async, thread, process"),
        (work, {"runs_in": 5}, "it is one of async, thread, process"),
        (work, {"timeout_s": -1}, "timeout_s of x is -1"),
        (generator, {}, "is a generator"),
        (async_generator, {}, "is a generator"),
        (work, {"max_attempts": 0}, "max_attempts of x is 0; it is a whole number from 1 to 100"),
        (work, {"max_attempts": 101}, "max_attempts of x is 101"),
        (work, {"timeout_s": 0}, "timeout_s of x is 0"),
        (work, {"timeout_s": limits.TIMEOUT_S_MAX + 1}, "at most 86400 seconds"),
        (work, {"timeout_s": float("nan")}, "timeout_s of x is nan"),
        (work, {"timeout_s": float("inf")}, "timeout_s of x is inf"),
        (work, {"timeout_s": 5, "soft_timeout_s": 5}, "below timeout_s"),
        (work, {"soft_timeout_s": 0}, "soft_timeout_s of x is 0"),
        (work, {"soft_timeout_s": float("nan")}, "soft_timeout_s of x is nan"),
        (work, {"memory_bytes_max": 2**28}, "needs runs_in='process'"),
        (work, {"runs_in": "process", "memory_bytes_max": 100}, "a whole number from 1048576"),
    ],
)
def test_a_definition_that_cannot_work_is_refused_with_the_reason(
    app: Observatory, function: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        app.job("x", **options)(function)

    assert says in str(refusal.value)
    assert not app.handlers


class Callable:
    def __call__(self, ctx: JobContext) -> None: ...

    def method(self, ctx: JobContext, *, a: int = 1) -> int:
        return a


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_attempts": True}, "max_attempts of x is True; it is a whole number from 1 to 100"),
        ({"max_attempts": 2.5}, "max_attempts of x is 2.5; it is a whole number from 1 to 100"),
        ({"timeout_s": "5"}, "timeout_s of x is '5'; it is a number above 0 and at most 86400 seconds"),
        ({"timeout_s": True}, "timeout_s of x is True; it is a number"),
        ({"soft_timeout_s": "5"}, "soft_timeout_s of x is '5'; it is a number"),
        ({"memory_bytes_max": 1e8}, "memory_bytes_max of x is 100000000.0; it is a whole number from 1048576"),
        ({"retry": "no"}, "retry of x is 'no'; it is a RetryPolicy"),
        ({"retry": 5}, "retry of x is 5; it is a RetryPolicy"),
        ({"retry": 0}, "retry of x is 0; it is a RetryPolicy"),
        ({"retry": RetryPolicy}, "it is a RetryPolicy"),
    ],
)
def test_an_option_of_the_wrong_kind_is_refused_with_what_it_may_be(
    app: Observatory, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(TypeError) as refusal:
        app.job("x", runs_in="process", **options)(work)

    assert says in str(refusal.value)
    assert not app.handlers


def test_memory_has_an_upper_bound_that_the_kernel_can_hold(app: Observatory) -> None:
    app.job("x", runs_in="process", memory_bytes_max=limits.MEMORY_BYTES_MAX)(work)

    with pytest.raises(ValueError, match="memory_bytes_max of y is"):
        app.job("y", runs_in="process", memory_bytes_max=limits.MEMORY_BYTES_MAX + 1)(work)


@pytest.mark.parametrize("handler", [functools.partial(work), Callable(), Callable, print, 5, None])
def test_a_handler_that_is_no_function_is_refused(app: Observatory, handler: Any) -> None:
    with pytest.raises(TypeError, match=r"the handler of x is .*; it is a function or a method"):
        app.job("x")(handler)

    assert not app.handlers


def test_a_method_and_a_cached_function_are_functions(app: Observatory) -> None:
    app.job("method")(Callable().method)
    app.job("cached")(functools.cache(work))

    assert [handler.runs_in for handler in app.handlers.values()] == [Isolation.THREAD, Isolation.THREAD]


def test_the_name_of_a_type_is_not_forgotten_in_silence(app: Observatory) -> None:
    with pytest.raises(TypeError, match=r'write @app\.job\("thumbnail"\)'):
        app.job(work)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", [None, 5, b"x", ["x"]])
def test_the_name_of_a_type_is_a_text(app: Observatory, name: Any) -> None:
    with pytest.raises(TypeError, match="is no job type"):
        app.job(name)


def test_a_decorated_function_is_judged_by_what_it_wraps(app: Observatory) -> None:
    @functools.wraps(work_async)
    async def traced(*args: Any, **kwargs: Any) -> Any:
        return await work_async(*args, **kwargs)

    app.job("x")(traced)

    assert app.handlers["x"].runs_in is Isolation.ASYNC


def test_include_takes_over_all_types_or_none(app: Observatory) -> None:
    other = Observatory()
    other.job("a")(work)
    other.job("b")(work)
    app.include(other)

    third = Observatory()
    third.job("c")(work)
    third.job("b")(work)
    with pytest.raises(ValueError, match="b is already defined"):
        app.include(third)

    assert list(app.handlers) == ["a", "b"]


def test_the_handlers_cannot_be_changed_from_outside(app: Observatory) -> None:
    app.job("x")(work)

    with pytest.raises(TypeError):
        app.handlers["y"] = app.handlers["x"]  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize("option", ["retry_on", "discard_on"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (ConnectionError, "tuple of exception classes"),
        ([ConnectionError], "tuple of exception classes"),
        (("ConnectionError",), "tuple of exception classes"),
        ((int,), "tuple of exception classes"),
        ((Discard,), "no matter of the type"),
    ],
)
def test_classes_that_are_none_are_refused_where_the_type_is_defined(option: str, value: Any, says: str) -> None:
    app = Observatory()
    options: Any = {option: value}

    with pytest.raises((TypeError, ValueError), match=says):
        app.job("x", **options)(work)


def test_a_class_cannot_be_tried_again_and_discarded() -> None:
    with pytest.raises(ValueError, match="both name KeyError"):
        Observatory().job("x", retry_on=(KeyError, OSError), discard_on=(KeyError,))(work)
