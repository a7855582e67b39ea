"""
The answer: one code, a sentence, the facts behind it, and what will change it.

The structs are the wire form as well (camelCase, `contracts/schemas/explanation`).
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from observatory.core.job import JobStatus
from observatory.core.worker import Down


class Code(StrEnum):
    """Why a job is where it is. An open enum: readers accept a value that they do not know."""

    # --- SCHEDULED and RETRYING ---
    DUE_LOOP_DOWN = "due_loop_down"
    DUE_LOOP_BEHIND = "due_loop_behind"
    DUE_NOW = "due_now"
    NOT_DUE = "not_due"
    SNOOZED = "snoozed"
    THREAD_ABANDONED = "thread_abandoned"
    RETRY_WAITING = "retry_waiting"
    # --- PENDING ---
    QUEUE_PAUSED = "queue_paused"
    TYPE_NEVER_ANNOUNCED = "type_never_announced"
    NO_LIVE_PROCESSOR = "no_live_processor"
    PROCESSORS_DRAINING = "processors_draining"
    QUEUE_AT_LIMIT = "queue_at_limit"
    CLAIMS_DOWN = "claims_down"
    SLOTS_ABANDONED = "slots_abandoned"
    WAITING_BEHIND_OTHERS = "waiting_behind_others"
    PROCESSORS_BUSY = "processors_busy"
    PROCESSORS_DEAF = "processors_deaf"
    ABOUT_TO_BE_CLAIMED = "about_to_be_claimed"
    # --- VALIDATED and EXECUTING ---
    RESCUER_DOWN = "rescuer_down"
    RESCUER_BEHIND = "rescuer_behind"
    RESCUE_DUE = "rescue_due"
    HEARTBEAT_LATE = "heartbeat_late"
    WAITING_FOR_SLOT = "waiting_for_slot"
    SETTLES_DOWN = "settles_down"
    OUTCOME_BEING_RECORDED = "outcome_being_recorded"
    PAST_DEADLINE = "past_deadline"
    CANCEL_NOT_HEARD = "cancel_not_heard"
    CANCEL_UNANSWERED = "cancel_unanswered"
    RUNNING_LONG = "running_long"
    RUNNING = "running"
    # --- final ---
    COMPLETED = "completed"
    PAYLOAD_REFUSED = "payload_refused"
    DISCARDED = "discarded"
    ATTEMPTS_USED_UP = "attempts_used_up"
    CANCELLED = "cancelled"


class ProcessorSeen(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A processor that has to do with the job."""

    instance_id: str
    host: str
    pid: int
    is_alive: bool
    slots: int
    running: int
    """Its attempts that run now, as the truth says, or as its last heartbeat said."""
    abandoned: int = 0
    is_draining: bool = False
    heartbeat_at: datetime | None = None
    heartbeat_age_seconds: float | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The facts behind a code: each is there where it has to do with it. Ages are in seconds, at `asOf`."""

    type: str | None = None
    type_seen_at: datetime | None = None
    """When a processor announced the type last."""
    queue: str | None = None
    priority: int | None = None
    run_at: datetime | None = None
    due_in_seconds: float | None = None
    overdue_seconds: float | None = None
    ready_at: datetime | None = None
    """Since when it is PENDING."""
    ready_seconds: float | None = None
    attempt: int | None = None
    max_attempts: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    pointer: str | None = None
    """Place in the payload of what was refused."""
    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    concurrency_max: int | None = None
    leased: int | None = None
    """Jobs of the queue under a lease: what the limit bounds."""
    leased_jobs: tuple[str, ...] = ()
    processors: tuple[ProcessorSeen, ...] = ()
    """Those that know the type, or the one that holds the lease; the newest heartbeats first."""
    slots: int | None = None
    """Of the live processors that know the type, do not drain, and whose claims work as far as is known."""
    running: int | None = None
    """Attempts on those processors."""
    abandoned: int | None = None
    """Slots of those processors that threads hold which were left behind."""
    pending: int | None = None
    """PENDING jobs of all queues."""
    jobs_ahead: int | None = None
    """Jobs that these processors claim before this one; absent when too many wait to be counted."""
    first_ahead: str | None = None
    worker: str | None = None
    """Instance id of the processor that holds the lease."""
    lease_expires_at: datetime | None = None
    lease_overdue_seconds: float | None = None
    heartbeat_at: datetime | None = None
    heartbeat_age_seconds: float | None = None
    started_at: datetime | None = None
    run_seconds: float | None = None
    deadline: datetime | None = None
    timeout_seconds: float | None = None
    usual_seconds: float | None = None
    """What 99 in 100 of the compared runs did not exceed."""
    runs_compared: int | None = None
    cancel_requested_at: datetime | None = None
    cancel_age_seconds: float | None = None
    finished_at: datetime | None = None
    retried_by: str | None = None
    """The first job that repeats this one."""
    down: tuple[Down, ...] = ()
    """Parts that do not work, whether the job waits for them or not. A rule names only those of its processors."""
    history_is_behind: bool = False
    """True when the newest event of the job was not in the event log yet, or the log did not answer."""


class Change(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What will change the situation."""

    text: str
    at: datetime | None = None
    """When, if that is known."""
    command: str | None = None
    """What a person can type to change it."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule found."""

    summary: str
    evidence: Evidence
    change: Change


class Explanation(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Why one job is where it is."""

    job_id: str
    status: JobStatus
    code: Code
    summary: str
    """One sentence for people."""
    evidence: Evidence
    change: Change
    also: tuple[Code, ...] = ()
    """What holds beside it, or will hold the job up next, in the order of precedence."""
    as_of: datetime
    """By the store's clock."""
