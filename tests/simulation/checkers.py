"""The invariants, each under its id; `docs/decisions/0004-simulation-loop.md` lists them.

`History` judges every commit the moment it took effect: what changed in the rows (temporary
triggers on the writer's connection note it) and which events were written with it. It keeps its own
copy of every job, folded from the events, and never asks the code under test what it meant.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.command import Command, Rescue
from observatory.core.errors import IdempotencyConflict
from observatory.core.event import Event, EventType
from observatory.core.folds import StatsView, canonical, comparable, fold_job, fold_stats, wire_form
from observatory.core.job import FINAL, JobStatus, JsonObject, NewJob, Outcome
from observatory.core.lifecycle import ALLOWED
from observatory.engine.instants import from_us, to_us
from observatory.engine.sqlite_events import EVENT_COLUMNS, event_of_row
from observatory.job_store.sqlite.rows import JOB_COLUMNS, job_of_row
from observatory.view_store.port import StoredView
from tests.simulation.loop import Node


class Violation(Exception):
    """
    An invariant does not hold.

    Args:
        invariant: Its id.
    """

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant


def require(condition: object, invariant: str, what: str) -> None:
    """Raise the violation of *invariant* unless *condition* holds."""
    if not condition:
        raise Violation(invariant, what)


# --- what the writer's connection notes ------------------------------------------------------------

_WATCHED = ("status", "fence", "sequence", "attempt", "worker", "lease_expires_at", "run_at")
_FIXED = ("id", "type", "payload", "idempotency_key", "created_at", "max_attempts", "fingerprint", "queue", "priority")


def events_after(connection: sqlite3.Connection, position: int) -> list[Event]:
    """All of them, without the bounds of a read."""
    rows = connection.execute(f"SELECT {EVENT_COLUMNS} FROM events WHERE position > ? ORDER BY position", (position,))
    return [event_of_row(row) for row in rows]


def watch_rows(connection: sqlite3.Connection) -> None:
    """Make *connection* note every change of a job's row; what is rolled back is forgotten with it."""
    before = ", ".join(f"before_{name}" for name in _WATCHED)
    is_same = " AND ".join(f"OLD.{name} IS NEW.{name}" for name in _FIXED)
    connection.executescript(
        f"""
        PRAGMA temp_store = MEMORY;
        CREATE TEMP TABLE row_changes (n INTEGER PRIMARY KEY, job_id, {before}, {", ".join(_WATCHED)}, is_fixed_same);
        CREATE TEMP TRIGGER saw_insert AFTER INSERT ON jobs BEGIN
            INSERT INTO row_changes (job_id, {", ".join(_WATCHED)}, is_fixed_same)
            VALUES (NEW.id, {", ".join(f"NEW.{name}" for name in _WATCHED)}, 1);
        END;
        CREATE TEMP TRIGGER saw_update AFTER UPDATE ON jobs BEGIN
            INSERT INTO row_changes (job_id, {before}, {", ".join(_WATCHED)}, is_fixed_same)
            VALUES (NEW.id, {", ".join(f"OLD.{name}" for name in _WATCHED)},
                {", ".join(f"NEW.{name}" for name in _WATCHED)}, {is_same});
        END;
        CREATE TEMP TABLE claims_seen (n INTEGER PRIMARY KEY, job_id, queue, is_paused, concurrency_max, leased);
        CREATE TEMP TRIGGER saw_claim AFTER UPDATE ON jobs WHEN OLD.worker IS NULL AND NEW.worker IS NOT NULL BEGIN
            INSERT INTO claims_seen (job_id, queue, is_paused, concurrency_max, leased) VALUES (
                NEW.id, NEW.queue,
                (SELECT paused_at IS NOT NULL FROM queues WHERE queue = NEW.queue),
                (SELECT concurrency_max FROM queues WHERE queue = NEW.queue),
                (SELECT count(*) FROM jobs WHERE queue = NEW.queue AND worker IS NOT NULL)
            );
        END;
        CREATE TEMP TRIGGER saw_delete AFTER DELETE ON jobs BEGIN
            INSERT INTO row_changes (job_id, before_status, is_fixed_same) VALUES (OLD.id, OLD.status, 1);
        END;
        """
    )


