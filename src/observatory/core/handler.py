"""The definition of a job type: which function runs it, where, and within which bounds."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.job import JsonObject
from observatory.core.retry import ExceptionClasses, RetryPolicy


class Isolation(StrEnum):
    """Where a handler runs. Only a process can be killed."""

    ASYNC = "async"
    """
    A coroutine on the processor's loop: cancelled at its time-out.

    What the handler itself raises ends its attempt only. A SystemExit or KeyboardInterrupt of a task or a
    callback that it started on its own ends the whole process, as asyncio raises both out of the loop, and a
    handler that cancels tasks that are not its own, or blocks, reaches everything else on the loop.
    """
    THREAD = "thread"
    """A function in a thread: cannot be stopped; past its hard time-out it keeps its slot, visibly."""
    PROCESS = "process"
    """A function in a kept child process of its own slot: killed at its time-out or memory limit."""


class Handler(msgspec.Struct, frozen=True, kw_only=True):
    """One job type. Validated where it is declared (`sdk`)."""

    type: str
    function: Callable[..., Any]
    """Called as `function(context, **payload)`; a coroutine function when `runs_in` is async."""
    runs_in: Isolation
    max_attempts: int = limits.ATTEMPTS_DEFAULT
    timeout_s: float = limits.TIMEOUT_S_DEFAULT
    """Hard time-out of an attempt of a job that names none."""
    soft_timeout_s: float | None = None
    """From here on `context.should_stop` is true; None means never by time alone."""
    memory_bytes_max: int | None = None
    """Address space of the child process; only with `runs_in` process. None means no limit."""
    retry: RetryPolicy = RetryPolicy()
    retry_on: ExceptionClasses | None = None
    """Only what is one of these is tried again; None is every exception."""
    discard_on: ExceptionClasses = ()
    """What is one of these is never tried again. See `core.retry.is_tried_again`."""
    payload_schema: JsonObject | None = None
    """JSON Schema of the payload, from the function's typed keyword parameters; None accepts any object."""
    check_payload: Callable[[JsonObject], JsonObject] | None = None
    """Gives the keyword arguments for *payload*, converted to the declared types; raises `InvalidJob`."""


class TypeInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What the rest of the system knows about a type, as its processors announce it."""

    type: str
    runs_in: Isolation
    max_attempts: int
    timeout_seconds: float
    retry: RetryPolicy = RetryPolicy()
    """Its backoff, for whoever ends an attempt on behalf of its processor."""
    payload_schema: JsonObject | None = None


def type_info_of(handler: Handler) -> TypeInfo:
    """What *handler* announces about itself."""
    return TypeInfo(
        type=handler.type,
        runs_in=handler.runs_in,
        max_attempts=handler.max_attempts,
        timeout_seconds=handler.timeout_s,
        retry=handler.retry,
        payload_schema=handler.payload_schema,
    )
