"""
What becomes of a call of `submit`: new jobs are inserted with their events, repeated ones found.

One statement inserts what is new, so that an item is accepted with its event or not at all. A row that another
transaction has just inserted is waited for; it is read by a statement of its own, which sees what that one committed.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from observatory.core import limits
from observatory.core.errors import ObservatoryError, StoreUnavailable
from observatory.core.event import Producer
from observatory.core.job import NewJob
from observatory.core.lifecycle import Transition
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_arrays import columns_of, unnest
from observatory.engine.postgres_database import Statements
from observatory.engine.producers import text_of_producer
from observatory.job_store.acceptance import EarlierJobs, accepted
from observatory.job_store.port import Submitted
from observatory.job_store.postgres.lookup import jobs_by_id, jobs_by_key
from observatory.job_store.postgres.rows import ACCEPTED_COLUMNS, ACCEPTED_TYPES, insert_values

SQL = load_queries(Path(__file__).with_suffix(".sql"))

_TYPES = (*ACCEPTED_TYPES, "text", "text")
ACCEPT = (
    SQL["accept"]
    .replace("{given}", unnest(_TYPES))
    .replace("{columns}", ", ".join(ACCEPTED_COLUMNS))
    .replace("{producer}", f"${len(_TYPES) + 1}")
    .replace("{lock_timeout}", f"${len(_TYPES) + 2}::text")
)

_encode = msgspec.json.Encoder().encode


async def accept(
    connection: Statements, jobs: Sequence[NewJob], at: datetime, producer: Producer, *, lock_s_max: float | None = None
) -> list[Submitted | ObservatoryError]:
    """
    Accept *jobs*, as `JobStore.submit`, inside the transaction of *connection* or outside any.

    Args:
        lock_s_max: Only outside: how long it waits for another transaction that is about to accept the same key. None
            leaves that to the session.

    Raises:
        StoreUnavailable: Jobs that stood in the way were gone again whenever they were looked for.
    """
    earlier, inserted = EarlierJobs({}, {}), set[str]()
    for _ in range(limits.POSTGRES_TRIES_MAX):
        done = accepted(jobs, EarlierJobs(dict(earlier.by_id), dict(earlier.by_key)), at)
        todo = [(new, step) for new, step in done.accepted if new.id not in inserted]
        inserted |= await _insert(connection, todo, producer, lock_s_max)
        left = [new for new, _ in todo if new.id not in inserted]
        if not left:
            return done.answers
        earlier = EarlierJobs(
            await jobs_by_id(connection, [new.id for new in left]),
            await jobs_by_key(connection, [new.idempotency_key for new in left if new.idempotency_key]),
        )
    raise StoreUnavailable("jobs with the same keys came and went while these were accepted")


async def _insert(
    connection: Statements, steps: Sequence[tuple[NewJob, Transition]], producer: Producer, lock_s_max: float | None
) -> set[str]:
    """The ids of those that are accepted now."""
    if not steps:
        return set()
    rows = [
        (
            *insert_values(step.job, new.fingerprint),
            new.causation_id,
            _encode(step.facts[0].payload).decode(),
        )
        for new, step in steps
    ]
    lock_timeout = None if lock_s_max is None else f"{lock_s_max * 1000:.0f}"
    values = (*columns_of(rows, len(_TYPES)), text_of_producer(producer), lock_timeout)
    return {row[0] for row in await connection.fetch(ACCEPT, *values)}
