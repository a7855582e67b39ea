"""Safeguards taken away one at a time, to see that the simulation notices.

Each ablation replaces a part of the product while it lasts, and names the invariants one of which has
to be found violated. A safeguard whose absence nothing notices is untested, or useless.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import msgspec

from observatory.core import lifecycle
from observatory.core.command import Cancel, Rescue
from observatory.core.event import EventType
from observatory.core.job import Job, JobStatus
from observatory.core.queue import Admission
from observatory.event_bus.consume import Consumer
from observatory.event_bus.port import Delivery, Subscription
from observatory.job_store.pruning import Folded
from observatory.job_store.sqlite import accepting as job_store_accepting
from observatory.job_store.sqlite import pruning as job_store_pruning
from observatory.job_store.sqlite import store as job_store_sqlite
from observatory.job_store.sqlite.store import SqliteJobStore
from observatory.maintenance.pruner import Pruner
from observatory.maintenance.relay import Relay
from observatory.processor.claims import Claims
from observatory.processor.heartbeats import Heartbeats
from observatory.view_store.projection import Projection
from tests.simulation.checkers import Violation
from tests.simulation.world import Outcome, World, run_seed

SEEDS_MAX = 200
"""Within so many seeds each ablation has to be caught."""


class Ablation(msgspec.Struct, frozen=True):
    """One safeguard less."""

    name: str
    invariants: frozenset[str]
    """One of them is violated."""
    applied: Callable[[], contextlib.AbstractContextManager[Any]]
    """The safeguard is absent inside this context."""


class Catch(msgspec.Struct, frozen=True):
    """How an ablation was caught."""

    seeds: int
    """Tried until then, the last one included."""
    outcome: Outcome

    @property
    def invariant(self) -> str:
        """Id of what was found violated; the error's name when it was none of ours."""
        failure = self.outcome.failure
        return failure.invariant if isinstance(failure, Violation) else type(failure).__name__


def hunt(ablation: Ablation, *, seeds_max: int = SEEDS_MAX) -> Catch | None:
    """Try seed after seed until one fails; None when none does."""
    with ablation.applied():
        for seed in range(seeds_max):
            outcome = run_seed(seed)
            if outcome.failure is not None:
                return Catch(seed + 1, outcome)
    return None


# --- the rules -------------------------------------------------------------------------------------


def _without_fence() -> Any:
    """Whoever ran the job once may settle it, as long as somebody runs it."""
    return mock.patch.object(lifecycle, "fence_is_current", lambda job, fence: job.status.is_leased)


def _without_rescue_recheck() -> Any:
    """The snapshot of expired leases is believed."""

    def rescue(job: Job, command: Rescue, at: datetime) -> Any:
        current = msgspec.structs.replace(command, fence=job.fence)
        return original(msgspec.structs.replace(job, lease_expires_at=job.lease_expires_at and at), current, at)

    original = lifecycle._RULES[Rescue]
    return mock.patch.dict(lifecycle._RULES, {Rescue: rescue})


def _without_expiry_recheck() -> Any:
    """A lease that was extended after the snapshot is ended all the same."""
    return mock.patch.object(lifecycle, "lease_has_ended", lambda job, at: job.lease_expires_at is not None)


def _without_retry_bound() -> Any:
    """Every failure is followed by another attempt."""

    def after_failure(job: Job, retry_in_s: float | None, at: datetime) -> Any:
        if retry_in_s is None or job.cancel_requested_at is not None:
            return original(job, retry_in_s, at)
        changes = {"status": JobStatus.RETRYING, "run_at": at + timedelta(seconds=retry_in_s)}
        return EventType.RETRIED, changes, {}

    original = lifecycle._after_failure
    return mock.patch.object(lifecycle, "_after_failure", after_failure)


def _without_final_check() -> Any:
    """A cancel takes effect on what is over."""

    def cancel(job: Job, command: Cancel, at: datetime) -> Any:
        if not job.status.is_final:
            return original(job, command, at)
        return lifecycle._step(job, at, lifecycle._cancelled(at))

    original = lifecycle._RULES[Cancel]
    return mock.patch.dict(lifecycle._RULES, {Cancel: cancel})


