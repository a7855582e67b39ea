"""What becomes of the jobs of one `submit`, whatever the driver: which are new, and what the others are answered."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from observatory.core.command import Accept
from observatory.core.errors import IdempotencyConflict, ObservatoryError, RowUnreadable
from observatory.core.job import Job, NewJob
from observatory.core.lifecycle import Transition, transition
from observatory.job_store.port import Submitted


class EarlierJobs(msgspec.Struct, frozen=True):
    """Jobs that exist already. Ids and keys are apart: a caller may choose a key that looks like an id."""

    by_id: dict[str, Job | RowUnreadable]
    by_key: dict[str, tuple[Job | RowUnreadable, str]]
    """With the fingerprint of each."""


class Acceptance(msgspec.Struct, frozen=True):
    """What becomes of the jobs of one call."""

    answers: list[Submitted | ObservatoryError]
    accepted: list[tuple[NewJob, Transition]]
    """Those that are new, in their order."""


def accepted(jobs: Sequence[NewJob], earlier: EarlierJobs, at: datetime) -> Acceptance:
    """
    Decide about *jobs*, given those of *earlier* that they may repeat; a call may also repeat itself.

    Changes *earlier*: what is accepted is added to it.
    """
    done = Acceptance([], [])
    for new in jobs:
        known = earlier.by_id.get(new.id)
        if known is not None:
            done.answers.append(known if isinstance(known, RowUnreadable) else Submitted(known, is_replay=True))
            continue
        first = earlier.by_key.get(new.idempotency_key) if new.idempotency_key else None
        if first is not None:
            done.answers.append(_answer_again(new, *first))
            continue
        step = transition(None, Accept(new), at)
        done.accepted.append((new, step))
        earlier.by_id[new.id] = step.job
        if new.idempotency_key:
            earlier.by_key[new.idempotency_key] = (step.job, new.fingerprint)
        done.answers.append(Submitted(step.job, is_replay=False))
    return done


def _answer_again(new: NewJob, job: Job | RowUnreadable, fingerprint: str) -> Submitted | ObservatoryError:
    if isinstance(job, RowUnreadable):
        return job
    if fingerprint == new.fingerprint:
        return Submitted(job, is_replay=True)
    return IdempotencyConflict(
        f"the idempotency key {new.idempotency_key} belongs to job {job.id}, which differs in type, payload or options",
        job_id=job.id,
    )
