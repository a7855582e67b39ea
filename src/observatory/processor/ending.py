"""How one attempt ended, in words that are true, and the command that records it. Pure."""

import math
from enum import StrEnum
from typing import Any

import msgspec

from observatory.core import limits, strict_json
from observatory.core.command import Fail, Refuse, Release, Settle, Snooze, Succeed
from observatory.core.errors import BadJson, InvalidJob
from observatory.core.handler import Handler
from observatory.core.job import Job, JobError, Outcome
from observatory.core.retry import Discard, Retry, is_tried_again
from observatory.core.retry import Snooze as SnoozeAsked
from observatory.processor.context import Stopped, StopReason
from observatory.processor.error_details import with_details
from observatory.processor.error_text import kind_of, message_of, plain, traceback_of
from observatory.processor.result_faults import largest_part, place_of_fault


class RetryWish(StrEnum):
    """What shall follow an attempt that did not succeed, as long as attempts are left."""

    BY_POLICY = "by_policy"
    """Another attempt after the backoff of the type."""
    AFTER = "after"
    """Another attempt after `wait_s`."""
    NEVER = "never"


class Ended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one attempt."""

    outcome: Outcome
    result: Any = None
    """Plain JSON values that every store can hold, at most `limits.RESULT_BYTES_MAX`."""
    error: JobError | None = None
    """None only if it succeeded, was snoozed or was released."""
    retry: RetryWish = RetryWish.BY_POLICY
    wait_s: float = 0.0
    """Seconds until the next attempt, for `RetryWish.AFTER` and for `Outcome.SNOOZED`."""
    is_refused: bool = False
    """True if the payload does not fit the type, so that the handler did not run."""
    run_s: float = 0.0
    """Seconds the handler ran, by the processor's monotonic clock."""


def settle_command(ended: Ended, job: Job, handler: Handler, chance: float) -> Settle:
    """
    The command that records *ended* for the attempt of *job* that just ran.

    Args:
        ended: Anything but `Outcome.LEASE_LOST`: that attempt is no longer ours to record.
        chance: Uniform in [0, 1): the share of the backoff that is waited.
    """
    assert ended.outcome is not Outcome.LEASE_LOST, "the result of a lost lease is dropped"
    if ended.outcome is Outcome.SUCCEEDED:
        return Succeed(fence=job.fence, result=ended.result, run_s=ended.run_s)
    if ended.outcome is Outcome.SNOOZED:
        return Snooze(fence=job.fence, run_in_s=ended.wait_s, run_s=ended.run_s)
    if ended.outcome is Outcome.RELEASED:
        return Release(fence=job.fence, run_s=ended.run_s)
    assert ended.error is not None, "an attempt that did not succeed says why"
    if ended.is_refused:
        return Refuse(fence=job.fence, error=ended.error)
    retry_in_s = _retry_in_s(ended, job, handler, chance)
    return Fail(
        fence=job.fence, outcome=ended.outcome, error=ended.error, retry_in_s=retry_in_s, run_s=ended.run_s
    )  # fmt: skip


def _retry_in_s(ended: Ended, job: Job, handler: Handler, chance: float) -> float | None:
    if ended.retry is RetryWish.NEVER:
        return None
    if ended.retry is RetryWish.AFTER:
        return ended.wait_s
    return handler.retry.delay_s(job.attempt, chance)


# --- the handler returned -------------------------------------------------------------------------


def returned(value: Any) -> Ended:
    """
    The handler returned *value*: a success if it is JSON that every store can hold, within the limit.

    A key that is a number, or another value that JSON writes as text, becomes that text, unless two keys
    of one object become the same: nothing is lost in silence. Keys that are True, False, None or a tuple
    are refused. Never raises.
    """
    if value is None:
        return Ended(outcome=Outcome.SUCCEEDED)
    try:
        result = msgspec.to_builtins(value, str_keys=True)
        text = strict_json.canonical(result)
        if len(text) > limits.RESULT_BYTES_MAX:
            return _too_large(result, len(text))
        # As written from the value itself: in the result, two keys that are the same text are one already.
        strict_json.decode(msgspec.json.encode(value))
    except BadJson as error:
        place = f" at {error.pointer}" if error.pointer else ""
        return _unusable("ResultNotJson", f"the result cannot be kept{place}: {error.detail}")
    except BaseException as error:  # noqa: BLE001 — whatever a handler returned must not end its processor
        return _unusable("ResultNotJson", f"the result has no JSON form{_where(value)}: {message_of(error)}")
    return Ended(outcome=Outcome.SUCCEEDED, result=result)


_MOST = limits.RESULT_BYTES_MAX


def _too_large(result: Any, size: int) -> Ended:
    pointer, bytes_there = largest_part(result)
    where = f"; {bytes_there} of them are at {pointer}" if pointer else ""
    return _unusable("ResultTooLarge", f"the result has {size} bytes of JSON; at most {_MOST} are kept{where}")


def _where(value: Any) -> str:
    try:
        pointer = place_of_fault(value)
    except BaseException:  # noqa: BLE001 — a part of the value may be anything
        return ""
    return f" at {pointer}" if pointer else ""


def _unusable(kind: str, message: str) -> Ended:
    return Ended(outcome=Outcome.FAILED, error=error_of(kind, message))


# --- the handler raised ---------------------------------------------------------------------------


def raised(
    error: BaseException, *, asked: StopReason | None, timeout_s: float, handler: Handler | None = None
) -> Ended:
    """
    The handler raised *error*, which may be anything, SystemExit included. Never raises itself.

    Args:
        asked: Why the attempt was to stop, if it was.
        timeout_s: Hard time-out of the attempt.
        handler: What says which exceptions are tried again; None tries all of them.
    """
    try:
        return _raised(error, asked, timeout_s, handler)
    except BaseException:  # noqa: BLE001 — every part of *error* is code of the handler's author
        return UNSHOWABLE