KEPT_S = 20
"""How long this world keeps final jobs: shorter than its faults last."""


def _without_time(stats: StatsView) -> bytes:
    """The counters; of the last event's time the rollup keeps the greatest, whatever its position."""
    return canonical(msgspec.structs.replace(stats, last_event_time=None))


class RowChange(msgspec.Struct, frozen=True):
    """One statement's effect on one row."""

    n: int
    job_id: str
    status_before: str | None
    fence_before: int | None
    sequence_before: int | None
    attempt_before: int | None
    worker_before: str | None
    lease_before: int | None
    run_at_before: int | None
    status: str | None
    """None: the row was deleted."""
    fence: int
    sequence: int
    attempt: int
    worker: str | None
    lease: int | None
    run_at: int
    is_fixed_same: int


class ClaimSeen(msgspec.Struct, frozen=True):
    """One job that was claimed, with what held for its queue inside of that transaction."""

    n: int
    job_id: str
    queue: str
    is_paused: int | None
    concurrency_max: int | None
    leased: int
    """Jobs of the queue that were leased then, this one among them."""


class SaidApplied(msgspec.Struct, frozen=True):
    """The driver answered that a fenced command took effect."""

    job_id: str
    command: Command
    sequence: int
    has_changed: bool


class SaidExtended(msgspec.Struct, frozen=True):
    """The driver answered that a heartbeat extended a lease."""

    job_id: str
    fence: int
    fence_in_row: int
    is_leased: bool


class JobMirror:
    """What the events say about one job."""

    def __init__(self) -> None:
        self.document: JsonObject | None = None
        self.status: JobStatus | None = None
        self.sequence = 0
        self.fence_by_sequence: dict[int, int] = {0: 0}
        self.fence_max = 0
        self.begun = 0
        self.ended = 0
        self.is_attempt_open = False
        self.last_outcome: str | None = None
        self.terminals = 0
        self.lease: int | None = None
        """End of the lease as the row says it: heartbeats move it without an event."""


class QueuePromises:
    """What was answered about pauses."""

    def __init__(self) -> None:
        self._paused: set[str] = set()
        self._resumes = Counter[str]()

    def note_paused(self, queue: str) -> None:
        self._paused.add(queue)

    def note_resume_sent(self, queue: str) -> None:
        self._paused.discard(queue)
        self._resumes[queue] += 1

    def note_resumed(self, queue: str) -> None:
        """Its answer came. A resume that was sent by a caller who died may take effect at any time."""
        self._resumes[queue] -= 1

    def is_paused(self, queue: str) -> bool:
        return queue in self._paused and not self._resumes[queue]


