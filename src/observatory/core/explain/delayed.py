"""Why a SCHEDULED or RETRYING job waits: for its time, or for the loop that makes due jobs PENDING."""

from typing import Final

from observatory.core import limits
from observatory.core.explain.explanation import Change, Evidence, Finding
from observatory.core.explain.parts import again, how
from observatory.core.explain.situation import Situation
from observatory.core.explain.words import duration, instant, kept, quoted
from observatory.core.job import JobError

DUE_LOOP: Final = "due_jobs"
ABANDONED: Final = "Abandoned"
"""`JobError.type` of an attempt whose thread was left behind; an exception of that name has a qualified type."""


def due_loop_down(seen: Situation) -> Finding | None:
    """Due, and the loop that moves due jobs does not work, here or in the process that runs it."""
    part = seen.down_part(DUE_LOOP)
    if part is None or not _is_due(seen):
        return None
    return Finding(
        summary=f"It was due {duration(seen.age_s(seen.job.run_at))} ago and is not PENDING yet: the loop that moves "
        f"due jobs does not work ({how(part)}).",
        evidence=_evidence(seen),
        change=again(part, "the loop of due jobs"),
    )


def due_loop_behind(seen: Situation) -> Finding | None:
    """Due for longer than any sweep takes."""
    overdue_s = seen.age_s(seen.job.run_at)
    if not _is_due(seen) or overdue_s <= limits.EXPLAIN_DUE_LATE_S:
        return None
    return Finding(
        summary=f"It was due {duration(overdue_s)} ago and is not PENDING yet: the loop that moves due jobs is "
        "behind, or does not run.",
        evidence=_evidence(seen),
        change=Change(text="when a maintenance process moves due jobs again"),
    )


def due_now(seen: Situation) -> Finding | None:
    """Due since a moment ago."""
    if not _is_due(seen):
        return None
    return Finding(
        summary=f"It has just become due and is PENDING within {limits.DUE_SWEEP_S:g} s.",
        evidence=_evidence(seen),
        change=Change(text=f"at the next sweep of due jobs, which come every {limits.DUE_SWEEP_S:g} s"),
    )


def not_due(seen: Situation) -> Finding:
    """Due later, as its submitter wanted it."""
    return Finding(
        summary=f"It is due at {instant(seen.job.run_at)}, {_in(seen)}.",
        evidence=_evidence(seen),
        change=Change(text=f"at {instant(seen.job.run_at)} it becomes PENDING", at=seen.job.run_at),
    )


def snoozed(seen: Situation) -> Finding | None:
    """Its handler asked to be run later; that cost no attempt."""
    event = seen.last_event
    is_snoozed = event.reason == "snoozed" if event is not None else seen.job.attempt == 0
    if not is_snoozed:
        return None
    return Finding(
        summary=f"Its handler asked to run again later: at {instant(seen.job.run_at)}, {_in(seen)}. "
        "That cost no attempt.",
        evidence=_attempt_evidence(seen),
        change=Change(text=f"at {instant(seen.job.run_at)} it becomes PENDING", at=seen.job.run_at),
    )


def thread_abandoned(seen: Situation) -> Finding | None:
    """Its last attempt passed the hard time-out in a thread, which nobody can end."""
    job, error = seen.job, seen.job.error
    if error is None or not is_abandonment(error):
        return None
    return Finding(
        summary=f"Attempt {job.attempt} of {job.max_attempts} passed its time-out of {job.timeout_seconds:g} s in a "
        "thread that cannot be stopped; the thread was left behind and may still hold its slot. "
        f"The next attempt is due at {instant(job.run_at)}, {_in(seen)}.",
        evidence=_attempt_evidence(seen),
        change=Change(text=f"at {instant(job.run_at)} it becomes PENDING", at=job.run_at),
    )


def retry_waiting(seen: Situation) -> Finding:
    """Its last attempt did not succeed, and attempts are left."""
    job = seen.job
    why = f" with {quoted(job.error.type)}: {quoted(job.error.message)}" if job.error is not None else ""
    return Finding(
        summary=f"Attempt {job.attempt} of {job.max_attempts} failed{why}. The next one is due at "
        f"{instant(job.run_at)}, {_in(seen)}.",
        evidence=_attempt_evidence(seen),
        change=Change(text=f"at {instant(job.run_at)} it becomes PENDING", at=job.run_at),
    )


def is_abandonment(error: JobError) -> bool:
    """True for the word of ours, and not for an exception of that name."""
    return error.type == ABANDONED and error.qualified_type is None


def _is_due(seen: Situation) -> bool:
    return seen.job.run_at <= seen.now


def _in(seen: Situation) -> str:
    return f"in {duration((seen.job.run_at - seen.now).total_seconds())}"


def _evidence(seen: Situation) -> Evidence:
    in_s = (seen.job.run_at - seen.now).total_seconds()
    return Evidence(
        queue=seen.job.queue,
        run_at=seen.job.run_at,
        due_in_seconds=in_s if in_s > 0 else None,
        overdue_seconds=-in_s if in_s <= 0 else None,
        attempt=seen.job.attempt,
        max_attempts=seen.job.max_attempts,
    )


def _attempt_evidence(seen: Situation) -> Evidence:
    error = seen.job.error
    in_s = (seen.job.run_at - seen.now).total_seconds()
    return Evidence(
        queue=seen.job.queue,
        run_at=seen.job.run_at,
        due_in_seconds=in_s if in_s > 0 else None,
        attempt=seen.job.attempt,
        max_attempts=seen.job.max_attempts,
        error_type=None if error is None else kept(error.type),
        error_message=None if error is None else kept(error.message),
        started_at=seen.job.started_at,
        timeout_seconds=seen.job.timeout_seconds,
        history_is_behind=seen.last_event is None,
    )
