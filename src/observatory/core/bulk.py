"""Rules of actions on many jobs, and of their repetition."""

from typing import Final

from observatory.core.job import Job, JobStatus

CANCELLABLE: Final = tuple(status for status in JobStatus if not status.is_final)
"""What a bulk cancel concerns when it names no status."""

RETRIED: Final = (JobStatus.FAILED,)
"""What a bulk retry concerns when it names no status: COMPLETED and CANCELLED are what somebody wanted."""


_OURS: Final = "retry/"


def is_reserved(key: str) -> bool:
    """True for a key that only repetitions may have: in a caller's hand it would keep a job from being repeated."""
    return key.startswith(_OURS)


def retry_key(job_id: str, operation_id: str | None = None) -> str:
    """
    The idempotency key of the job that repeats *job_id*, so that it is repeated once, whoever asks how often.

    Args:
        operation_id: None stands for "if it was not repeated before"; an id for one deliberate operation, which
            repeats each job once more.
    """
    return f"{_OURS}{job_id}" if operation_id is None else f"{_OURS}{job_id}/{operation_id}"


def is_copy_of(job: Job, operation_id: str | None) -> bool:
    """True for what the operation *operation_id* itself made; False without one."""
    if operation_id is None or job.retry_of is None:
        return False
    return job.idempotency_key == retry_key(job.retry_of, operation_id)
