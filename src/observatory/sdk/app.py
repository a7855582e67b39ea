"""The application: the job types that a team defines."""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from observatory.core import limits
from observatory.core.handler import Handler, Isolation
from observatory.core.retry import RetryPolicy
from observatory.sdk.payload import payload_of

Function = TypeVar("Function", bound=Callable[..., Any])
RunsIn = Literal["async", "thread", "process"]

_TYPE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Observatory:
    """
    A set of job types.

        app = Observatory()

        @app.job("thumbnail", runs_in="process", timeout_s=30)
        def thumbnail(ctx: JobContext, *, path: str, width: int = 256) -> dict: ...
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """By type, in the order of their definition; follows later definitions."""
        return MappingProxyType(self._handlers)

    def job(
        self,
        type: str,
        *,
        runs_in: RunsIn | Isolation | None = None,
        max_attempts: int = limits.ATTEMPTS_DEFAULT,
        timeout_s: float = limits.TIMEOUT_S_DEFAULT,
        soft_timeout_s: float | None = None,
        memory_bytes_max: int | None = None,
        retry: RetryPolicy | None = None,
    ) -> Callable[[Function], Function]:
        """
        Define a job type; the function stays as it is.

        The function takes the context first. Its other parameters, by their annotations, say what a
        payload may be.

        Args:
            type: Letters, digits, `.`, `_`, `-`; at most 50 characters, the first a letter or digit.
            runs_in: None is `async` for a coroutine function and `thread` for any other.
            timeout_s: Hard time-out of an attempt. A thread goes on after it and keeps its slot.
            soft_timeout_s: From here on `ctx.should_stop` is true.
            memory_bytes_max: How far the address space of the child process may grow during an
                attempt. Only with `runs_in="process"`; enforced by Linux.

        Raises:
            ValueError: The type is already there, a value is out of bounds, or the function cannot
                be a handler.
        """

        def define(function: Function) -> Function:
            isolation = _isolation(type, function, runs_in)
            payload = payload_of(function, type)
            handler = Handler(
                type=type,
                function=function,
                runs_in=isolation,
                max_attempts=max_attempts,
                timeout_s=timeout_s,
                soft_timeout_s=soft_timeout_s,
                memory_bytes_max=memory_bytes_max,
                retry=retry or RetryPolicy(),
                payload_schema=payload.schema,
                check_payload=payload.check,
            )
            _check_bounds(handler)
            self._add(handler)
            return function

        _check_type_name(type)
        return define

    def include(self, other: "Observatory") -> None:
        """
        Take over all job types of *other*, as they are now.

        Raises:
            ValueError: A type is defined here too; nothing was taken over.
        """
        for type_name in other.handlers:
            self._check_new(type_name)
        self._handlers.update(other.handlers)

    def _add(self, handler: Handler) -> None:
        self._check_new(handler.type)
        self._handlers[handler.type] = handler

    def _check_new(self, type_name: str) -> None:
        if type_name in self._handlers:
            raise ValueError(f"the job type {type_name} is already defined")


def _check_type_name(type_name: str) -> None:
    if not _TYPE_NAME.fullmatch(type_name) or len(type_name) > limits.JOB_TYPE_CHARS_MAX:
        raise ValueError(
            f"{type_name!r} is no job type: use letters, digits, '.', '_' and '-', begin with a letter or digit, "
            f"and use at most {limits.JOB_TYPE_CHARS_MAX} characters"
        )


def _isolation(type_name: str, function: Callable[..., Any], runs_in: str | None) -> Isolation:
    target = inspect.unwrap(function)
    is_coroutine_function = inspect.iscoroutinefunction(target)
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise ValueError(f"the handler of {type_name} is a generator; a handler returns its result")
    if runs_in is None:
        return Isolation.ASYNC if is_coroutine_function else Isolation.THREAD
    if runs_in not in list(Isolation):
        raise ValueError(f"runs_in of {type_name} is {runs_in!r}; it is one of {', '.join(Isolation)}")
    if (runs_in == Isolation.ASYNC) != is_coroutine_function:
        kind = "is" if is_coroutine_function else "is not"
        raise ValueError(f"runs_in of {type_name} is {runs_in!r}, but its handler {kind} a coroutine function")
    return Isolation(runs_in)


def _check_bounds(handler: Handler) -> None:
    name = handler.type
    if not 1 <= handler.max_attempts <= limits.ATTEMPTS_MAX:
        raise ValueError(f"max_attempts of {name} is {handler.max_attempts}; it is from 1 to {limits.ATTEMPTS_MAX}")
    if not (math.isfinite(handler.timeout_s) and 0 < handler.timeout_s <= limits.TIMEOUT_S_MAX):
        raise ValueError(
            f"timeout_s of {name} is {handler.timeout_s}; it is above 0 and at most {limits.TIMEOUT_S_MAX:g} seconds"
        )
    if handler.soft_timeout_s is not None and not 0 < handler.soft_timeout_s < handler.timeout_s:
        raise ValueError(
            f"soft_timeout_s of {name} is {handler.soft_timeout_s}; it is above 0 and below timeout_s "
            f"({handler.timeout_s:g} seconds)"
        )
    if handler.memory_bytes_max is None:
        return
    if handler.runs_in is not Isolation.PROCESS:
        raise ValueError(f"memory_bytes_max of {name} needs runs_in='process'; nothing else has memory of its own")
    if handler.memory_bytes_max < limits.MEMORY_BYTES_MIN:
        raise ValueError(
            f"memory_bytes_max of {name} is {handler.memory_bytes_max}; it is at least {limits.MEMORY_BYTES_MIN} bytes"
        )
