"""
The contract of the truth, in three ports that one driver implements together.

`JobStore` changes jobs, `Outbox` hands committed events to the relay, `JobQueries` answers
questions from the primary copy.

What every method of `JobStore` guarantees:
    The rules are `core.lifecycle.transition`; a driver locks and moves rows and decides nothing.
    A job's change and its events are one transaction. Events of one job are numbered 1..n without
    a gap. A call is not one transaction for all of its items: each item is atomic by itself.
    Time is the store's clock: all processes that share a store share its clock.

Errors of every method: `StoreUnavailable`. It is then not known whether the call took effect.
Each method says whether it may simply be called again.

A job whose stored row is damaged costs the others nothing. `claim` and `make_due` leave it as it is and go on
to the next; `submit` and `apply` answer what concerns it with `RowUnreadable`; `JobQueries.job` raises that,
and a page names the job beside those that can be read.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from observatory.core.command import Command
from observatory.core.errors import ObservatoryError
from observatory.core.event import Event
from observatory.core.handler import TypeInfo
from observatory.core.job import Job, JobStatus, NewJob
from observatory.core.worker import WorkerInfo


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """An accepted job, or the earlier one with the same idempotency key and fingerprint."""

    job: Job
    is_replay: bool


class Order(msgspec.Struct, frozen=True):
    """One command for one job."""

    job_id: str
    command: Command


class Applied(msgspec.Struct, frozen=True):
    """What a command left behind."""

    job_id: str
    status: JobStatus
    sequence: int
    has_changed: bool
    """False when the job already was as the command wants it."""
    makes_room: bool = False
    """True when the job gave its lease back and its queue has a limit: what waits there may be claimed now."""
    asks_to_stop: bool = False
    """True when the job is leased and a cancel is asked for: its processor should hear of it."""


class Lease(msgspec.Struct, frozen=True):
    """One attempt's right to write."""

    job_id: str
    fence: int


class LeaseState(msgspec.Struct, frozen=True):
    """What a heartbeat learned about one lease."""

    lease: Lease
    is_held: bool
    """False: another claim or a rescue came between; stop the attempt and drop its result."""
    is_cancel_requested: bool


class ExpiredLease(msgspec.Struct, frozen=True):
    """A candidate for a rescue."""

    lease: Lease
    attempt: int
    type: str