class History:
    """Judges commit after commit."""

    def __init__(self) -> None:
        self.queues = QueuePromises()
        self.claims_of_limited = 0
        self._claims_seen = 0
        self.jobs: dict[str, JobMirror] = {}
        self.events: list[Event] = []
        self.stats = StatsView()
        self.pruned: set[str] = set()
        self.just_pruned: list[str] = []
        """By the last commit."""
        self.pruned_stats = StatsView()
        self._pruned_positions: set[int] = set()
        self.commits = 0
        self._rows_seen = 0

    @property
    def position(self) -> int:
        return len(self.events)

    def lease_end(self, job_id: str, fence: int) -> datetime | None:
        """Until when the job is leased to the running attempt with *fence*; None when it does not run."""
        job = self.jobs.get(job_id)
        if (
            job is None
            or job.document is None
            or not job.is_attempt_open
            or job.document["fence"] != fence
            or job.lease is None
        ):
            return None
        return from_us(job.lease)

    def begin_file(self) -> None:
        """The file was opened anew: its notes begin at one again."""
        self._rows_seen = self._claims_seen = 0

    def after_commit(self, connection: sqlite3.Connection, said: Sequence[Any], at: datetime) -> list[Event]:
        """Judge what one commit did; returns its events."""
        self.commits += 1
        rows = connection.execute("SELECT * FROM row_changes WHERE n > ? ORDER BY n", (self._rows_seen,))
        changes = [RowChange(*row) for row in rows]
        events = events_after(connection, self.position)
        if changes:
            self._rows_seen = changes[-1].n
        self.just_pruned = [change.job_id for change in changes if change.status is None]
        changes = [change for change in changes if change.status is not None]
        for job_id in self.just_pruned:
            self._check_pruned(connection, job_id, at)
        for change in changes:
            self._check_row(change, at)
        self._check_claims(connection)
        for event in events:
            self._check_event(event, at)
        self._check_said(said, changes, at)
        self._check_folds(connection, {change.job_id for change in changes}, events)
        if self.just_pruned:
            self._check_rollup(connection)
        return events

    # --- pruning ------------------------------------------------------------------------------

    def _check_pruned(self, connection: sqlite3.Connection, job_id: str, at: datetime) -> None:
        """Only an expired final job goes, with all of its events, after the counters have seen them."""
        job = self.jobs.pop(job_id)
        require(job.status is not None and job.status.is_final, "P1", f"job {job_id} was pruned while {job.status}")
        assert job.document is not None
        finished = msgspec.convert(job.document["finishedAt"], datetime)
        kept_s = (at - finished).total_seconds()
        require(kept_s >= KEPT_S, "P1", f"job {job_id} was pruned {kept_s} s after it became final")
        left = connection.execute("SELECT count(*) FROM events WHERE job_id = ?", (job_id,)).fetchone()[0]
        require(left == 0, "D6", f"{left} events of job {job_id} are left")
        row = connection.execute("SELECT checkpoint FROM views").fetchone()
        counted = 0 if row is None else row[0]
        for event in self.events:
            if event.job_id == job_id and event.position not in self._pruned_positions:
                require((event.position or 0) <= counted, "D6", f"{event.idempotency_key} was pruned before it counted")
                self._pruned_positions.add(event.position or 0)
                self.pruned_stats = fold_stats(self.pruned_stats, event)
        self.pruned.add(job_id)

    def _check_rollup(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT jobs, events, positions_sum, document FROM pruned").fetchone()
        require(row is not None, "D6", f"{self.just_pruned} was pruned and is in no rollup")
        stats = msgspec.json.decode(row[3], type=StatsView)
        found = (*row[:3], _without_time(stats))
        wanted = (
            self.pruned_stats.total_jobs,
            len(self._pruned_positions),
            sum(self._pruned_positions),
            _without_time(self.pruned_stats),
        )
        require(found == wanted, "D6", f"the rollup is {found}, what was pruned gives {wanted}")

    # --- rows ---------------------------------------------------------------------------------

    def _check_row(self, change: RowChange, at: datetime) -> None:
        job = change.job_id
        self.jobs.setdefault(job, JobMirror()).lease = change.lease
        require(change.is_fixed_same, "S8", f"job {job} lost its row or a field that never changes")
        if change.status_before is None or change.fence_before is None:
            return
        require(change.status_before not in FINAL, "S3", f"the row of job {job} changed after {change.status_before}")
        require(change.fence >= change.fence_before, "L2", f"the fence of job {job} fell to {change.fence}")
        if change.worker_before != change.worker and change.worker is not None:
            require(change.lease_before is None, "L1", f"job {job} was leased to {change.worker_before} when claimed")
            require(change.fence > change.fence_before, "L2", f"job {job} was claimed with the same fence")
            require(change.run_at <= to_us(at), "L8", f"job {job} was claimed before it was due")
        if change.sequence == change.sequence_before:
            same = change.status == change.status_before and change.fence == change.fence_before
            require(same, "S5", f"job {job} changed without an event")

    def _check_claims(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT * FROM claims_seen WHERE n > ? ORDER BY n", (self._claims_seen,))
        for claim in [ClaimSeen(*row) for row in rows]:
            self._claims_seen = claim.n
            what = f"job {claim.job_id} was claimed from {claim.queue}"
            require(not claim.is_paused, "Q1", f"{what}, which is paused")
            require(not self.queues.is_paused(claim.queue), "Q1", f"{what} after its pause was answered")
            most = claim.concurrency_max
            require(most is None or claim.leased <= most, "Q2", f"{what} as the {claim.leased}. of {most}")
            self.claims_of_limited += most is not None

    # --- events -------------------------------------------------------------------------------

    def _check_event(self, event: Event, at: datetime) -> None:
        require(event.position == self.position + 1, "S4", f"position {event.position} follows {self.position}")
        job = self.jobs.setdefault(event.job_id, JobMirror())
        require(event.sequence == job.sequence + 1, "S4", f"{event.idempotency_key} follows {job.sequence}")
        require(job.status is None or not job.status.is_final, "S3", f"{event.event_type} after {job.status}")
        kind, status = EventType(event.event_type), JobStatus(event.payload["status"])
        require((job.status, kind, status) in ALLOWED, "S1", f"{event.job_id}: {job.status} → {kind} → {status}")
        if job.sequence:
            said = event.payload.get("previousStatus")
            require(said == job.status, "S1", f"{event.idempotency_key} says that it follows {said}, not {job.status}")
        self._check_attempts(job, event, kind)
        self._check_due(job, event, kind, at)
        job.document = fold_job(job.document, event)
        job.sequence, job.status = event.sequence, status
        job.terminals += status.is_final and kind is not EventType.EXECUTED
        require(job.terminals <= 1, "S2", f"job {event.job_id} became final twice")
        fence = job.document["fence"]
        require(kind is not EventType.VALIDATED or fence > job.fence_max, "L2", f"fence {fence} was used before")
        job.fence_max = max(job.fence_max, fence)
        job.fence_by_sequence[event.sequence] = fence
        require(job.document["attempt"] <= job.document["maxAttempts"], "R1", f"job {event.job_id}: one attempt more")
        self.events.append(event)
        self.stats = fold_stats(self.stats, event)

    def _check_attempts(self, job: JobMirror, event: Event, kind: EventType) -> None:
        name, payload = event.idempotency_key, event.payload
        if kind is EventType.STARTED or (kind is EventType.VALIDATED and payload["status"] == JobStatus.EXECUTING):
            assert job.document is not None
            require(not job.is_attempt_open, "S9", f"{name}: an attempt begins while one is open")
            require(payload["attempt"] == job.document["attempt"] + 1, "S9", f"{name}: attempt {payload['attempt']}")
            job.is_attempt_open, job.begun = True, job.begun + 1
        elif kind is EventType.EXECUTED or (job.is_attempt_open and kind is EventType.FAILED):
            require(job.is_attempt_open, "S9", f"{name}: no attempt is open")
            job.is_attempt_open, job.ended = False, job.ended + 1
            job.last_outcome = payload.get("outcome")
        elif kind is EventType.RETRIED and job.last_outcome != Outcome.SNOOZED:
            assert job.document is not None
            is_left = job.document["attempt"] < job.document["maxAttempts"]
            require(is_left, "R1", f"{name}: retried after the last of {job.document['maxAttempts']} attempts")

    def _check_due(self, job: JobMirror, event: Event, kind: EventType, at: datetime) -> None:
        if kind is EventType.QUEUED and job.status in {JobStatus.SCHEDULED, JobStatus.RETRYING}:
            assert job.document is not None
            due = msgspec.convert(job.document["runAt"], datetime)
            require(due <= at, "R2", f"{event.idempotency_key}: queued at {at}, before {due}")

    # --- what the driver said -----------------------------------------------------------------

    def _check_said(self, said: Sequence[Any], changes: Sequence[RowChange], at: datetime) -> None:
        for statement in said:
            if isinstance(statement, SaidExtended):
                is_current = statement.is_leased and statement.fence == statement.fence_in_row
                what = f"a heartbeat with fence {statement.fence} extended the lease {statement.fence_in_row}"
                require(is_current, "L4", f"{what} of job {statement.job_id}")
            elif statement.has_changed and hasattr(statement.command, "fence"):
                self._check_fenced(statement, changes, at)

    def _check_fenced(self, said: SaidApplied, changes: Sequence[RowChange], at: datetime) -> None:
        change = next(c for c in changes if c.job_id == said.job_id and c.sequence == said.sequence)
        fence: int = said.command.fence  # pyright: ignore[reportAttributeAccessIssue] — the caller looked
        kind = type(said.command).__name__
        is_rescue = isinstance(said.command, Rescue)
        is_current = change.fence_before == fence
        what = f"{kind} with fence {fence} changed job {said.job_id}, whose fence was {change.fence_before}"
        require(is_current, "L5" if is_rescue else "L3", what)
        if is_rescue:
            ended = change.lease_before is not None and change.lease_before <= to_us(at)
            until = None if change.lease_before is None else from_us(change.lease_before)
            require(ended, "L5", f"job {said.job_id} was rescued at {at}; its lease holds until {until}")

    # --- rows against folds -------------------------------------------------------------------

    def _check_folds(self, connection: sqlite3.Connection, job_ids: set[str], events: Sequence[Event]) -> None:
        for job_id in sorted(job_ids | {event.job_id for event in events}):
            self._check_fold(connection, job_id)

    def _check_fold(self, connection: sqlite3.Connection, job_id: str) -> None:
        row = connection.execute(f"SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()
        require(row is not None, "S5", f"there are events of job {job_id}, but no row")
        mirror = self.jobs.get(job_id)
        if mirror is None or mirror.document is None:
            raise Violation("S5", f"there is a row of job {job_id}, but no event")
        stored, folded = comparable(wire_form(job_of_row(row))), comparable(mirror.document)
        if stored != folded:
            names = sorted(name for name in stored | folded if stored.get(name) != folded.get(name))
            raise Violation("S5", f"job {job_id}: row and fold differ in {', '.join(names)}")

    def check_all_rows(self, connection: sqlite3.Connection) -> None:
        """Every row is the fold of its events, and every history has its row."""
        ids = {row[0] for row in connection.execute("SELECT id FROM jobs")}
        require(ids == set(self.jobs), "S5", f"{len(ids)} rows, {len(self.jobs)} histories")
        for job_id in sorted(ids):
            self._check_fold(connection, job_id)
        stored = events_after(connection, 0)
        kept = [event for event in self.events if event.position not in self._pruned_positions]
        require(stored == kept, "S5", "an event that was committed is not as it was")
        for job_id, job in self.jobs.items():
            require(job.begun == job.ended + job.is_attempt_open, "S9", f"job {job_id}: attempts without an end")


# --- what clients were told ------------------------------------------------------------------------


class Promises:
    """What the system answered to clients, and so has to keep."""

    def __init__(self) -> None:
        self.accepted: dict[str, str] = {}
        """Job id by the id of the NewJob that was answered with it."""
        self.by_key: dict[str, str] = {}
        self.refused: dict[str, NewJob] = {}
        self.cancelled: set[str] = set()
        self.cancel_requested: set[str] = set()
        self.pruned: set[str] = set()

    def note_pruned(self, job_id: str) -> None:
        """Whoever asks for it again makes another job."""
        self.pruned.add(job_id)
        self.cancelled.discard(job_id)
        self.by_key = {key: first for key, first in self.by_key.items() if first != job_id}

    def note_cancelled(self, job_id: str) -> None:
        """The answer may come so late that the job is gone already."""
        if job_id not in self.pruned:
            self.cancelled.add(job_id)

    def note_accepted(self, new: NewJob, job_id: str) -> None:
        if {job_id, self.accepted.get(new.id)} & self.pruned:
            return
        first = self.accepted.setdefault(new.id, job_id)
        require(first == job_id, "A2", f"{new.id} was answered with {first} and with {job_id}")
        require(new.id not in self.refused, "A5", f"{new.id} was refused, then accepted")
        if new.idempotency_key is None:
            require(job_id == new.id, "A2", f"{new.id} has no key and was answered with {job_id}")
        else:
            first = self.by_key.setdefault(new.idempotency_key, job_id)
            require(first == job_id, "A2", f"key {new.idempotency_key} has the jobs {first} and {job_id}")

    def note_refused(self, new: NewJob, refusal: IdempotencyConflict) -> None:
        assert new.idempotency_key is not None
        if refusal.job_id in self.pruned:
            return
        require(new.id not in self.accepted, "A3", f"{new.id} was accepted, then refused")
        first = self.by_key.setdefault(new.idempotency_key, refusal.job_id)
        require(first == refusal.job_id, "A3", f"key {new.idempotency_key}: {refusal.job_id} is not {first}")
        self.refused[new.id] = new

    def check(self, history: History, submitted: dict[str, NewJob]) -> None:
        """What was accepted exists, once; what was refused does not; what was cancelled stays cancelled."""
        for job_id in self.accepted.values():
            is_kept = job_id in history.jobs or job_id in history.pruned
            require(is_kept, "A1", f"job {job_id} was accepted and is gone")
        for new in self.refused.values():
            key_is_free = self.by_key.get(new.idempotency_key or "") is None
            require(key_is_free or new.id not in history.jobs, "A5", f"job {new.id} was refused and exists")
        for job_id in history.jobs:
            require(job_id in submitted, "A5", f"nobody asked for job {job_id}")
        self._check_keys(history)
        for job_id in self.cancelled:
            status = history.jobs[job_id].status
            require(status is JobStatus.CANCELLED, "S6", f"job {job_id} was cancelled and is {status}")

    def _check_keys(self, history: History) -> None:
        owners: dict[str, str] = {}
        for job_id, job in history.jobs.items():
            assert job.document is not None
            key = job.document.get("idempotencyKey")
            if key is not None:
                first = owners.setdefault(key, job_id)
                require(first == job_id, "A2", f"key {key} has the jobs {first} and {job_id}")


# --- movement and views ----------------------------------------------------------------------------


class Published:
    """What the bus has taken since the process began."""

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self.first: int | None = None
        """First position that the relay of this process was offered."""

    def note_offer(self, events: Sequence[Event]) -> None:
        if self.first is None and events:
            self.first = events[0].position

    def note_taken(self, events: Sequence[Event]) -> None:
        self.taken.update(event.position or 0 for event in events)

    def check_confirm(self, position: int) -> None:
        self._check(position, "M4", "was confirmed but not published")

    def check_complete(self, head: int) -> None:
        self._check(head, "M5", "was never published")

    def _check(self, until: int, invariant: str, what: str) -> None:
        if self.first is None:
            return
        missing = [position for position in range(self.first, until + 1) if position not in self.taken]
        require(not missing, invariant, f"position {missing[:1]} {what}")


def check_view(stored: StoredView, events: Sequence[Event]) -> None:
    """The saved view is the fold of exactly the events up to its checkpoint."""
    view = StatsView()
    for event in events[: stored.checkpoint]:
        view = fold_stats(view, event)
    is_same = canonical(msgspec.json.decode(stored.document, type=StatsView)) == canonical(view)
    require(is_same, "D1", f"the view at {stored.checkpoint} is not the fold of its events")


def check_conservation(view: StatsView, connection: sqlite3.Connection, accepted: Iterable[str]) -> None:
    """What came in is what is there or was pruned, by status."""
    rows = dict(connection.execute("SELECT status, count(*) FROM jobs GROUP BY status"))
    for (document,) in connection.execute("SELECT document FROM pruned"):
        for status, count in msgspec.json.decode(document, type=StatsView).by_status.items():
            if count:
                rows[status] = rows.get(status, 0) + count
    counted = {status: count for status, count in view.by_status.items() if count}
    require(counted == rows, "D3", f"the view counts {counted}, the store holds {rows}")
    require(view.total_jobs >= len(set(accepted)), "D3", f"{view.total_jobs} jobs are counted")


# --- handlers --------------------------------------------------------------------------------------


class Running:
    """A handler that runs."""

    def __init__(self, node: Node, fence: int, *, begun_s: float, ignores_stop: bool) -> None:
        self.node = node
        self.fence = fence
        self._begun_s = begun_s
        self._ignores_stop = ignores_stop

    @property
    def was_stopped(self) -> bool:
        """Its process was paused since shortly before the claim: it could not know what time it was."""
        return self.node.is_paused or self.node.was_paused_at_s > self._begun_s - limits.LEASE_S

    @property
    def is_excused(self) -> bool:
        """It may run on although it was overtaken."""
        return self._ignores_stop or self.node.is_crashed or self.was_stopped


class Effects:
    """What handlers did, kept outside the store."""

    def __init__(self) -> None:
        self.started: set[tuple[str, int]] = set()
        self.succeeded: set[tuple[str, int]] = set()
        self._running: dict[str, list[Running]] = {}
        self.overlaps = 0
        """Handlers that began while an overtaken one of the same job still ran: allowed, and counted."""

    def note_start(self, job_id: str, begun: "Running", lease_ends_at: datetime | None, at: datetime) -> None:
        """
        Judge a beginning.

        Args:
            lease_ends_at: None when the job belongs to another attempt by now.
        """
        node, fence = begun.node, begun.fence
        require((job_id, fence) not in self.started, "L1", f"attempt {fence} of job {job_id} was begun twice")
        self.started.add((job_id, fence))
        is_leased = lease_ends_at is not None and at < lease_ends_at
        what = f"{node} began attempt {fence} of job {job_id} after its lease, and was not paused"
        require(is_leased or begun.was_stopped, "L6", what)
        running = self._running.setdefault(job_id, [])
        for other in running:
            self.overlaps += not other.node.is_crashed
            what = f"{other.node} still runs attempt {other.fence} of job {job_id}, which {node} runs as {fence}"
            require(other.is_excused or other.fence > fence, "L6", what)
        running.append(begun)

    def note_end(self, job_id: str, ended: "Running", *, is_success: bool) -> None:
        self._running[job_id].remove(ended)
        if is_success:
            self.succeeded.add((job_id, ended.fence))

    def forget(self, job_id: str) -> None:
        """The job was pruned: one with the same id begins anew."""
        self.started = {one for one in self.started if one[0] != job_id}
        self.succeeded = {one for one in self.succeeded if one[0] != job_id}

    def busy_nodes(self) -> list[Node]:
        """Those that run a handler, each as often as it runs one."""
        return [one.node for running in self._running.values() for one in running if not one.node.is_crashed]

    def check(self, history: History) -> None:
        """Whatever is COMPLETED was done by the attempt that completed it."""
        for job_id, job in history.jobs.items():
            if job.status is JobStatus.COMPLETED:
                fence = job.fence_by_sequence[job.sequence]
                require((job_id, fence) in self.succeeded, "L3", f"attempt {fence} of job {job_id} did not succeed")