def _without_due_check() -> Any:
    """What waits for its time is made PENDING at once."""

    def become_due(job: Job, command: Any, at: datetime) -> Any:
        return lifecycle._step(job, at, (EventType.QUEUED, {"status": JobStatus.PENDING}, {}))

    def due_ids(connection: sqlite3.Connection, at: datetime, count_max: int) -> list[str]:
        return original(connection, at + timedelta(days=400), count_max)

    original = job_store_sqlite._due_ids
    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.dict(lifecycle._RULES, {lifecycle.BecomeDue: become_due}))
    stack.enter_context(mock.patch.object(job_store_sqlite, "_due_ids", due_ids))
    return stack


def _without_attempt_count() -> Any:
    """A lost lease gives its attempt back, so that a job that kills its processor is repeated for ever."""

    def rescue(job: Job, command: Rescue, at: datetime) -> Any:
        step = original(job, command, at)
        return lifecycle.Transition(msgspec.structs.replace(step.job, attempt=max(job.attempt - 1, 0)), step.facts)

    original = lifecycle._RULES[Rescue]
    return mock.patch.dict(lifecycle._RULES, {Rescue: rescue})


# --- the processor ---------------------------------------------------------------------------------


def _without_self_fence() -> Any:
    """A processor that cannot reach the store runs on."""
    return mock.patch.object(Heartbeats, "_stop_expiring", lambda self: None)


def _without_heartbeat_deadline() -> Any:
    """A heartbeat waits for its answer as long as it takes."""
    return mock.patch.object(Heartbeats, "_patience_s", lambda self, now_s: 1e6)


def _without_late_claim_check() -> Any:
    """What was claimed is begun, however late the answer comes."""
    return mock.patch.object(Claims, "_is_too_late", lambda self, asked_s: False)


# --- the store -------------------------------------------------------------------------------------


def _without_atomic_outbox() -> Any:
    """Events are written by a second unit of work, after the one that changed the row."""

    def write_events(self: SqliteJobStore, connection: sqlite3.Connection, pending: Sequence[Any]) -> None:
        kept = list(pending)

        async def second_unit() -> None:
            with contextlib.suppress(sqlite3.Error):
                await self._file.write(lambda other: original(self, other, kept))

        asyncio.get_running_loop().create_task(second_unit())

    original = SqliteJobStore._write_events
    return mock.patch.object(SqliteJobStore, "_write_events", write_events)


def _without_idempotency() -> Any:
    """Neither the look-up nor the unique index knows keys."""

    def jobs_by_key(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Any]:
        return {}

    def prepare(self: World, connection: sqlite3.Connection) -> None:
        connection.execute("DROP INDEX jobs_by_key")

    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(job_store_accepting, "jobs_by_key", jobs_by_key))
    stack.enter_context(mock.patch.object(World, "prepare", prepare))
    return stack


def _without_fenced_heartbeat() -> Any:
    """A heartbeat extends whatever lease the job has."""
    sql = job_store_sqlite.SQL["extend_lease"]
    assert "fence = ?" in sql
    unfenced = sql.replace("fence = ?", "0 <= ?")
    return mock.patch.dict(job_store_sqlite.SQL, {"extend_lease": unfenced})


def _without_rollup() -> Any:
    """Jobs are pruned and counted nowhere."""
    return mock.patch.object(job_store_pruning, "_add_to_rollup", lambda connection, jobs, folded: None)


def _without_final_only() -> Any:
    """Time alone decides what is pruned, counted from when the job was accepted."""
    sql = job_store_pruning.SQL
    return mock.patch.dict(
        sql,
        {
            "finished": "SELECT number, id, sequence FROM jobs "
            "WHERE ?1 <> '' AND ?2 <> '' AND created_at <= ?3 LIMIT ?4",
            "delete_job": "DELETE FROM jobs WHERE id = ?",
        },
    )


def _without_folded_check() -> Any:
    """What the counters have not seen is pruned as well."""

    async def folded(self: Pruner) -> Folded | None:
        found = await original(self)
        return None if found is None else msgspec.structs.replace(found, until=10**9)

    original = Pruner._folded
    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(Pruner, "_folded", folded))
    sql = "SELECT generation, 1000000000 FROM views WHERE name = ?"
    stack.enter_context(mock.patch.dict(job_store_pruning.SQL, {"view": sql}))
    return stack


