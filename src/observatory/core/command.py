"""What can be asked of a job. Each is one row of the transition table in `core.lifecycle`.

A command that carries a `fence` acts for one attempt and takes effect only while that fence
is the job's current one.
"""

from typing import Any

import msgspec

from observatory.core.job import JobError, NewJob, Outcome, Progress


class Accept(msgspec.Struct, frozen=True, gc=False):
    """Begin the record of *job*."""

    job: NewJob


class BecomeDue(msgspec.Struct, frozen=True):
    """The clock reached `run_at`."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A processor takes the job under a lease; with a free slot the attempt begins at once."""

    worker: str
    lease_s: float
    buffered: bool = False
    """True when no slot is free yet: the attempt begins with `Start`."""


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A slot became free for a buffered claim."""

    fence: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The running attempt says how far it is."""

    fence: int
    progress: Progress


class Succeed(msgspec.Struct, frozen=True, kw_only=True):
    """The handler returned *result*."""

    fence: int
    result: Any = None
    run_s: float = 0.0
    """Seconds the handler ran, by the processor's monotonic clock."""


class Fail(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt did not succeed."""

    fence: int
    outcome: Outcome
    error: JobError
    retry_in_s: float | None
    """Seconds until the next attempt, if one is left; None when there shall be none."""
    run_s: float = 0.0


class Snooze(msgspec.Struct, frozen=True, kw_only=True):
    """The handler asks to run again later; costs no attempt."""

    fence: int
    run_in_s: float
    run_s: float = 0.0


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The processor gives the job back unfinished; costs no attempt."""

    fence: int
    run_s: float = 0.0


class Refuse(msgspec.Struct, frozen=True, kw_only=True):
    """The payload does not fit the type: fail for good without running it; costs no attempt."""

    fence: int
    error: JobError


class Rescue(msgspec.Struct, frozen=True, kw_only=True):
    """End an attempt whose lease expired. Takes effect only if it is still that attempt and still expired."""

    fence: int
    retry_in_s: float
    """Seconds until the next attempt, if one is left."""


class Cancel(msgspec.Struct, frozen=True):
    """Somebody wants the job not to run, or to stop."""


Command = Accept | BecomeDue | Claim | Start | Report | Succeed | Fail | Snooze | Release | Refuse | Rescue | Cancel
Settle = Succeed | Fail | Snooze | Release | Refuse
"""The commands that end an attempt on behalf of the processor that ran it."""
