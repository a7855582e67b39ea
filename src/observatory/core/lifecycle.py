"""The one place where a job's status changes: `transition(job, command, at)`.

Drivers lock and move rows; what a row becomes is decided here. `docs/job-lifecycle.md` is this
table in prose, and `ALLOWED` is the same table as data, for the audit and the tests.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from observatory.core.command import (
    Accept,
    BecomeDue,
    Cancel,
    Claim,
    Command,
    Fail,
    Refuse,
    Release,
    Report,
    Rescue,
    Snooze,
    Start,
    Succeed,
)
from observatory.core.errors import IllegalTransition, LeaseLost
from observatory.core.event import EventType, Fact
from observatory.core.job import DELAYED, Job, JobError, JobStatus, JsonObject, Outcome

_S: Final = JobStatus
_E: Final = EventType
_replace = msgspec.structs.replace


class Transition(msgspec.Struct, frozen=True, gc=False):
    """What the job becomes and what to write about it, in order. No facts means nothing changed."""

    job: Job
    facts: tuple[Fact, ...]


def transition(job: Job | None, command: Command, at: datetime) -> Transition:
    """
    Decide what *command* makes of *job* at the instant *at*.

    Pure and total: every pair gives a Transition or one of the errors below. The new job's
    `sequence` is the old one plus the number of facts, its `updated_at` is *at*.

    Args:
        job: None only for `Accept`.
        at: Aware UTC, by the store's clock.

    Raises:
        LeaseLost: The command acts for an attempt that is no longer the current one.
        IllegalTransition: The status does not allow the command.
    """
    if isinstance(command, Accept):
        assert job is None, "a job is accepted once"
        return _accept(command, at)
    assert job is not None, "only Accept begins a job"
    return _RULES[type(command)](job, command, at)


def _accept(command: Accept, at: datetime) -> Transition:
    new = command.job
    is_delayed = new.run_at is not None and new.run_at > at
    job = Job(
        id=new.id,
        type=new.type,
        status=_S.SCHEDULED if is_delayed else _S.PENDING,
        created_at=at,
        updated_at=at,
        payload=new.payload,
        queue=new.queue,
        priority=new.priority,
        run_at=new.run_at if new.run_at is not None and is_delayed else at,
        attempt=0,
        max_attempts=new.max_attempts,
        timeout_seconds=new.timeout_seconds,
        fence=0,
        sequence=1,
        event_id=new.event_id,
        correlation_id=new.correlation_id,
        metadata=new.metadata,
        idempotency_key=new.idempotency_key,
        retry_of=new.retry_of,
        traceparent=new.traceparent,
    )
    return Transition(job, (Fact(_E.CREATED, msgspec.to_builtins(job)),))


def _become_due(job: Job, command: BecomeDue, at: datetime) -> Transition:
    if job.status not in DELAYED or job.run_at > at:
        raise IllegalTransition(f"job {job.id} is {job.status} and due at {job.run_at.isoformat()}")
    return _step(job, at, (_E.QUEUED, {"status": _S.PENDING}, {}))


def _claim(job: Job, command: Claim, at: datetime) -> Transition:
    if job.status is not _S.PENDING:
        raise IllegalTransition(f"job {job.id} is {job.status}; only a PENDING job can be claimed")
    changes: dict[str, Any] = {
        "status": _S.VALIDATED if command.buffered else _S.EXECUTING,
        "fence": job.fence + 1,
        "worker": command.worker,
        "lease_expires_at": at + timedelta(seconds=command.lease_s),
    }
    if not command.buffered:
        changes |= {"attempt": job.attempt + 1, "started_at": at, "progress": None}
    return _step(job, at, (_E.VALIDATED, changes, {}))


def _start(job: Job, command: Start, at: datetime) -> Transition:
    _check_fence(job, command.fence)
    if job.status is not _S.VALIDATED:
        raise IllegalTransition(f"job {job.id} is {job.status}; only a VALIDATED job can start")
    changes = {"status": _S.EXECUTING, "attempt": job.attempt + 1, "started_at": at, "progress": None}
    return _step(job, at, (_E.STARTED, changes, {}))


def _report(job: Job, command: Report, at: datetime) -> Transition:
    _check_executing(job, command.fence)
    if command.progress == job.progress:
        return Transition(job, ())
    return _step(job, at, (_E.PROGRESSED, {"progress": command.progress}, {}))


def _succeed(job: Job, command: Succeed, at: datetime) -> Transition:
    _check_executing(job, command.fence)
    final = {"status": _S.COMPLETED, "result": command.result, "error": None, "finished_at": at}
    said = {"reason": "succeeded_before_cancel"} if job.cancel_requested_at is not None else {}
    return _step(job, at, _executed(job, Outcome.SUCCEEDED, command.run_s), (_E.COMPLETED, final, said))


def _fail(job: Job, command: Fail, at: datetime) -> Transition:
    _check_executing(job, command.fence)
    executed = _executed(job, command.outcome, command.run_s, error=command.error)
    return _step(job, at, executed, _after_failure(job, command.retry_in_s, at))


def _snooze(job: Job, command: Snooze, at: datetime) -> Transition:
    _check_executing(job, command.fence)
    executed = _executed(job, Outcome.SNOOZED, command.run_s, attempt=job.attempt - 1)
    if job.cancel_requested_at is not None:
        return _step(job, at, executed, _cancelled(at))
    retried = {"status": _S.RETRYING, "run_at": at + timedelta(seconds=command.run_in_s)}
    return _step(job, at, executed, (_E.RETRIED, retried, {"reason": "snoozed"}))


def _release(job: Job, command: Release, at: datetime) -> Transition:
    _check_fence(job, command.fence)
    if job.status is _S.VALIDATED:
        return _step(job, at, _unbuffered("released"))
    executed = _executed(job, Outcome.RELEASED, command.run_s, attempt=job.attempt - 1)
    if job.cancel_requested_at is not None:
        return _step(job, at, executed, _cancelled(at))
    return _step(job, at, executed, (_E.QUEUED, {"status": _S.PENDING}, {"reason": "released"}))


def _refuse(job: Job, command: Refuse, at: datetime) -> Transition:
    _check_fence(job, command.fence)
    attempt = job.attempt - 1 if job.status is _S.EXECUTING else job.attempt
    final = _unleased() | {"status": _S.FAILED, "error": command.error, "attempt": attempt, "finished_at": at}
    return _step(job, at, (_E.FAILED, final, {"reason": "invalid"}))


def _rescue(job: Job, command: Rescue, at: datetime) -> Transition:
    _check_fence(job, command.fence)
    if not lease_has_ended(job, at):
        raise LeaseLost(f"the lease of job {job.id} was extended; it is not to be rescued")
    if job.status is _S.VALIDATED:
        kind, changes, said = _unbuffered("lease_lost")
        return _step(job, at, (kind, changes | {"fence": job.fence + 1}, said))
    error = JobError(type="LeaseLost", message=f"{job.worker} stopped answering while it ran attempt {job.attempt}")
    run_s = (at - job.started_at).total_seconds() if job.started_at else 0.0
    executed = _executed(job, Outcome.LEASE_LOST, run_s, error=error, fence=job.fence + 1)
    return _step(job, at, executed, _after_failure(job, command.retry_in_s, at))


def _cancel(job: Job, command: Cancel, at: datetime) -> Transition:
    if job.status.is_final:
        raise IllegalTransition(f"job {job.id} is already {job.status}", code="job_is_final")
    if job.status is _S.EXECUTING:
        if job.cancel_requested_at is not None:
            return Transition(job, ())
        return _step(job, at, (_E.CANCEL_REQUESTED, {"cancel_requested_at": at}, {}))
    kind, changes, said = _cancelled(at)
    if job.status is _S.VALIDATED:
        changes = changes | _unleased() | {"fence": job.fence + 1}
    return _step(job, at, (kind, changes, said))


_Rule = Callable[[Job, Any, datetime], Transition]
_RULES: Final[dict[type, _Rule]] = {
    BecomeDue: _become_due,
    Claim: _claim,
    Start: _start,
    Report: _report,
    Succeed: _succeed,
    Fail: _fail,
    Snooze: _snooze,
    Release: _release,
    Refuse: _refuse,
    Rescue: _rescue,
    Cancel: _cancel,
}


# --- what several rules share ---------------------------------------------------------------------

_Said = tuple[EventType, dict[str, Any], JsonObject]
"""One event to be: its type, the fields of the job it changes, and what it says beside them."""


def fence_is_current(job: Job, fence: int) -> bool:
    """True while the attempt that holds *fence* is the one that may write."""
    return job.fence == fence and job.status.is_leased


def lease_has_ended(job: Job, at: datetime) -> bool:
    """True from the instant on at which a rescue is permitted."""
    return job.lease_expires_at is not None and job.lease_expires_at <= at


def _check_fence(job: Job, fence: int) -> None:
    if not fence_is_current(job, fence):
        raise LeaseLost(f"job {job.id} is {job.status} with fence {job.fence}; the attempt with fence {fence} is over")


def _check_executing(job: Job, fence: int) -> None:
    _check_fence(job, fence)
    if job.status is not _S.EXECUTING:
        raise IllegalTransition(f"job {job.id} is {job.status}; its attempt has not begun")


def _unleased() -> dict[str, Any]:
    return {"worker": None, "lease_expires_at": None}


def _unbuffered(reason: str) -> _Said:
    return _E.QUEUED, _unleased() | {"status": _S.PENDING}, {"reason": reason}


def _executed(job: Job, outcome: Outcome, run_s: float, **changes: Any) -> _Said:
    """The attempt is over and its lease given back; what becomes of the job is the next event's to say."""
    wait_s = (job.started_at - job.run_at).total_seconds() if job.started_at else 0.0
    durations = {"waitSeconds": round(max(wait_s, 0.0), 6), "runSeconds": round(max(run_s, 0.0), 6)}
    return _E.EXECUTED, _unleased() | changes, {"outcome": outcome, "durations": durations}


