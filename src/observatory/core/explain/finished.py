"""Why a final job is what it is."""

from typing import Final

from observatory.core.explain.delayed import is_abandonment
from observatory.core.explain.explanation import Change, Evidence, Finding
from observatory.core.explain.situation import Situation
from observatory.core.explain.words import counted, duration, kept, quoted
from observatory.core.job import Job, JobStatus

INVALID_PAYLOAD: Final = "InvalidPayload"
"""`JobError.type` of a payload that does not fit the type."""

_AGAIN: Final = "odd-dashboard retry"


def completed(seen: Situation) -> Finding:
    """It succeeded."""
    job = seen.job
    took = _took(job)
    despite = " A cancel was requested, but it had succeeded before." if job.cancel_requested_at else ""
    return Finding(
        summary=f"It succeeded{_at_attempt(job)}{took}.{despite}", evidence=_evidence(seen), change=_final(seen)
    )


def payload_refused(seen: Situation) -> Finding | None:
    """Its payload does not fit the type, so that it never ran."""
    reason, error = _reason(seen), seen.job.error
    if reason != "invalid":
        return None
    pointer = _pointer(seen.job)
    where = f" at {quoted(pointer)}" if pointer else ""
    why = f": {quoted(error.message)}" if error is not None else ""
    return Finding(
        summary=f"Its payload does not fit the type {seen.job.type}{where}, so it was refused without running{why}.",
        evidence=_evidence(seen),
        change=Change(text="nothing: FAILED is final, and a retry would be refused again; submit a corrected payload"),
    )


def discarded(seen: Situation) -> Finding | None:
    """Its handler, or what its type says of the exception, decided that it can never succeed."""
    if _reason(seen) != "discarded":
        return None
    return Finding(
        summary=f"Attempt {seen.job.attempt} of {seen.job.max_attempts} ended with an error that is not to be tried "
        f"again{_error(seen.job)}.",
        evidence=_evidence(seen),
        change=_final(seen),
    )


def attempts_used_up(seen: Situation) -> Finding:
    """Its last attempt failed and none is left."""
    job = seen.job
    thread = ""
    if job.error is not None and is_abandonment(job.error):
        thread = " Its thread cannot be stopped and was left behind; it may still hold its slot."
    return Finding(
        summary=f"{counted(job.attempt, 'attempt')} of {job.max_attempts} failed, and none is left"
        f"{_error(job)}.{thread}",
        evidence=_evidence(seen),
        change=_final(seen),
    )


def cancelled(seen: Situation) -> Finding:
    """Somebody cancelled it."""
    asked_at, finished_at = seen.job.cancel_requested_at, seen.job.finished_at
    if asked_at is None:
        summary = "Somebody cancelled it while it waited."
    else:
        took = "" if finished_at is None else f" {duration(max((finished_at - asked_at).total_seconds(), 0.0))} later"
        summary = f"Somebody asked its attempt to stop; it ended{took} without success."
    return Finding(summary=summary, evidence=_evidence(seen), change=_final(seen))


def _reason(seen: Situation) -> str:
    """As its last event says; while that is not to be had, as the job itself shows."""
    if seen.last_event is not None and seen.last_event.reason is not None:
        return seen.last_event.reason
    job = seen.job
    if job.error is not None and job.error.type == INVALID_PAYLOAD and job.error.qualified_type is None:
        return "invalid"
    return "discarded" if job.attempt < job.max_attempts else "attempts_used_up"


def _pointer(job: Job) -> str | None:
    """A refusal's message begins with the pointer to the field, if it concerns one."""
    message = job.error.message if job.error is not None else ""
    head, colon, _ = message.partition(": ")
    return head if colon and head.startswith("/") else None


def _final(seen: Situation) -> Change:
    status = seen.job.status
    if seen.retried_by is not None:
        return Change(text=f"nothing: {status} is final; the job {seen.retried_by} repeats it")
    command = f"{_AGAIN} {seen.job.id}"
    return Change(text=f"nothing: {status} is final; a new job can repeat it: {command}", command=command)


def _at_attempt(job: Job) -> str:
    return f" at attempt {job.attempt} of {job.max_attempts}"


def _took(job: Job) -> str:
    if job.started_at is None or job.finished_at is None:
        return ""
    return f" after {duration(max((job.finished_at - job.started_at).total_seconds(), 0.0))}"


def _error(job: Job) -> str:
    return "" if job.error is None else f": {quoted(job.error.type)}: {quoted(job.error.message)}"


def _evidence(seen: Situation) -> Evidence:
    job, error = seen.job, seen.job.error
    is_refused = job.status is JobStatus.FAILED and _reason(seen) == "invalid"
    return Evidence(
        type=job.type,
        queue=job.queue,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        error_type=None if error is None else kept(error.type),
        error_message=None if error is None else kept(error.message),
        pointer=kept(_pointer(job)) if is_refused else None,
        started_at=job.started_at,
        finished_at=job.finished_at,
        cancel_requested_at=job.cancel_requested_at,
        retried_by=seen.retried_by,
        history_is_behind=job.status is JobStatus.FAILED and seen.last_event is None,
    )
