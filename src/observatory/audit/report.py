"""What an audit says: violations with stable codes, what was checked, and the ledger."""

from enum import StrEnum

import msgspec

from observatory.core import limits


class Code(StrEnum):
    """What is wrong. Stable words: `docs/operations.md` explains each."""

    SCHEMA_DIFFERS = "schema_differs"
    FILE_DAMAGED = "file_damaged"
    POSITION_GAP = "position_gap"
    EVENT_UNREADABLE = "event_unreadable"
    EVENT_ID_REPEATED = "event_id_repeated"
    SEQUENCE_GAP = "sequence_gap"
    SEQUENCE_REPEATED = "sequence_repeated"
    ILLEGAL_EVENT = "illegal_event"
    EVENT_AFTER_FINAL = "event_after_final"
    EVENT_OF_ANOTHER_JOB = "event_of_another_job"
    ENVELOPE_DIFFERS = "envelope_differs"
    INPUTS_CHANGED = "inputs_changed"
    FENCE_WRONG = "fence_wrong"
    ATTEMPTS_EXCEEDED = "attempts_exceeded"
    JOB_MISSING = "job_missing"
    ROW_UNREADABLE = "row_unreadable"
    ROW_WITHOUT_EVENTS = "row_without_events"
    EVENTS_MISSING = "events_missing"
    ROW_BEHIND = "row_behind"
    ROW_DIFFERS = "row_differs"
    CHECKPOINT_BEYOND_HEAD = "checkpoint_beyond_head"
    VIEW_UNREADABLE = "view_unreadable"
    COUNTER_DIFFERS = "counter_differs"
    ROLLUP_DIFFERS = "rollup_differs"
    LEDGER_DIFFERS = "ledger_differs"


INVARIANTS: dict[Code, str] = {
    Code.SCHEMA_DIFFERS: "F1",
    Code.FILE_DAMAGED: "F1",
    Code.POSITION_GAP: "D5",
    Code.EVENT_UNREADABLE: "S5",
    Code.EVENT_ID_REPEATED: "S4",
    Code.SEQUENCE_GAP: "S4",
    Code.SEQUENCE_REPEATED: "S4",
    Code.ILLEGAL_EVENT: "S1",
    Code.EVENT_AFTER_FINAL: "S2 S3",
    Code.EVENT_OF_ANOTHER_JOB: "S5",
    Code.ENVELOPE_DIFFERS: "S10",
    Code.INPUTS_CHANGED: "S8",
    Code.FENCE_WRONG: "L2",
    Code.ATTEMPTS_EXCEEDED: "R1",
    Code.JOB_MISSING: "A1 S5",
    Code.ROW_UNREADABLE: "S5",
    Code.ROW_WITHOUT_EVENTS: "A1 S5",
    Code.EVENTS_MISSING: "S4 S5",
    Code.ROW_BEHIND: "S5",
    Code.ROW_DIFFERS: "S5",
    Code.CHECKPOINT_BEYOND_HEAD: "D1",
    Code.VIEW_UNREADABLE: "D2",
    Code.COUNTER_DIFFERS: "D1 D2",
    Code.ROLLUP_DIFFERS: "D6",
    Code.LEDGER_DIFFERS: "D3",
}
"""The invariants of `docs/INVARIANTS.md` that each code says is broken."""


class Violation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One broken promise."""

    code: Code
    job_id: str | None
    """None when it cannot be laid at one job's door."""
    detail: str
    """One line, with the values."""

    @property
    def invariants(self) -> str:
        return INVARIANTS[self.code]


class NoteCode(StrEnum):
    """What a person should know of although no promise is broken. Stable words, as those of `Code`."""

    VIEW_ABSENT = "view_absent"


class Note(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that was found and may be right."""

    code: NoteCode
    detail: str
    """One line."""


class Checked(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How much was looked at."""

    jobs: int
    """Rows."""
    events: int
    views: int
    """1 when the counters exist, 0 when nothing was counted yet."""
    position: int
    """Everything up to here was compared; what came later was not judged."""


class Ledger(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The books at `Checked.position`."""

    accepted: int
    """Events with sequence 1."""
    rows: int
    """Rows of the jobs accepted up to there."""
    rows_by_status: dict[str, int]
    """Only statuses that occur."""
    pruned: int
    """Jobs that retention has removed; they are neither in `accepted` nor in `rows`."""
    pruned_by_status: dict[str, int]
    """As the rollup has them."""
    counted_by_status: dict[str, int]
    """Rows and pruned jobs, as the fold of rollup and log counts them."""


class AuditReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The outcome of one audit."""

    violations: list[Violation]
    """At most `limits.AUDIT_VIOLATIONS_MAX`."""
    violations_left_out: int
    """How many more there are."""
    notes: list[Note]
    checked: Checked
    ledger: Ledger
    duration_s: float

    @property
    def is_clean(self) -> bool:
        return not self.violations


class Findings:
    """Collects violations up to the limit and counts the rest."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.left_out = 0
        self._job_ids: dict[str, None] = {}

    def add(self, code: Code, job_id: str | None, detail: str) -> None:
        if len(self.violations) >= limits.AUDIT_VIOLATIONS_MAX:
            self.left_out += 1
            return
        self.violations.append(Violation(code=code, job_id=job_id, detail=detail))
        if job_id is not None:
            self._job_ids[job_id] = None

    @property
    def has_named_jobs(self) -> bool:
        """True when some job has a violation of its own, which explains sums that do not add up."""
        return bool(self._job_ids)

    def named_jobs(self) -> str:
        """The jobs with violations of their own, for the line of a sum that does not add up."""
        if not self._job_ids:
            return "no single job has a violation of its own"
        named = ", ".join(list(self._job_ids)[: limits.AUDIT_JOBS_NAMED_MAX])
        more = len(self._job_ids) - limits.AUDIT_JOBS_NAMED_MAX
        return f"jobs with violations of their own: {named}" + (f" and {more} more" if more > 0 else "")
