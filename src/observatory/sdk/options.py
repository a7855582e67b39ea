"""The options of a job type: what each may be, and what is said about one that is something else."""

import inspect
import re
import reprlib
from collections.abc import Callable
from types import CodeType
from typing import Any, NoReturn, TypeGuard, cast

from observatory.core import limits
from observatory.core.handler import Handler, Isolation
from observatory.core.retry import Discard, Retry, RetryPolicy, Snooze

_TYPE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_type_name(type_name: object) -> None:
    """Raises TypeError or ValueError: this is no name of a job type."""
    if not isinstance(type_name, str):
        if callable(type_name):
            raise TypeError('job takes the name of a type before it takes a function: write @app.job("thumbnail")')
        raise TypeError(f"{reprlib.repr(type_name)} is no job type: a job type is a text")
    if not _TYPE_NAME.fullmatch(type_name) or len(type_name) > limits.JOB_TYPE_CHARS_MAX:
        raise ValueError(
            f"{reprlib.repr(type_name)} is no job type: use letters, digits, '.', '_' and '-', begin with a letter or "
            f"digit, and use at most {limits.JOB_TYPE_CHARS_MAX} characters"
        )


def isolation_of(type_name: str, function: Callable[..., Any], runs_in: object) -> Isolation:
    """
    Where *function* runs.

    Raises:
        TypeError, ValueError: It cannot be a handler, or does not fit *runs_in*.
    """
    target = _unwrapped(type_name, function)
    is_coroutine_function = inspect.iscoroutinefunction(target)
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise ValueError(f"the handler of {type_name} is a generator; a handler returns its result")
    if runs_in is None:
        return Isolation.ASYNC if is_coroutine_function else Isolation.THREAD
    if runs_in not in list(Isolation):
        _refuse(ValueError, "runs_in", type_name, runs_in, f"it is one of {', '.join(Isolation)}")
    if (runs_in == Isolation.ASYNC) != is_coroutine_function:
        kind = "is" if is_coroutine_function else "is not"
        raise ValueError(f"runs_in of {type_name} is {runs_in!r}, but its handler {kind} a coroutine function")
    return Isolation(runs_in)


def _unwrapped(type_name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function that decorators wrap: only one with code of its own says whether it is a coroutine function."""
    target = inspect.unwrap(function)
    if not isinstance(getattr(target, "__code__", None), CodeType):
        raise TypeError(
            f"the handler of {type_name} is {reprlib.repr(function)}; it is a function or a method: put what calls "
            "it into one, with def or async def"
        )
    return target


def check_options(handler: Handler) -> None:
    """Raises TypeError or ValueError: names the option, its value, and what it may be."""
    name = handler.type
    _check_whole("max_attempts", name, handler.max_attempts, (1, limits.ATTEMPTS_MAX), "")
    _check_seconds("timeout_s", name, handler.timeout_s, limits.TIMEOUT_S_MAX)
    if handler.soft_timeout_s is not None:
        _check_seconds("soft_timeout_s", name, handler.soft_timeout_s, limits.TIMEOUT_S_MAX)
        if handler.soft_timeout_s >= handler.timeout_s:
            says = f"it is below timeout_s ({handler.timeout_s:g} seconds)"
            _refuse(ValueError, "soft_timeout_s", name, handler.soft_timeout_s, says)
    if not isinstance(handler.retry, RetryPolicy):
        _refuse(TypeError, "retry", name, handler.retry, "it is a RetryPolicy")
    _check_classes("retry_on", name, () if handler.retry_on is None else handler.retry_on)
    _check_classes("discard_on", name, handler.discard_on)
    twice = set(handler.retry_on or ()) & set(handler.discard_on)
    if twice:
        raise ValueError(f"retry_on and discard_on of {name} both name {twice.pop().__name__}; it is one or the other")
    if handler.memory_bytes_max is None:
        return
    bounds = (limits.MEMORY_BYTES_MIN, limits.MEMORY_BYTES_MAX)
    _check_whole("memory_bytes_max", name, handler.memory_bytes_max, bounds, " bytes")
    if handler.runs_in is not Isolation.PROCESS:
        raise ValueError(f"memory_bytes_max of {name} needs runs_in='process'; nothing else has memory of its own")


def _check_whole(option: str, type_name: str, value: object, bounds: tuple[int, int], unit: str) -> None:
    least, most = bounds
    says = f"it is a whole number from {least} to {most}{unit}"
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(TypeError, option, type_name, value, says)
    if not least <= value <= most:
        _refuse(ValueError, option, type_name, value, says)


def _check_classes(option: str, type_name: str, value: object) -> None:
    says = "it is a tuple of exception classes, as in (ConnectionError,)"
    if not isinstance(value, tuple):
        _refuse(TypeError, option, type_name, value, says)
    for kind in cast("tuple[object, ...]", value):
        if not _is_exception_class(kind):
            _refuse(TypeError, option, type_name, kind, says)
        if issubclass(kind, Retry | Snooze | Discard):
            _refuse(ValueError, option, type_name, kind, "what a handler says by it is no matter of the type")


def _is_exception_class(value: object) -> TypeGuard[type[BaseException]]:
    return isinstance(value, type) and issubclass(value, BaseException)


def _check_seconds(option: str, type_name: str, value: object, most: float) -> None:
    says = f"it is a number above 0 and at most {most:g} seconds"
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(TypeError, option, type_name, value, says)
    if not 0 < value <= most:  # also refuses NaN, which compares with nothing
        _refuse(ValueError, option, type_name, value, says)


def _refuse(error: type[Exception], option: str, type_name: str, value: object, says: str) -> NoReturn:
    raise error(f"{option} of {type_name} is {reprlib.repr(value)}; {says}")
