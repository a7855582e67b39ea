"""
`JobStore` over one `PostgresDatabase`.

A unit of work locks its rows in the order of their ids, asks `core.lifecycle.transition`, and writes rows and events in
one statement. The server's clock is asked once the rows are locked.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from observatory.core import limits
from observatory.core.command import Accept, BecomeDue, Claim
from observatory.core.errors import KeyInUse, ObservatoryError, RowUnreadable, StoreUnavailable
from observatory.core.event import Producer
from observatory.core.handler import TypeInfo
from observatory.core.job import Job, NewJob
from observatory.core.lifecycle import transition
from observatory.core.sources import Ids
from observatory.engine.gathering import CarryOut, Gathering
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_arrays import columns_of, unnest
from observatory.engine.postgres_database import (
    Connection,
    PostgresDatabase,
    broken_constraint,
    concerns_one_call,
    is_lock_held,
    translated,
)
from observatory.engine.postgres_events import VALUE_COLUMNS, VALUE_TYPES, event_values
from observatory.engine.postgres_notices import COMMITTED, PostgresNotices
from observatory.job_store.changes import Change, decide, events_of
from observatory.job_store.damaged_rows import look_further
from observatory.job_store.port import Applied, ExpiredLease, Lease, LeaseState, Order, Submitted, WorkerInfo
from observatory.job_store.postgres.accepting import accept
from observatory.job_store.postgres.lookup import job_or_error
from observatory.job_store.postgres.queues import HOLD_SETTINGS
from observatory.job_store.postgres.ready import Limits, lock_limits, open_lanes, ready_jobs, ready_unlimited_jobs
from observatory.job_store.postgres.rows import (
    JOB_COLUMN_COUNT,
    JOB_COLUMNS,
    QUEUE,
    UPDATED_COLUMNS,
    UPDATED_TYPES,
    readable_jobs,
    update_values,
)

SQL = load_queries(Path(__file__).with_suffix(".sql"))
LOCK_JOBS = SQL["lock_jobs"].replace("{columns}", JOB_COLUMNS)
DUE = SQL["due"].replace("{columns}", JOB_COLUMNS)
CHANGE = (
    SQL["change"]
    .replace("{event_columns}", VALUE_COLUMNS)
    .replace("{row_columns}", ", ".join(UPDATED_COLUMNS))
    .replace("{rows}", unnest(UPDATED_TYPES))
    .replace("{events}", unnest(VALUE_TYPES, first=len(UPDATED_TYPES) + 1))
)

Answer = Submitted | ObservatoryError

_NOW, _IS_LIMITED = JOB_COLUMN_COUNT, JOB_COLUMN_COUNT + 1
"""Columns of `lock_jobs` behind those of the job."""


class PostgresJobStore:
    """
    Implements `JobStore`. Any number of processes may share the database.

    Args:
        notices: Told after each commit that left events in the outbox.
        producer: Written into the events of every change made through this object.
    """

    def __init__(self, database: PostgresDatabase, notices: PostgresNotices, *, producer: Producer, ids: Ids) -> None:
        self._database = database
        self._notices = notices
        self._producer = producer
        self._ids = ids
        self._submits = self._gathering(self._submit)
        self._submits_with_key = self._gathering(self._submit_soon)
        """By themselves: only these may have to wait for another transaction, which is about to accept the same key."""

    def _gathering(self, together: CarryOut[NewJob, Answer]) -> Gathering[NewJob, Answer]:
        return Gathering(
            together,
            alone=self._submit_alone,
            items_max=limits.BATCH_JOBS_MAX,
            weight_of=lambda new: len(msgspec.json.encode(new.payload)),
            weight_max=limits.READ_BYTES_MAX,
            at_once_max=limits.POSTGRES_SUBMITS_AT_ONCE,
            alone_at_once_max=limits.POSTGRES_SUBMITS_AGAIN_AT_ONCE,
            turn_s_max=limits.POSTGRES_KEY_TURN_S_MAX,
            concerns_one=concerns_one_call,
        )

    async def submit(self, jobs: Sequence[NewJob]) -> list[Submitted | ObservatoryError]:
        assert len(jobs) <= limits.BATCH_JOBS_MAX, f"{len(jobs)} jobs in one submit"
        if not jobs:
            return []
        has_key = any(new.idempotency_key is not None for new in jobs)
        try:
            with translated(StoreUnavailable):
                # Behind others that wait for a server that stands still nobody waits longer than those.
                async with asyncio.timeout(limits.POSTGRES_ANSWER_S_MAX):
                    return await (self._submits_with_key if has_key else self._submits).join(jobs)
        except StoreUnavailable as error:
            if has_key and is_lock_held(error.__cause__):
                raise KeyInUse(str(error)) from error
            raise

    async def _submit(self, jobs: Sequence[NewJob], *, lock_s_max: float | None = None) -> list[Answer]:
        answers = await self._database.write_alone(
            lambda connection: self.accept(connection, jobs, lock_s_max=lock_s_max)
        )
        self._committed()
        return answers

    async def _submit_soon(self, jobs: Sequence[NewJob]) -> list[Answer]:
        """As `_submit`, and gives up soon when one of the keys is held: others are joined with it."""
        return await self._submit(jobs, lock_s_max=limits.POSTGRES_KEY_S_MAX)

    async def _submit_alone(self, jobs: Sequence[NewJob]) -> list[Answer]:
        """As `_submit`, of one caller, who waits a little for a key that is held."""
        return await self._submit(jobs, lock_s_max=limits.POSTGRES_KEY_ALONE_S_MAX)

    async def accept(
        self, connection: Connection, jobs: Sequence[NewJob], *, lock_s_max: float | None = None
    ) -> list[Answer]:
        """What `submit` does, inside the unit that *connection* runs: for drivers whose own rows go with the jobs."""
        at = await connection.fetchval(SQL["now"])
        return await accept(connection, jobs, at, self._producer, lock_s_max=lock_s_max)

    def staged(self) -> None:
        """To be called after the commit of a unit in which `accept` was: events wait for the relay."""
        self._committed()

    def _committed(self) -> None:
        self._notices.tell(COMMITTED, within_s=limits.POSTGRES_COMMITTED_TOLD_S)

    async def claim(
        self, *, types: Sequence[str], worker: str, count_max: int, lease_s: float, buffer_max: int = 0
    ) -> list[Job]:
        assert 0 <= count_max <= limits.CLAIM_BATCH_MAX - buffer_max, f"claim of {count_max} and {buffer_max}"
        assert buffer_max >= 0, f"buffer of {buffer_max}"
        assert 0 < lease_s <= limits.LEASE_S_MAX, f"lease of {lease_s} s"
        if not types or not count_max + buffer_max:
            return []
        begin = Claim(worker=worker, lease_s=lease_s)
        for _ in range(limits.POSTGRES_TRIES_MAX):
            with translated(StoreUnavailable):
                jobs, is_held_up = await self._database.write(
                    lambda connection: self._claim(connection, types, begin, count_max, buffer_max),
                    after=[HOLD_SETTINGS],
                )
            if jobs:
                self._committed()
            if jobs or not is_held_up:
                return jobs
            await asyncio.sleep(limits.POSTGRES_CLAIM_AGAIN_S)
        return []

    async def _claim(
        self, connection: Connection, types: Sequence[str], begin: Claim, count_max: int, buffer_max: int
    ) -> tuple[list[Job], bool]:
        """The jobs, and whether another claim holds a queue from which there may be more."""
        allowed = Limits()
        jobs, at = await ready_unlimited_jobs(connection, types, wanted=count_max + buffer_max)
        if at is None:
            lanes = await open_lanes(connection, types)
            if not lanes:
                return [], False
            allowed = await lock_limits(connection, lanes)
            jobs, at = await ready_jobs(connection, lanes, allowed, wanted=count_max + buffer_max)
        admission = allowed.admission(count_max, buffer_max)
        wait = msgspec.structs.replace(begin, buffered=True)
        if at is None:
            return [], allowed.is_held_up
        changes: list[Change] = []
        for job in jobs:
            if admission.admits(job.queue):
                command = wait if admission.take(job.queue) else begin
                changes.append(Change(transition(job, command, at), job.sequence))
        await self._write(connection, changes)
        return [change.step.job for change in changes], allowed.is_held_up

    async def apply(self, orders: Sequence[Order]) -> list[Applied | ObservatoryError]:
        assert len(orders) <= limits.APPLY_BATCH_MAX, f"{len(orders)} orders in one call"
        assert not any(isinstance(order.command, Accept | Claim) for order in orders), "submit accepts, claim claims"
        if not orders:
            return []
        try:
            with translated(StoreUnavailable):
                answers = await self._database.write(lambda connection: self._apply(connection, orders))
        except StoreUnavailable as error:
            if broken_constraint(error.__cause__) != "outbox_by_job":
                raise
            return await self._apply_apart(orders)
        self._committed()
        return answers

    async def _apply_apart(self, orders: Sequence[Order]) -> list[Applied | ObservatoryError]:
        """Each by itself. A job some of whose events are there already is damaged; the others are not kept from it."""
        if len(orders) == 1:
            return [RowUnreadable(orders[0].job_id)]
        return [answer for order in orders for answer in await self.apply([order])]

    async def _apply(self, connection: Connection, orders: Sequence[Order]) -> list[Applied | ObservatoryError]:
        rows = await connection.fetch(LOCK_JOBS, list({order.job_id for order in orders}))
        at = max((row[_NOW] for row in rows), default=None)
        limited = {row[QUEUE] for row in rows if row[_IS_LIMITED]}
        done = decide(orders, {row[0]: job_or_error(row) for row in rows}, at, limited=limited)
        await self._write(connection, done.changes)
        return done.answers

    async def heartbeat(self, worker: WorkerInfo, leases: Sequence[Lease], *, lease_s: float) -> list[LeaseState]:
        document = msgspec.json.encode(msgspec.structs.replace(worker, heartbeat_at=None)).decode()
        ids, fences = [lease.job_id for lease in leases], [lease.fence for lease in leases]
        values = (worker.instance_id, document, limits.WORKERS_KEPT_S, ids, fences, lease_s)
        with translated(StoreUnavailable):
            rows = await self._database.write_alone(lambda connection: connection.fetch(SQL["heartbeat"], *values))
        held = {(job_id, fence): is_cancel_requested for job_id, fence, is_cancel_requested in rows}
        keys = [(lease.job_id, lease.fence) for lease in leases]
        return [
            LeaseState(lease, is_held=key in held, is_cancel_requested=held.get(key, False))
            for lease, key in zip(leases, keys, strict=True)
        ]

    async def announce(self, types: Sequence[TypeInfo]) -> None:
        documents = {info.type: msgspec.json.encode(info).decode() for info in types}
        values = (list(documents), list(documents.values()))
        with translated(StoreUnavailable):
            await self._database.write_alone(lambda connection: connection.execute(SQL["announce"], *values))

    async def make_due(self, *, count_max: int) -> int:
        with translated(StoreUnavailable):
            if not await self._database.read(lambda connection: connection.fetchval(SQL["has_due"])):
                return 0
            count = await self._database.write(lambda connection: self._make_due(connection, count_max))
        self._committed()
        return count

    async def _make_due(self, connection: Connection, count_max: int) -> int:
        looked_past = 0
        while True:
            rows = await connection.fetch(DUE, count_max + looked_past)
            jobs, unreadable = readable_jobs(rows)
            further = look_further(looked_past, found=len(jobs), wanted=count_max, damaged=len(unreadable))
            if further is None:
                break
            looked_past = further
        due = jobs[:count_max]
        await self._write(
            connection, [Change(transition(job, BecomeDue(), rows[0][_NOW]), job.sequence) for job in due]
        )
        return len(due)

    async def expired_leases(self, *, count_max: int) -> list[ExpiredLease]:
        with translated(StoreUnavailable):
            rows = await self._database.read(lambda connection: connection.fetch(SQL["expired"], count_max))
        return [ExpiredLease(Lease(job_id, fence), attempt, job_type) for job_id, fence, attempt, job_type in rows]

    async def end_leases_of_others(self, worker_ids: Sequence[str]) -> int:
        sql = SQL["end_leases_of_others"]
        with translated(StoreUnavailable):
            tag = await self._database.write_alone(lambda connection: connection.execute(sql, list(worker_ids)))
        return int(tag.rpartition(" ")[2])

    async def _write(self, connection: Connection, changes: Sequence[Change]) -> None:
        """Rows and events of *changes*. A row that changes several times is written once, as the last leaves it."""
        if not changes:
            return
        first: dict[str, int] = {}
        last: dict[str, Job] = {}
        for step, sequence_before, _ in changes:
            first.setdefault(step.job.id, sequence_before)
            last[step.job.id] = step.job
        rows = [update_values(job, first[job.id]) for job in last.values()]
        events = [event_values(event) for event in events_of(changes, producer=self._producer, ids=self._ids)]
        values = (*columns_of(rows, len(UPDATED_TYPES)), *columns_of(events, len(VALUE_TYPES)))
        changed = await connection.fetchval(CHANGE, *values)
        assert changed == len(rows), "a row changed between its lock and its write inside one transaction"
