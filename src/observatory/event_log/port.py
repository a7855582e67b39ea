"""The contract of the history."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from observatory.core.event import Event


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None must match."""

    job_id: str | None = None
    event_type: str | None = None


class EventLog(Protocol):
    """
    Events by position and by job.

    Errors of every method: `LogUnavailable`. Every method may be repeated.
    Errors of those that give events: `BadEnvelope` with its position when a stored event is damaged;
    events before it are not given either.
    """

    is_shared_with_truth: bool
    """True when the job store's transactions write this very log, so that nobody needs to append."""

    async def append(self, events: Sequence[Event]) -> int:
        """
        Keep those of *events* that are not kept yet; returns how many were new.

        An event is the same when its job and sequence are the same. Atomic for the whole call.

        Args:
            events: 0 to `limits.RELAY_BATCH_MAX`, each with its position.
        """
        ...

    async def after(self, position: int, *, count_max: int, filter: EventFilter | None = None) -> list[Event]:
        """
        The first matching events with a greater position, in order.

        Without a filter and while the log is shared with the truth, there is no gap between them.

        Args:
            position: From 0.
            count_max: From 1 to `limits.READ_EVENTS_MAX`.
        """
        ...

    async def of_job(self, job_id: str, *, after_sequence: int = 0, count_max: int) -> list[Event]:
        """Events of one job in order of sequence; empty when the job is unknown."""
        ...

    async def before(self, position: int | None, *, count_max: int, filter: EventFilter | None = None) -> list[Event]:
        """The last matching events with a smaller position (None: the newest), newest first."""
        ...

    async def head(self) -> int:
        """Position of the newest event; 0 when there is none."""
        ...