def _after_failure(job: Job, retry_in_s: float | None, at: datetime) -> _Said:
    if job.cancel_requested_at is not None:
        return _cancelled(at)
    if retry_in_s is not None and job.attempt < job.max_attempts:
        return _E.RETRIED, {"status": _S.RETRYING, "run_at": at + timedelta(seconds=retry_in_s)}, {}
    reason = "discarded" if retry_in_s is None else "attempts_used_up"
    return _E.FAILED, {"status": _S.FAILED, "finished_at": at}, {"reason": reason}


def _cancelled(at: datetime) -> _Said:
    return _E.CANCELLED, {"status": _S.CANCELLED, "finished_at": at}, {}


def _step(job: Job, at: datetime, *said: _Said) -> Transition:
    """Apply the events in order: each payload names the status after it and the fields it changed."""
    facts: list[Fact] = []
    changes_all: dict[str, Any] = {}
    status = job.status
    for kind, changes, extra in said:
        resulting = changes.get("status", status)
        payload: JsonObject = {"id": job.id, "type": job.type, "status": resulting, "previousStatus": status}
        for name, value in changes.items():
            payload[_WIRE_NAMES[name]] = value
        payload.update(extra)
        facts.append(Fact(kind, msgspec.to_builtins(payload)))
        changes_all.update(changes)
        status = resulting
    after = _replace(job, updated_at=at, sequence=job.sequence + len(facts), **changes_all)
    return Transition(after, tuple(facts))


