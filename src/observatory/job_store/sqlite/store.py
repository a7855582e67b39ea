"""`JobStore` over one `SqliteFile`.

SQLite has one writer, so no row lock is needed: inside a unit of work nothing else writes. Each
unit reads rows, asks `core.lifecycle.transition`, and writes rows and events back.
"""

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.command import Accept, BecomeDue, Claim
from observatory.core.errors import (
    ObservatoryError,
    StoreUnavailable,
)
from observatory.core.event import Producer
from observatory.core.handler import TypeInfo
from observatory.core.job import Job, NewJob
from observatory.core.lifecycle import transition
from observatory.core.sources import Clock, Ids
from observatory.engine.instants import to_us
from observatory.engine.named_queries import load_queries
from observatory.engine.sqlite_events import insert_events
from observatory.engine.sqlite_file import SqliteFile, translated
from observatory.engine.sqlite_rows import update_rows
from observatory.job_store.changes import Change, decide, events_of
from observatory.job_store.damaged_rows import look_further
from observatory.job_store.port import (
    Applied,
    ExpiredLease,
    Lease,
    LeaseState,
    Order,
    Submitted,
    WorkerInfo,
)
from observatory.job_store.sqlite.accepting import accept
from observatory.job_store.sqlite.lookup import jobs_by_id, rows_by_id
from observatory.job_store.sqlite.ready import has_ready, limited_queues, read_admission, ready_jobs
from observatory.job_store.sqlite.rows import (
    readable_jobs,
    update_values,
)

SQL = load_queries(Path(__file__).with_suffix(".sql"))


