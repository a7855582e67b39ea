"""The application: the job types that a team defines."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from observatory.core import limits
from observatory.core.handler import Handler, Isolation
from observatory.core.retry import ExceptionClasses, RetryPolicy
from observatory.sdk.options import check_options, check_type_name, isolation_of
from observatory.sdk.payload import payload_of

Function = TypeVar("Function", bound=Callable[..., Any])
RunsIn = Literal["async", "thread", "process"]


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
        retry_on: ExceptionClasses | None = None,
        discard_on: ExceptionClasses = (),
    ) -> Callable[[Function], Function]:
        """
        Define a job type; the function stays as it is.

        The function takes the context first. Its other parameters, by their annotations, say what a
        payload may be; together they take at most `limits.TYPE_SCHEMA_BYTES_MAX` as a JSON Schema. A default
        is a value that a payload could give.

        Args:
            type: Letters, digits, `.`, `_`, `-`; at most 50 characters, the first a letter or digit.
            runs_in: None is `async` for a coroutine function and `thread` for any other.
            timeout_s: Hard time-out of an attempt. A thread goes on after it and keeps its slot.
            soft_timeout_s: From here on `ctx.should_stop` is true.
            memory_bytes_max: How far the address space of the child process may grow during an
                attempt. Only with `runs_in="process"`; enforced by Linux.
            retry: The wait between two attempts.
            retry_on: Only attempts that raise one of these are followed by another one; None is any exception.
            discard_on: An attempt that raises one of these ends its job. The nearest class decides between the
                two; what the handler says by `Retry`, `Snooze` or `Discard` goes before both, and neither
                concerns what no exception ended: time-outs, crashes, lost leases, unusable results.

        Raises:
            TypeError: An option is no value of its kind, or the handler is no function.
            ValueError: The type is already there, a value is out of bounds, or the function cannot
                be a handler.
        """

        def define(function: Function) -> Function:
            isolation = isolation_of(type, function, runs_in)
            payload = payload_of(function, type)
            handler = Handler(
                type=type,
                function=function,
                runs_in=isolation,
                max_attempts=max_attempts,
                timeout_s=timeout_s,
                soft_timeout_s=soft_timeout_s,
                memory_bytes_max=memory_bytes_max,
                retry=RetryPolicy() if retry is None else retry,
                retry_on=retry_on,
                discard_on=discard_on,
                payload_schema=payload.schema,
                check_payload=payload.check,
            )
            check_options(handler)
            self._add(handler)
            return function

        check_type_name(type)
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
