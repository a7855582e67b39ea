"""The contract of the history."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from observatory.core.event import Event


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None must match."""

    job_id: str | None = None
    event_type: str | None = None


class Events(list[Event]):
    """
    The events of one read, in its order.

    Attributes:
        has_more: True when the read ended at a bound and more events match.
    """

    def __init__(self, events: Iterable[Event] = (), *, has_more: bool = False) -> None:
        super().__init__(events)
        self.has_more = has_more


class EventLog(Protocol):
    """
    Events by position and by job.

    A read gives at most *count_max* events (from 1 to `limits.READ_EVENTS_MAX`) whose payloads have together at
    most `limits.READ_BYTES_MAX` as JSON; but always the first that matches. So only an empty one is the end
    without a look at `has_more`.

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

    async def after(self, position: int, *, count_max: int, filter: EventFilter | None = None) -> Events:
        """
        The first matching events with a greater position, in order.

        Without a filter and while the log is shared with the truth, nothing is missing between them but the events
        of pruned jobs: a gap is no error.

        Args:
            position: From 0.
        """
        ...

    async def of_job(self, job_id: str, *, after_sequence: int = 0, count_max: int) -> Events:
        """Events of one job in order of sequence; empty when the job is unknown."""
        ...

    async def before(self, position: int | None, *, count_max: int, filter: EventFilter | None = None) -> Events:
        """The last matching events with a smaller position (None: the newest), newest first."""
        ...

    async def head(self) -> int:
        """Position of the newest event; 0 when there is none."""
        ...

    async def highest_given(self) -> int:
        """
        The highest position that was ever given to an event, also when that event is gone; 0 when none was.

        In a sound log it is the head of the same moment: the newest event is never pruned.
        """
        ...

    async def generation(self) -> str:
        """
        Which history the positions belong to.

        It is another one after a backup was brought back: positions given since then may name other events than
        before, so whoever resumes at a position of another generation begins anew.
        """
        ...
