"""Why a VALIDATED or EXECUTING job is where it is: what its processor does, or whether it still lives."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from observatory.core import limits
from observatory.core.explain.explanation import Change, Evidence, Finding
from observatory.core.explain.parts import again, how
from observatory.core.explain.processors import parts_down, seen_processors
from observatory.core.explain.situation import Situation
from observatory.core.explain.words import duration, instant
from observatory.core.job import JobStatus
from observatory.core.lifecycle import lease_has_ended

RESCUER: Final = "rescuer"
SETTLE_LOOP: Final = "processor_settles"


# --- the lease has ended --------------------------------------------------------------------------


def rescuer_down(seen: Situation) -> Finding | None:
    """The lease has ended, and the rescuer does not work, here or in the process that runs it."""
    part = seen.down_part(RESCUER)
    if part is None or not lease_has_ended(seen.job, seen.now):
        return None
    return Finding(
        summary=f"Its lease ended {duration(_lease_overdue_s(seen))} ago, and nobody rescues it: the rescuer does "
        f"not work ({how(part)}).",
        evidence=_evidence(seen),
        change=again(part, "the rescuer"),
    )


def rescuer_behind(seen: Situation) -> Finding | None:
    """The lease ended so long ago that it should have been rescued."""
    overdue_s = _lease_overdue_s(seen)
    if not lease_has_ended(seen.job, seen.now) or overdue_s <= limits.EXPLAIN_RESCUE_LATE_S:
        return None
    return Finding(
        summary=f"Its lease ended {duration(overdue_s)} ago and nobody has rescued it: the rescuer is behind, or "
        "does not run.",
        evidence=_evidence(seen),
        change=Change(text="when a maintenance process rescues it, or its processor records the outcome after all"),
    )


def rescue_due(seen: Situation) -> Finding | None:
    """The lease has ended, and a rescue is permitted."""
    if not lease_has_ended(seen.job, seen.now):
        return None
    latest = seen.now + timedelta(seconds=max(limits.EXPLAIN_RESCUE_LATE_S - _lease_overdue_s(seen), 0.0))
    return Finding(
        summary=f"The processor {seen.job.worker} gave no sign of life{_since(seen)}; the lease ended "
        f"{duration(_lease_overdue_s(seen))} ago and the attempt is about to be rescued.",
        evidence=_evidence(seen),
        change=Change(
            text=f"at the next look of the rescuer, usually within {limits.SWEEP_S:g} s, and within "
            f"{limits.LEASE_S:g} s after the store was away",
            at=latest,
        ),
    )


# --- the processor ----------------------------------------------------------------------------


def heartbeat_late(seen: Situation) -> Finding | None:
    """Its processor left out a heartbeat, and the lease still holds."""
    sign_at = _last_sign_at(seen)
    if seen.age_s(sign_at) <= limits.EXPLAIN_HEARTBEAT_LATE_S:
        return None
    expires_at = seen.job.lease_expires_at
    until = f" The lease holds until {instant(expires_at)}." if expires_at is not None else ""
    return Finding(
        summary=f"Its processor {seen.job.worker} gave the last sign of life {duration(seen.age_s(sign_at))} ago, "
        f"although it should every {limits.HEARTBEAT_S:g} s.{until}",
        evidence=_evidence(seen),
        change=Change(
            text="when its processor is heard of again, or the lease ends and the attempt is rescued", at=expires_at
        ),
    )


def waiting_for_slot(seen: Situation) -> Finding:
    """A processor holds it beyond its slots."""
    holder = seen.holder
    beside = "" if holder is None else f" It runs {seen.running_on(holder)} and has {holder.slots} slots."
    return Finding(
        summary=f"The processor {seen.job.worker} has claimed it and checked its payload, and begins it when a slot "
        f"is free.{beside}",
        evidence=_evidence(seen),
        change=Change(text="when one of the attempts of that processor ends"),
    )


def settles_down(seen: Situation) -> Finding | None:
    """Its handler has ended, and its processor cannot record it."""
    part = None if seen.holder is None else seen.down_of(seen.holder, SETTLE_LOOP)
    if part is None or not _has_ended(seen):
        return None
    return Finding(
        summary=f"Its handler has ended, and its processor cannot record the outcome: its loop does not work "
        f"({how(part)}).",
        evidence=_evidence(seen),
        change=Change(text="when that loop works again; the log of its process says why it does not"),
    )


def outcome_being_recorded(seen: Situation) -> Finding | None:
    """Its processor does not run it any more, and the store does not know the outcome yet."""
    if not _has_ended(seen):
        return None
    return Finding(
        summary=f"Its handler has ended, and its processor {seen.job.worker} has not recorded the outcome yet.",
        evidence=_evidence(seen),
        change=Change(text="when the store has taken the outcome, which the processor offers again and again"),
    )


# --- the attempt ----------------------------------------------------------------------------------


def past_deadline(seen: Situation) -> Finding | None:
    """It runs past its hard time-out."""
    deadline = _deadline(seen)
    if deadline is None or seen.age_s(deadline) <= limits.EXPLAIN_DEADLINE_GRACE_S:
        return None
    return Finding(
        summary=f"Attempt {seen.job.attempt} of {seen.job.max_attempts} is {duration(seen.age_s(deadline))} past its "
        f"time-out of {seen.job.timeout_seconds:g} s: its child took long to start, or its processor stands still.",
        evidence=_evidence(seen),
        change=Change(text="when its processor ends the attempt, or its lease ends", at=seen.job.lease_expires_at),
    )


def cancel_not_heard(seen: Situation) -> Finding | None:
    """A cancel was requested after the last heartbeat of its processor, with which it hears of it."""
    asked_at, holder = seen.job.cancel_requested_at, seen.holder
    if asked_at is None:
        return None
    if holder is not None and holder.heartbeat_at is not None and holder.heartbeat_at > asked_at:
        return None
    return Finding(
        summary=f"A cancel was requested {duration(seen.age_s(asked_at))} ago, and its processor {seen.job.worker} "
        "hears of it at its next heartbeat.",
        evidence=_evidence(seen),
        change=Change(text=f"at the next heartbeat of that processor, within {limits.HEARTBEAT_S:g} s"),
    )


def cancel_unanswered(seen: Situation) -> Finding | None:
    """Its processor knows of the cancel, and the handler goes on."""
    asked_at, deadline = seen.job.cancel_requested_at, _deadline(seen)
    if asked_at is None:
        return None
    latest = "" if deadline is None else f", and at the latest at its time-out, {instant(deadline)}"
    return Finding(
        summary=f"A cancel was requested {duration(seen.age_s(asked_at))} ago; its processor {seen.job.worker} has "
        "asked the handler to stop, and the handler has not answered.",
        evidence=_evidence(seen),
        change=Change(text=f"when the handler looks at should_stop or ends{latest}", at=deadline),
    )


def running_long(seen: Situation) -> Finding | None:
    """It runs longer than almost all completed jobs of its type did."""
    usual_s, run_s = usual_run_s(seen.runs_s), _run_s(seen)
    if usual_s is None or run_s is None or run_s <= usual_s:
        return None
    return Finding(
        summary=f"Attempt {seen.job.attempt} of {seen.job.max_attempts} has run for {duration(run_s)} on "
        f"{seen.job.worker}: longer than 99 in 100 of the last {len(seen.runs_s)} completed jobs of the type "
        f"{seen.job.type} ({duration(usual_s)}).",
        evidence=_evidence(seen),
        change=_end_of_attempt(seen),
    )


def running(seen: Situation) -> Finding:
    """An attempt runs."""
    run_s = _run_s(seen)
    since = "" if run_s is None else f" for {duration(run_s)}"
    return Finding(
        summary=f"Attempt {seen.job.attempt} of {seen.job.max_attempts} has run{since} on {seen.job.worker}"
        f"{_since(seen, ', last heard of ')}.",
        evidence=_evidence(seen),
        change=_end_of_attempt(seen),
    )


def usual_run_s(runs_s: Sequence[float]) -> float | None:
    """
    What 99 in 100 of *runs_s* did not exceed (nearest rank), in seconds.

    None with fewer than `limits.EXPLAIN_RUNS_MIN`.
    """
    if len(runs_s) < limits.EXPLAIN_RUNS_MIN:
        return None
    return sorted(runs_s)[math.ceil(limits.EXPLAIN_RUNS_SHARE * len(runs_s)) - 1]


# --- what several rules share ---------------------------------------------------------------------


def _end_of_attempt(seen: Situation) -> Change:
    deadline = _deadline(seen)
    latest = "" if deadline is None else f", at the latest at its time-out, {instant(deadline)}"
    return Change(text=f"when the attempt ends{latest}", at=deadline)


def _last_sign_at(seen: Situation) -> datetime:
    """Of the processor: its last heartbeat, or the claim itself, whichever came later."""
    job, holder = seen.job, seen.holder
    began_at = job.started_at if job.status is JobStatus.EXECUTING else None
    claimed_at = began_at or job.updated_at
    if holder is None or holder.heartbeat_at is None:
        return claimed_at
    return max(claimed_at, holder.heartbeat_at)


def _since(seen: Situation, before: str = " since ") -> str:
    holder = seen.holder
    age_s = None if holder is None else holder.heartbeat_age_s(seen.now)
    return "" if age_s is None else f"{before}{duration(age_s)} ago"


def _has_ended(seen: Situation) -> bool:
    """A heartbeat that was sent while the attempt should run does not name it."""
    holder, started_at = seen.holder, seen.job.started_at
    if holder is None or holder.heartbeat_at is None or started_at is None or seen.job.id in holder.jobs:
        return False
    return (holder.heartbeat_at - started_at).total_seconds() > limits.EXPLAIN_OUTCOME_S


def _deadline(seen: Situation) -> datetime | None:
    started_at = seen.job.started_at
    return None if started_at is None else started_at + timedelta(seconds=seen.job.timeout_seconds)


def _run_s(seen: Situation) -> float | None:
    return None if seen.job.started_at is None else seen.age_s(seen.job.started_at)


def _lease_overdue_s(seen: Situation) -> float:
    return 0.0 if seen.job.lease_expires_at is None else seen.age_s(seen.job.lease_expires_at)


def _evidence(seen: Situation) -> Evidence:
    job, holder = seen.job, seen.holder
    is_running = job.status is JobStatus.EXECUTING
    asked_at, usual_s = job.cancel_requested_at, usual_run_s(seen.runs_s)
    return Evidence(
        queue=job.queue,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        processors=() if holder is None else seen_processors(seen, [holder]),
        worker=job.worker,
        lease_expires_at=job.lease_expires_at,
        lease_overdue_seconds=_lease_overdue_s(seen) if lease_has_ended(job, seen.now) else None,
        heartbeat_at=None if holder is None else holder.heartbeat_at,
        heartbeat_age_seconds=None if holder is None else holder.heartbeat_age_s(seen.now),
        started_at=job.started_at if is_running else None,
        run_seconds=_run_s(seen) if is_running else None,
        deadline=_deadline(seen) if is_running else None,
        timeout_seconds=job.timeout_seconds,
        usual_seconds=usual_s,
        runs_compared=len(seen.runs_s) if usual_s is not None else None,
        cancel_requested_at=asked_at,
        cancel_age_seconds=None if asked_at is None else seen.age_s(asked_at),
        down=() if holder is None else parts_down(seen, [holder]),
    )
