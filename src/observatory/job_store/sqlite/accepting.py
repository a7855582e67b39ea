"""What becomes of a call of `submit`: new jobs are inserted, repeated ones found."""

from collections.abc import Sequence
from datetime import datetime
from sqlite3 import Connection, IntegrityError

import msgspec

from observatory.core.errors import ObservatoryError
from observatory.core.job import NewJob
from observatory.engine.sqlite_rows import insert_rows
from observatory.job_store.acceptance import Acceptance, EarlierJobs, accepted
from observatory.job_store.changes import Change
from observatory.job_store.port import Submitted
from observatory.job_store.sqlite.lookup import jobs_by_id, jobs_by_key
from observatory.job_store.sqlite.rows import ACCEPTED_COLUMNS, insert_values


class Accepted(msgspec.Struct, frozen=True):
    """What one call left behind, and the changes whose events remain to be written."""

    answers: list[Submitted | ObservatoryError]
    pending: list[Change]


def accept(connection: Connection, jobs: Sequence[NewJob], at: datetime) -> Accepted:
    """Insert the rows of those of *jobs* that are new; their events remain to be written."""
    by_key = jobs_by_key(connection, [new.idempotency_key for new in jobs if new.idempotency_key])
    done = accepted(jobs, EarlierJobs({}, dict(by_key)), at)
    try:
        _insert(connection, done)
    except IntegrityError:
        # Ids are new but in a call that is repeated after an unknown end: only then they are worth a search.
        done = accepted(jobs, EarlierJobs(jobs_by_id(connection, [new.id for new in jobs]), by_key), at)
        _insert(connection, done)
    return Accepted(done.answers, [Change(step, 0, new.causation_id) for new, step in done.accepted])


def _insert(connection: Connection, done: Acceptance) -> None:
    """A row for each accepted job, or IntegrityError and none of them."""
    rows = [insert_values(step.job, new.fingerprint) for new, step in done.accepted]
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
