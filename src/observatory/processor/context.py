"""What a handler is given: who it is, how long it has, and whether it should stop."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

import msgspec

from observatory.core.job import Job, JsonObject, Progress
from observatory.core.sources import Clock
from observatory.processor.progress import progress_of

_logger = logging.getLogger("observatory.job")


class StopReason(IntEnum):
    """Why a running attempt should end. A higher one replaces a lower one."""

    SOFT_TIMEOUT = 1
    """Its soft time-out passed; nothing but the handler itself acts on it."""
    CANCEL = 2
    """Somebody requested the job's cancellation."""
    DRAIN = 3
    """Its processor ends."""
    TIMEOUT = 4
    """Its hard time-out passed."""
    LEASE_LOST = 5
    """The job belongs to somebody else by now; whatever comes of this attempt is dropped."""


class StopFlag:
    """Holds the highest reason asked for. Written by one thread, read by any."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None

    def ask(self, reason: StopReason) -> bool:
        """Note *reason*; False if one as high was already there."""
        if self.reason is not None and self.reason >= reason:
            return False
        self.reason = reason
        return True


class Stopped(BaseException):
    """
    Raised by `JobContext.stop_if_asked`: the handler ends here, unfinished, because it was asked to.

    A BaseException, so that a handler's `except Exception` does not take it for a failure.
    """


class AttemptFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about one attempt that its handler may know."""

    job_id: str
    type: str
    attempt: int
    max_attempts: int
    fence: int
    correlation_id: str
    timeout_s: float
    """Hard time-out of this attempt."""


def facts_of(job: Job) -> AttemptFacts:
    """The running attempt of *job*."""
    return AttemptFacts(
        job_id=job.id,
        type=job.type,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        fence=job.fence,
        correlation_id=job.correlation_id,
        timeout_s=job.timeout_seconds,
    )


class JobContext:
    """
    The first argument of every handler. May be read from any thread that the handler starts.

    Attempts are at-least-once: a crash between a side effect and the record of its attempt repeats
    the side effect. Two values make it safe: `idempotency_key`, to let the other side notice the
    repetition, and `fence`, to let it refuse an attempt that was overtaken.
    """

    def __init__(
        self,
        attempt: AttemptFacts,
        *,
        clock: Clock,
        stop: StopFlag,
        report: Callable[[Progress], object] | None = None,
        wait_for_stop: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._attempt = attempt
        self._clock = clock
        self._stop = stop
        self._report = report
        self._wait_for_stop = wait_for_stop
        self._ends_at_s = clock.monotonic() + attempt.timeout_s
        self._deadline: datetime | None = None

    @property
    def job_id(self) -> str:
        return self._attempt.job_id

    @property
    def type(self) -> str:
        return self._attempt.type

    @property
    def attempt(self) -> int:
        """1 for the first. Attempts that were released or snoozed are not counted."""
        return self._attempt.attempt

    @property
    def max_attempts(self) -> int:
        return self._attempt.max_attempts

    @property
    def fence(self) -> int:
        """Higher than that of every earlier attempt of this job: let the other side refuse a lower one."""
        return self._attempt.fence

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts of this job and for no other job: send it along with side effects."""
        return self._attempt.job_id

    @property
    def correlation_id(self) -> str:
        return self._attempt.correlation_id

    @property
    def seconds_left(self) -> float:
        """Until the hard time-out, by the monotonic clock; never below 0."""
        return max(0.0, self._ends_at_s - self._clock.monotonic())

    @property
    def deadline(self) -> datetime:
        """When the hard time-out comes, in UTC, by the wall clock when it was first asked for: to hand on to others."""
        if self._deadline is None:
            self._deadline = self._clock.now() + timedelta(seconds=self._ends_at_s - self._clock.monotonic())
        return self._deadline

    @property
    def should_stop(self) -> bool:
        """
        True once a cancel was requested, the processor drains, or the soft or hard time-out passed.

        A handler that looks at it can end in good order. A value that it returns nevertheless is
        its result, and the job is completed; `stop_if_asked` is how to end unfinished.
        """
        return self._stop.reason is not None

    @property
    def stop_reason(self) -> StopReason | None:
        """Why it should stop; None while it need not. A later reason replaces it only if it weighs more."""
        return self._stop.reason

    async def stopping(self) -> StopReason:
        """
        Return when the attempt should stop, with the reason. Only in a handler that runs in `async`.

        While a handler waits here, it is not cancelled at once when a cancel is requested, but only
        `limits.STOP_GRACE_S` later, so that it can end in good order.

        Raises:
            RuntimeError: The handler runs in a thread or process; it looks at `should_stop`.
        """
        if self._wait_for_stop is None:
            raise RuntimeError("only a handler that runs in async can await stopping(); others look at should_stop")
        await self._wait_for_stop()
        assert self._stop.reason is not None, "the wait ends with a reason"
        return self._stop.reason

    def progress(
        self,
        fraction: float | None = None,
        *,
        done: float | None = None,
        total: float | None = None,
        message: str | None = None,
        data: JsonObject | None = None,
    ) -> None:
        """
        Say how far the attempt is: `progress(0.5)`, `progress(done=5, total=10)`, `progress(message="reading")`.

        Returns at once and may be called as often as one likes, from any thread: the newest call replaces
        the ones before, and at most one in `limits.PROGRESS_EVERY_S` becomes an event of the job, the last
        one in any case. What it replaces is all of what was said before. A new attempt begins without progress.

        Args:
            fraction: From 0 to 1.
            done, total: In whatever the handler counts; more than the total counts as all of it.
            message: At most `limits.PROGRESS_MESSAGE_BYTES_MAX`.
            data: The handler's own JSON object, at most `limits.PROGRESS_DATA_BYTES_MAX`.

        Raises:
            TypeError, ValueError: A value is not what it may be; nothing was said.
        """
        progress = progress_of(fraction, done, total, message, data)
        if self._report is not None:
            self._report(progress)

    def stop_if_asked(self) -> None:
        """
        End the attempt here if `should_stop`.

        The attempt is then recorded by what was asked for: cancelled, released (costs no attempt),
        or timed out.

        Raises:
            Stopped: Let it pass.
        """
        if self._stop.reason is not None:
            raise Stopped

    @property
    def log(self) -> "JobLog":
        """A standard logger whose records carry the job's id, type and attempt; the same in every isolation."""
        return JobLog(self._attempt)


class JobLog(logging.LoggerAdapter[logging.Logger]):
    """Adds the attempt to every record, beside what the caller gives as `extra`."""

    def __init__(self, attempt: AttemptFacts) -> None:
        super().__init__(
            _logger,
            {
                "job_id": attempt.job_id,
                "job_type": attempt.type,
                "attempt": attempt.attempt,
                "correlation_id": attempt.correlation_id,
            },
        )

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs
