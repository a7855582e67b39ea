"""
The contract of what attempts said: the end of the log of each, beside the truth and no part of it.

Losing a log loses no job. The logs of a job go with it when it is pruned.

Errors of every method: `StoreUnavailable`; the call may simply be repeated: the same logs leave the same rows.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class LogLine(msgspec.Struct, frozen=True, array_like=True):
    """One line, without its end."""

    at: datetime
    """When it began, by the clock of the process that read it."""
    text: str
    """May hold control characters: make it harmless before it is shown."""


class AttemptLog(msgspec.Struct, frozen=True, kw_only=True):
    """The end of what one attempt logged and printed."""

    job_id: str
    attempt: int
    fence: int
    """Attempts that were released or snoozed are counted again: the fence tells them apart."""
    lines: tuple[LogLine, ...]
    """At most `limits.ATTEMPT_LOG_LINES_MAX`, of `limits.ATTEMPT_LOG_BYTES_MAX` as they were written."""
    dropped_lines: int = 0
    """Line ends before the first of `lines` that were not kept."""
    dropped_bytes: int = 0
    is_complete: bool
    """False while the attempt runs, and for ever when its processor did not live to see its end."""
    saved_at: datetime | None = None
    """By the store's clock; None until the store has written it."""


class AttemptLogs(Protocol):
    """Keeps what attempts said."""

    async def save(self, logs: Sequence[AttemptLog]) -> None:
        """
        Keep *logs*, each in place of what was kept of the same job and fence: one transaction, durable afterwards.

        Of one job the newest `limits.ATTEMPT_LOGS_KEPT` by fence are kept. A log whose job does not exist, or
        whose fence the job never had, is not kept; nor is one that is not complete after one that is. Each
        writes under its own fence, so an attempt that was overtaken changes nothing of the others.

        Args:
            logs: Any number; each within the bounds of its fields, which the processor keeps.
        """
        ...

    async def attempt_log(self, job_id: str, *, attempt: int | None = None) -> AttemptLog | None:
        """
        The log with the highest fence, of *attempt* or, if None, of the job's last that has one.

        None when nothing was kept, or its row is damaged: no part of the truth, it is worth no error.
        """
        ...