_WIRE_NAMES: Final[dict[str, str]] = {field.name: field.encode_name for field in msgspec.structs.fields(Job)}


# --- the same table as data -----------------------------------------------------------------------

_WAITING: Final = (_S.SCHEDULED, _S.PENDING, _S.RETRYING, _S.VALIDATED)

ALLOWED: Final[frozenset[tuple[JobStatus | None, EventType, JobStatus]]] = frozenset(
    {
        (None, _E.CREATED, _S.PENDING),
        (None, _E.CREATED, _S.SCHEDULED),
        (_S.SCHEDULED, _E.QUEUED, _S.PENDING),
        (_S.RETRYING, _E.QUEUED, _S.PENDING),
        (_S.PENDING, _E.VALIDATED, _S.EXECUTING),
        (_S.PENDING, _E.VALIDATED, _S.VALIDATED),
        (_S.VALIDATED, _E.STARTED, _S.EXECUTING),
        (_S.VALIDATED, _E.QUEUED, _S.PENDING),
        (_S.VALIDATED, _E.FAILED, _S.FAILED),
        (_S.EXECUTING, _E.PROGRESSED, _S.EXECUTING),
        (_S.EXECUTING, _E.CANCEL_REQUESTED, _S.EXECUTING),
        (_S.EXECUTING, _E.EXECUTED, _S.EXECUTING),
        (_S.EXECUTING, _E.COMPLETED, _S.COMPLETED),
        (_S.EXECUTING, _E.RETRIED, _S.RETRYING),
        (_S.EXECUTING, _E.QUEUED, _S.PENDING),
        (_S.EXECUTING, _E.FAILED, _S.FAILED),
        (_S.EXECUTING, _E.CANCELLED, _S.CANCELLED),
        *((status, _E.CANCELLED, _S.CANCELLED) for status in _WAITING),
    }
)
"""Every (status before, event, status after) that may stand in a job's history."""