def _without_pauses() -> Any:
    """A claim does not ask which queues are paused."""

    def init(self: Admission, *, paused: Any, **wanted: Any) -> None:
        original(self, **wanted)

    original = Admission.__init__
    return mock.patch.object(Admission, "__init__", init)


def _without_count_of_leases() -> Any:
    """A claim takes as many of a limited queue as its limit says, however many are leased already."""

    def init(self: Admission, *, leased: Any, **wanted: Any) -> None:
        original(self, **wanted)

    original = Admission.__init__
    return mock.patch.object(Admission, "__init__", init)


# --- movement and views ----------------------------------------------------------------------------


def _without_confirm_wait() -> Any:
    """The relay forgets events before the bus has taken them."""

    async def run_once(self: Relay) -> int:
        events = await self._outbox.unpublished(count_max=100)
        if events:
            await self._outbox.confirm(events[-1].position or 0)
            await self._bus.publish(events)
        return len(events)

    return mock.patch.object(Relay, "run_once", run_once)


def _without_checkpoint() -> Any:
    """The projection folds what it is given, seen or not."""

    async def fold(self: Projection[Any], events: Sequence[Any], *, after: int | None = None) -> int:
        if self._view is None:
            await self.load()
        for event in events:
            if event.position <= self.checkpoint:
                self._view = self._fold(self._view, event)
        return await original(self, events, after=after)

    original = Projection.fold
    return mock.patch.object(Projection, "fold", fold)


def _without_gap_check() -> Any:
    """The consumer takes what comes for all there is."""

    async def catch_up(self: Consumer, until: int | None) -> int:
        return 0 if until is not None else await original(self, until)

    original = Consumer._catch_up
    return mock.patch.object(Consumer, "_catch_up", catch_up)


def _without_new_subscription() -> Any:
    """A consumer whose connection is gone keeps asking it."""

    async def receive(self: Consumer, subscription: Subscription, *, timeout_s: float) -> Delivery | None:
        return await subscription.receive(timeout_s=timeout_s)

    return mock.patch.object(Consumer, "_receive", receive)


ABLATIONS = (
    Ablation("fence", frozenset({"L3", "L4"}), _without_fence),
    Ablation("rescue-recheck", frozenset({"L5"}), _without_rescue_recheck),
    Ablation("rescue-expiry", frozenset({"L5"}), _without_expiry_recheck),
    Ablation("retry-bound", frozenset({"R1"}), _without_retry_bound),
    Ablation("final-is-final", frozenset({"S3", "S1"}), _without_final_check),
    Ablation("due-time", frozenset({"R2"}), _without_due_check),
    Ablation("attempt-ledger", frozenset({"S5", "S9"}), _without_attempt_count),
    Ablation("self-fence", frozenset({"L6"}), _without_self_fence),
    Ablation("heartbeat-deadline", frozenset({"L6"}), _without_heartbeat_deadline),
    Ablation("late-claim", frozenset({"L6"}), _without_late_claim_check),
    Ablation("outbox-atomicity", frozenset({"S4", "S5"}), _without_atomic_outbox),
    Ablation("idempotency", frozenset({"A2", "A3"}), _without_idempotency),
    Ablation("heartbeat-fence", frozenset({"L4"}), _without_fenced_heartbeat),
    Ablation("paused-queues", frozenset({"Q1"}), _without_pauses),
    Ablation("queue-limits", frozenset({"Q2"}), _without_count_of_leases),
    Ablation("relay-confirm", frozenset({"M4", "M5"}), _without_confirm_wait),
    Ablation("checkpoint", frozenset({"D1"}), _without_checkpoint),
    Ablation("new-subscription", frozenset({"V1"}), _without_new_subscription),
    Ablation("rollup", frozenset({"D6"}), _without_rollup),
    Ablation("prune-final", frozenset({"P1"}), _without_final_only),
    Ablation("prune-counted", frozenset({"D6", "S4", "M4"}), _without_folded_check),
    Ablation("gap-check", frozenset({"AssertionError"}), _without_gap_check),
)
"""A gap is noticed by the projection itself, which asserts that there is none."""
