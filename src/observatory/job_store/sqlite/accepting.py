"""What becomes of a call of `submit`: new jobs are inserted, repeated ones found."""

from collections.abc import Sequence
from datetime import datetime
from sqlite3 import Connection, IntegrityError
from typing import Any

import msgspec

from observatory.core.command import Accept
from observatory.core.errors import IdempotencyConflict, ObservatoryError, RowUnreadable
from observatory.core.job import Job, NewJob
from observatory.core.lifecycle import Transition, transition
from observatory.engine.sqlite_rows import insert_rows
from observatory.job_store.port import Submitted
from observatory.job_store.sqlite.lookup import jobs_by_id, jobs_by_key
from observatory.job_store.sqlite.rows import ACCEPTED_COLUMNS, insert_values

Pending = tuple[Transition, int, str | None]
"""A change whose events are to be written: the transition, the sequence before it, what caused it."""


class Acceptance(msgspec.Struct, frozen=True):
    """What becomes of the jobs of one call."""

    answers: list[Submitted | ObservatoryError]
    rows: list[tuple[Any, ...]]
    """Of `ACCEPTED_COLUMNS`."""
    pending: list[Pending]


class EarlierJobs(msgspec.Struct, frozen=True):
    """Jobs that exist already. Ids and keys are apart: a caller may choose a key that looks like an id."""

    by_id: dict[str, Job | RowUnreadable]
    by_key: dict[str, tuple[Job | RowUnreadable, str]]
    """With the fingerprint of each."""


def accept(connection: Connection, jobs: Sequence[NewJob], at: datetime) -> Acceptance:
    """Insert the rows of those of *jobs* that are new; their events remain to be written."""
    by_key = jobs_by_key(connection, [new.idempotency_key for new in jobs if new.idempotency_key])
    done = _accepted(jobs, EarlierJobs({}, dict(by_key)), at)
    try:
        _insert(connection, done.rows)
    except IntegrityError:
        # Ids are new but in a call that is repeated after an unknown end: only then they are worth a search.
        done = _accepted(jobs, EarlierJobs(jobs_by_id(connection, [new.id for new in jobs]), by_key), at)
        _insert(connection, done.rows)
    return done


def _accepted(jobs: Sequence[NewJob], earlier: EarlierJobs, at: datetime) -> Acceptance:
    """What is new is added to *earlier* as it comes: a call may repeat itself."""
    done = Acceptance([], [], [])
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
        done.rows.append(insert_values(step.job, new.fingerprint))
        done.pending.append((step, 0, new.causation_id))
        earlier.by_id[new.id] = step.job
        if new.idempotency_key:
            earlier.by_key[new.idempotency_key] = (step.job, new.fingerprint)
        done.answers.append(Submitted(step.job, is_replay=False))
    return done


def _insert(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """All of *rows*, or IntegrityError and none of them."""
    if len(rows) <= 1:
        insert_rows(connection, "jobs", ACCEPTED_COLUMNS, rows)
        return
    connection.execute("SAVEPOINT accepted")
    try:
        insert_rows(connection, "jobs", ACCEPTED_COLUMNS, rows)
    except IntegrityError:
        connection.execute("ROLLBACK TO accepted")
        connection.execute("RELEASE accepted")
        raise
    connection.execute("RELEASE accepted")


def _answer_again(new: NewJob, job: Job | RowUnreadable, fingerprint: str) -> Submitted | ObservatoryError:
    if isinstance(job, RowUnreadable):
        return job
    if fingerprint == new.fingerprint:
        return Submitted(job, is_replay=True)
    return IdempotencyConflict(
        f"the idempotency key {new.idempotency_key} belongs to job {job.id}, which differs in type, payload or options",
        job_id=job.id,
    )
