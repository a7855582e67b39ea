"""Errors of the SDK, which complete the trees in `core.errors` and `client.errors`.

Refused
├── UnknownType      the application has no such job type; nothing was sent
└── WrongPlace       a blocking call where it would hold up what it waits for; nothing was sent
ObservatoryError
├── JobFailed        the job is FAILED: its error, with the traceback as text
├── JobCancelled     the job is CANCELLED
└── ResultTimeout    the job was not final in time, and goes on (also a `WaitedTooLong` and a `TimeoutError`)
"""

from typing import Any

import msgspec

from observatory.client.errors import WaitedTooLong
from observatory.core.errors import ObservatoryError, Refused
from observatory.core.job import JobError, JobStatus, JsonObject


class UnknownType(Refused):
    """The application has no such job type; nothing was sent."""

    code = "unknown_type"


class WrongPlace(Refused):
    """A call that blocks, inside a coroutine handler: it would hold up the loop that has to answer it."""

    code = "would_block_the_loop"


class _JobEnded(ObservatoryError):
    """The job is final and has no result. Can be pickled, as an exception that crosses processes must be."""

    def __init__(self, detail: str, *, job: JsonObject) -> None:
        super().__init__(detail)
        self.job = job

    @property
    def job_id(self) -> str:
        return str(self.job.get("id"))

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), str(self), self.job)


class JobFailed(_JobEnded):
    """
    The job is FAILED: its attempts are used up, or it was refused for good.

    The traceback of its last attempt stands in the notes of this exception, so that a traceback shows both.

    Args:
        job: The job as it is.
    """

    code = "job_failed"

    def __init__(self, detail: str, *, job: JsonObject) -> None:
        super().__init__(detail, job=job)
        self.error = _error_of(job)
        """What the last attempt said: `type`, `message`, `traceback`."""
        if self.error.traceback:
            self.add_note(f"\nof the job's last attempt:\n\n{self.error.traceback}")

    @property
    def attempt(self) -> int:
        """Number of the last attempt; 0 when the job was refused before the first."""
        attempt = self.job.get("attempt")
        return attempt if isinstance(attempt, int) else 0


class JobCancelled(_JobEnded):
    """The job is CANCELLED."""

    code = "job_cancelled"


class ResultTimeout(WaitedTooLong, TimeoutError):
    """
    The time was up before the job, or one of the jobs, was final. It goes on.

    Args:
        job: The job as it was last seen.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), str(self), self.job)


def result_of(job: JsonObject) -> Any:
    """
    The result of a final *job*.

    Raises:
        JobFailed, JobCancelled: It has none.
    """
    named = f"job {job.get('id')} ({job.get('type')})"
    if job.get("status") == JobStatus.COMPLETED:
        return job.get("result")
    if job.get("status") == JobStatus.CANCELLED:
        raise JobCancelled(f"{named} was cancelled", job=job)
    error = _error_of(job)
    tries = f"on attempt {job['attempt']} of {job.get('maxAttempts')}" if job.get("attempt") else "before an attempt"
    raise JobFailed(f"{named} failed {tries}: {error.type}: {error.message}", job=job)


def timeout_of(error: WaitedTooLong) -> ResultTimeout:
    return ResultTimeout(f"{error}; it goes on", job=error.job)


def _error_of(job: JsonObject) -> JobError:
    try:
        return msgspec.convert(job.get("error"), JobError)
    except msgspec.ValidationError:
        return JobError(type="Unknown", message="the job carries no error that this release understands")


def _remade(kind: type[Any], detail: str, job: JsonObject) -> ObservatoryError:
    return kind(detail, job=job)