UNSHOWABLE = Ended(
    outcome=Outcome.FAILED,
    error=JobError(type="UnshowableError", message="the handler raised an exception that cannot be shown"),
)
"""What is recorded of an exception that prevents everything else."""


def is_wish(error: BaseException) -> bool:
    """Whether the handler says by *error* what shall follow."""
    return issubclass(type(error), SnoozeAsked | Retry | Discard)


def _raised(error: BaseException, asked: StopReason | None, timeout_s: float, handler: Handler | None) -> Ended:
    # By the class alone: isinstance asks the exception itself.
    kind = type(error)
    if issubclass(kind, Stopped) and asked is not None:
        return stopped(asked, "it ended where it was asked to", timeout_s=timeout_s)
    failure = error_from(error)
    if issubclass(kind, Discard):
        return Ended(outcome=Outcome.FAILED, error=failure, retry=RetryWish.NEVER)
    if not issubclass(kind, SnoozeAsked | Retry):
        is_retried = handler is None or is_tried_again(kind, handler.retry_on, handler.discard_on)
        wish = RetryWish.BY_POLICY if is_retried else RetryWish.NEVER
        return Ended(outcome=Outcome.FAILED, error=failure, retry=wish)
    wait_s = _wait_s(error)
    if wait_s is None and issubclass(kind, Retry):
        return Ended(outcome=Outcome.FAILED, error=failure)
    least_s = 0.0 if issubclass(kind, Retry) else limits.SNOOZE_S_MIN
    if wait_s is None or not least_s <= wait_s <= limits.SNOOZE_S_MAX:
        message = f"{failure.message}; but in_s is {wait_s}, not from {least_s:g} to {limits.SNOOZE_S_MAX:.0f} seconds"
        said = error_of(failure.type, message).message
        return Ended(outcome=Outcome.FAILED, error=msgspec.structs.replace(failure, message=said))
    if issubclass(kind, SnoozeAsked):
        return Ended(outcome=Outcome.SNOOZED, wait_s=wait_s)
    return Ended(outcome=Outcome.FAILED, error=failure, retry=RetryWish.AFTER, wait_s=wait_s)


def _wait_s(error: BaseException) -> float | None:
    """Seconds that a wish asks for; NaN when it has no such number, as after an `__init__` that sets none."""
    in_s: Any = getattr(error, "in_s", math.nan)
    return float(in_s) if isinstance(in_s, int | float) else None if in_s is None else math.nan


def refused(fault: InvalidJob) -> Ended:
    """The payload does not fit the type."""
    place = f"{fault.pointer}: " if fault.pointer else ""
    error = error_of("InvalidPayload", f"{place}{fault.detail}")
    return Ended(outcome=Outcome.FAILED, error=error, is_refused=True, retry=RetryWish.NEVER)


# --- the attempt was ended ------------------------------------------------------------------------

_BY_REASON = {
    StopReason.SOFT_TIMEOUT: (Outcome.TIMED_OUT, "TimedOut", "its soft time-out passed"),
    StopReason.CANCEL: (Outcome.CANCELLED, "Cancelled", "a cancel was requested"),
    StopReason.DRAIN: (Outcome.RELEASED, "Released", "its processor ends"),
    StopReason.TIMEOUT: (Outcome.TIMED_OUT, "TimedOut", "it went past its time-out of {timeout_s:g} s"),
    StopReason.LEASE_LOST: (Outcome.LEASE_LOST, "LeaseLost", "its lease was lost"),
}


def stopped(reason: StopReason, how: str, *, timeout_s: float) -> Ended:
    """The attempt ended before its handler did what it is for, because of *reason*, and that is *how*."""
    outcome, kind, why = _BY_REASON[reason]
    return Ended(outcome=outcome, error=error_of(kind, f"{why.format(timeout_s=timeout_s)}; {how}"))


def abandoned(reason: StopReason, how: str, *, timeout_s: float) -> Ended:
    """The attempt is over but its handler still runs. An attempt that is given back or dropped stays that."""
    ended = stopped(reason, f"{how}; it still runs and keeps its slot", timeout_s=timeout_s)
    if ended.outcome in {Outcome.RELEASED, Outcome.LEASE_LOST} or ended.error is None:
        return ended
    return Ended(outcome=Outcome.ABANDONED, error=error_of("Abandoned", ended.error.message))


def crashed(message: str, *, kind: str = "Crashed", error: BaseException | None = None) -> Ended:
    """The process that ran the attempt ended, or must end."""
    failure = error_of(kind, message, None if error is None else traceback_of(error))
    return Ended(outcome=Outcome.CRASHED, error=failure if error is None else with_details(failure, error))


MEMORY_LIMIT = "MemoryLimit"
"""`JobError.type` of an attempt that went past its `memory_bytes_max`."""


# --- errors ---------------------------------------------------------------------------------------


def error_of(kind: str, message: str, trace: str | None = None) -> JobError:
    """An error within its limits, in text that every store can hold."""
    return JobError(
        type=plain(kind, limits.TRACEBACK_LINE_BYTES_MAX),
        message=plain(message, limits.ERROR_MESSAGE_BYTES_MAX),
        traceback=trace,
    )


def error_from(error: BaseException) -> JobError:
    """What *error*, which may be anything, says of itself. Never raises."""
    plainly = JobError(type=kind_of(error), message=message_of(error), traceback=traceback_of(error))
    return with_details(plainly, error)