class SqliteJobStore:
    """
    Implements `JobStore`.

    Args:
        producer: Written into the events of every change made through this object.
        clock: The store's clock: the process that owns the file is alone, so its clock is the database's.
    """

    def __init__(self, file: SqliteFile, *, producer: Producer, clock: Clock, ids: Ids) -> None:
        self._file = file
        self._producer = producer
        self._clock = clock
        self._ids = ids
        self._unreadable_count = 0
        """Rows that were in the way of the last choice: so many more are looked at by the next one."""

    async def submit(self, jobs: Sequence[NewJob]) -> list[Submitted | ObservatoryError]:
        assert len(jobs) <= limits.BATCH_JOBS_MAX, f"{len(jobs)} jobs in one submit"
        with translated(StoreUnavailable):
            return await self._file.write(lambda connection: self.accept(connection, jobs))

    def accept(self, connection: Connection, jobs: Sequence[NewJob]) -> list[Submitted | ObservatoryError]:
        """What `submit` does, inside the unit that *connection* runs: for drivers whose own rows go with the jobs."""
        done = accept(connection, jobs, self._clock.now())
        self._write_events(connection, done.pending)
        return done.answers

    async def claim(
        self, *, types: Sequence[str], worker: str, count_max: int, lease_s: float, buffer_max: int = 0
    ) -> list[Job]:
        assert 0 <= count_max <= limits.CLAIM_BATCH_MAX - buffer_max, f"claim of {count_max} and {buffer_max}"
        assert buffer_max >= 0, f"buffer of {buffer_max}"
        assert 0 < lease_s <= limits.LEASE_S_MAX, f"lease of {lease_s} s"
        if not types or not count_max + buffer_max:
            return []
        begin = Claim(worker=worker, lease_s=lease_s)
        room = (count_max, buffer_max)
        with translated(StoreUnavailable):
            return await self._file.write(lambda connection: self._claim(connection, types, begin, *room))

    def _claim(
        self, connection: Connection, types: Sequence[str], begin: Claim, count_max: int, buffer_max: int
    ) -> list[Job]:
        if not has_ready(connection, types):
            return []
        at, pending = self._clock.now(), list[Change]()
        wait = msgspec.structs.replace(begin, buffered=True)
        admission = read_admission(connection, count_max, buffer_max)
        with contextlib.closing(ready_jobs(connection, types, admission)) as ready:
            for job in ready:
                command = wait if admission.take(job.queue) else begin
                pending.append(Change(transition(job, command, at), job.sequence))
        self._write(connection, pending)
        return [step.job for step, _, _ in pending]

    async def apply(self, orders: Sequence[Order]) -> list[Applied | ObservatoryError]:
        assert len(orders) <= limits.APPLY_BATCH_MAX, f"{len(orders)} orders in one call"
        assert not any(isinstance(order.command, Accept | Claim) for order in orders), "submit accepts, claim claims"
        if not orders:
            return []
        with translated(StoreUnavailable):
            return await self._file.write(lambda connection: self._apply(connection, orders))

    def _apply(self, connection: Connection, orders: Sequence[Order]) -> list[Applied | ObservatoryError]:
        job_ids = list(dict.fromkeys(order.job_id for order in orders))
        jobs = jobs_by_id(connection, job_ids)
        done = decide(orders, jobs, self._clock.now(), limited=limited_queues(connection))
        self._write(connection, done.changes)
        return done.answers

    async def heartbeat(self, worker: WorkerInfo, leases: Sequence[Lease], *, lease_s: float) -> list[LeaseState]:
        with translated(StoreUnavailable):
            return await self._file.write(lambda connection: self._heartbeat(connection, worker, leases, lease_s))

    def _heartbeat(
        self, connection: Connection, worker: WorkerInfo, leases: Sequence[Lease], lease_s: float
    ) -> list[LeaseState]:
        at = self._clock.now()
        ends_us = to_us(at + timedelta(seconds=lease_s))
        document = msgspec.json.encode(msgspec.structs.replace(worker, heartbeat_at=None)).decode()
        connection.execute(SQL["save_worker"], (worker.instance_id, to_us(at), document))
        connection.execute(SQL["forget_workers"], (to_us(at - timedelta(seconds=limits.WORKERS_KEPT_S)),))
        states: list[LeaseState] = []
        for lease in leases:
            row = connection.execute(SQL["extend_lease"], (ends_us, lease.job_id, lease.fence)).fetchone()
            states.append(LeaseState(lease, is_held=row is not None, is_cancel_requested=bool(row and row[0])))
        return states

    async def announce(self, types: Sequence[TypeInfo]) -> None:
        def unit(connection: Connection) -> None:
            at_us = to_us(self._clock.now())
            rows = [(info.type, at_us, msgspec.json.encode(info).decode()) for info in types]
            connection.executemany(SQL["save_type"], rows)

        with translated(StoreUnavailable):
            await self._file.write(unit)

    async def make_due(self, *, count_max: int) -> int:
        with translated(StoreUnavailable):
            if not await self._file.read(lambda connection: _due_ids(connection, self._clock.now(), 1)):
                return 0
            return await self._file.write(lambda connection: self._make_due(connection, count_max))

    def _make_due(self, connection: Connection, count_max: int) -> int:
        at = self._clock.now()

        def choose(count_max: int) -> list[tuple[Any, ...]]:
            return rows_by_id(connection, _due_ids(connection, at, count_max))

        jobs = self._readable(choose, count_max)
        jobs.sort(key=lambda job: (job.run_at, job.id))
        self._write(connection, [Change(transition(job, BecomeDue(), at), job.sequence) for job in jobs])
        return len(jobs)

    async def expired_leases(self, *, count_max: int) -> list[ExpiredLease]:
        at_us = to_us(self._clock.now())
        with translated(StoreUnavailable):
            rows = await self._file.read(
                lambda connection: connection.execute(SQL["expired"], (at_us, count_max)).fetchall()
            )
        return [ExpiredLease(Lease(job_id, fence), attempt, job_type) for job_id, fence, attempt, job_type in rows]

    async def end_leases_of_others(self, worker_ids: Sequence[str]) -> int:
        def unit(connection: Connection) -> int:
            at_us = to_us(self._clock.now())
            sql = SQL["end_leases_of_others"].replace("{workers}", ", ".join("?" * len(worker_ids)))
            return connection.execute(sql, (at_us, at_us, *worker_ids)).rowcount

        with translated(StoreUnavailable):
            return await self._file.write(unit)

    def _readable(self, choose: Callable[[int], list[tuple[Any, ...]]], count_max: int) -> list[Job]:
        """The first *count_max* jobs of what *choose* gives, past the rows that are damaged."""
        looked_past = self._unreadable_count
        while True:
            jobs, unreadable = readable_jobs(choose(count_max + looked_past))
            self._unreadable_count = min(len(unreadable), limits.UNREADABLE_ROWS_MAX)
            further = look_further(looked_past, found=len(jobs), wanted=count_max, damaged=len(unreadable))
            if further is None:
                return jobs[:count_max]
            looked_past = further

    # --- writing ------------------------------------------------------------------------------

    def _write(self, connection: Connection, pending: Sequence[Change]) -> None:
        for steps in _one_of_each_job(pending):
            rows = [update_values(step.job, sequence_before) for step, sequence_before, _ in steps]
            changed = update_rows(connection, SQL["update_jobs"], rows)
            assert changed == len(rows), "a row changed between its read and its write inside one transaction"
        self._write_events(connection, pending)

    def _write_events(self, connection: Connection, pending: Sequence[Change]) -> None:
        events = events_of(pending, producer=self._producer, ids=self._ids)
        self._file.written(insert_events(connection, events))


def _one_of_each_job(pending: Sequence[Change]) -> list[list[Change]]:
    """The first steps of all jobs, then the second ones, and so on: rows of one statement do not see each other."""
    rounds: list[list[Change]] = []
    steps_of: dict[str, int] = {}
    for one in pending:
        number = steps_of.get(one[0].job.id, 0)
        steps_of[one[0].job.id] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(one)
    return rounds


def _due_ids(connection: Connection, at: datetime, count_max: int) -> list[str]:
    return [job_id for (job_id,) in connection.execute(SQL["delayed"], (to_us(at), count_max))]