class QueueDepth(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How full one queue is. Queues without a job that is not final do not appear."""

    queue: str
    by_status: dict[str, int]
    """Jobs of each status that is not final."""
    oldest_pending_at: datetime | None = None
    """`run_at` of the PENDING job that waits longest; None when none waits."""


class KnownType(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A type that some processor announced."""

    info: TypeInfo
    seen_at: datetime
    """When a processor announced it last, by the store's clock."""


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None must match."""

    status: JobStatus | None = None
    type: str | None = None
    queue: str | None = None
    correlation_id: str | None = None
    idempotency_key: str | None = None


class JobPage(msgspec.Struct, frozen=True):
    """Jobs, newest first."""

    jobs: list[Job]
    next_before: int | None
    """Pass as `before` for the next page; None when this was the last."""
    unreadable: list[str] = []
    """Ids of the jobs that belong on this page and whose rows are damaged."""


class JobStore(Protocol):
    """Changes jobs."""

    async def submit(self, jobs: Sequence[NewJob]) -> list[Submitted | ObservatoryError]:
        """
        Accept *jobs*, each with its `job.created` event.

        Answers come in the order of *jobs*. A job whose idempotency key exists is not accepted: with
        the same fingerprint the answer is the first job as it is now, with another one
        `IdempotencyConflict`. The same holds between two items of one call.

        Durable: when the call returns, accepted jobs survive kill -9 and power loss.
        Idempotent: a job whose id exists already was accepted by an earlier call; the answer is that
        job, as a replay. So the call may be repeated after `StoreUnavailable` with the same NewJobs.

        Args:
            jobs: 0 to `limits.BATCH_JOBS_MAX`.
        """
        ...

    async def claim(
        self, *, types: Sequence[str], worker: str, count_max: int, lease_s: float, buffer_max: int = 0
    ) -> list[Job]:
        """
        Lease PENDING jobs of *types* to *worker*: begin an attempt of up to *count_max* of them, and let up to
        *buffer_max* further ones wait for `Start`, VALIDATED.

        Two concurrent claims never return the same job. Order: priority (0 first), then `run_at`,
        then acceptance, across queues. Never waits for work: an empty list when nothing is due.
        What `Queues` says is read in the same transaction: nothing is claimed from a paused queue, never more of a
        queue with a limit than it has room for, and no job of such a queue is buffered. Neither kind of queue slows
        down or holds up the others, however many of its jobs wait.
        May be repeated after `StoreUnavailable`: a claim that took effect unseen is rescued when its lease ends.

        Args:
            types: Exact type names; none given means nothing is claimed.
            count_max: From 0 to `limits.CLAIM_BATCH_MAX`, together with *buffer_max*. Fewer may come back, never more.
            lease_s: Greater than 0, at most `limits.LEASE_S_MAX`.
        """
        ...

    async def apply(self, orders: Sequence[Order]) -> list[Applied | ObservatoryError]:
        """
        Carry out each order by `core.lifecycle.transition`; answers come in the same order.

        An order that the rules refuse is answered with the error it raised (`LeaseLost`,
        `IllegalTransition`) and one for a job that does not exist with `UnknownJob`; the others
        still take effect. Two orders for one job act one after the other.
        May be repeated after `StoreUnavailable`: what took effect the first time answers with
        `LeaseLost` or `IllegalTransition` the second time.

        Args:
            orders: 0 to `limits.APPLY_BATCH_MAX`. `Accept` and `Claim` are not among them.
        """
        ...

    async def heartbeat(self, worker: WorkerInfo, leases: Sequence[Lease], *, lease_s: float) -> list[LeaseState]:
        """
        Say that *worker* lives, a processor or another process, and extend those of *leases* that it still holds to
        *lease_s* from now.

        Writes no event. May be repeated.
        """
        ...

    async def announce(self, types: Sequence[TypeInfo]) -> None:
        """Make *types* known, replacing what was known under their names. May be repeated."""
        ...

    async def make_due(self, *, count_max: int) -> int:
        """
        Turn up to *count_max* SCHEDULED and RETRYING jobs whose `run_at` has come into PENDING ones.

        Returns how many. May be repeated.
        """
        ...

    async def expired_leases(self, *, count_max: int) -> list[ExpiredLease]:
        """
        Leases that have ended, the longest ended first. A snapshot: only `apply(Rescue)` decides.
        """
        ...

    async def end_leases_of_others(self, worker_ids: Sequence[str]) -> int:
        """
        End, as of now, the leases of every instance but *worker_ids*; their rescue is then permitted.

        Only for the process that holds the data alone. Returns how many. May be repeated.
        """
        ...


class Outbox(Protocol):
    """
    Committed events on their way to the bus, for the relay alone.

    Of a bus that lives and dies with its process, what was committed before the process began counts as
    confirmed: nobody listened then, and whoever comes reads it from the log.
    """

    async def unpublished(self, *, count_max: int) -> list[Event]:
        """
        The oldest events after the confirmed position, with their positions, in order, without a gap: what was not
        confirmed is not pruned.

        Args:
            count_max: From 1 to `limits.RELAY_BATCH_MAX`. Fewer come back, but at least one, when their payloads
                would have more than `limits.READ_BYTES_MAX` as JSON.
        """
        ...

    async def unpublished_positions(self, *, count_max: int) -> range:
        """
        The positions of what `unpublished` gives, for who needs no more; empty when there is nothing.

        There may be more of them, up to *count_max*: payloads count here only where the engine looks at them anyway.
        """
        ...

    async def wait(self, *, timeout_s: float) -> None:
        """Return when something may have been committed since the last call, or when the time is over."""
        ...

    async def confirm(self, position: int) -> None:
        """
        Remember that everything up to *position* was published. Going backwards changes nothing.

        After a restart an earlier position may be remembered: events are published at least once.
        """
        ...

    async def confirmed(self) -> int:
        """Position up to which everything was published; 0 until `unpublished` was asked for the first time."""
        ...

    async def waiting_since(self) -> datetime | None:
        """When the oldest event occurred that waits for the relay or was not confirmed; None when none is known of."""
        ...


class JobQueries(Protocol):
    """Questions to the truth, answered from the primary copy: they see every change that was answered before."""

    async def job(self, job_id: str) -> Job | None:
        """
        The job, or None when no job has this id.

        Raises:
            RowUnreadable: The job exists and its row is damaged.
        """
        ...

    async def jobs(self, filter: JobFilter, *, before: int | None, count_max: int) -> JobPage:
        """
        A page of the jobs that match, newest accepted first.

        A job that is accepted between two pages appears on neither; no job appears twice. One whose row is
        damaged counts like the others and is named in `unreadable`.

        Args:
            before: `next_before` of the page before; None for the first.
            count_max: From 1 to `limits.PAGE_ITEMS_MAX`. Fewer come back, but at least one, when their payloads,
                metadata, progress, results and errors would have more than `limits.READ_BYTES_MAX` as JSON.
        """
        ...

    async def queue_depths(self) -> list[QueueDepth]:
        """Every queue with a job that is not final, by name. Cost grows with open jobs, not with stored ones."""
        ...

    async def processes(self) -> list[WorkerInfo]:
        """
        Every process that was heard of, processors and others, the newest heartbeat first; at most 1,000.

        One whose row is damaged is left out; it is there again with its next heartbeat.
        """
        ...

    async def types(self) -> list[KnownType]:
        """
        Every announced type, by name.

        One whose row is damaged is left out; it is announced anew at the next start of its processor.
        """
        ...
