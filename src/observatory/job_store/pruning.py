"""
The contract of pruning: final jobs whose time is over leave the truth with all of their events.

What is removed is added, in the same transaction, to a rollup: the fold of the pruned events. So at every moment

    accepted jobs (events with sequence 1) + pruned ones = jobs by status + pruned ones by status
    rollup + fold of the remaining events                = fold of all events that ever were
    highest position - events in the log                 = pruned events

and the gaps that pruning leaves between positions are no losses. Nothing happens by itself: who calls decides when.

Time is the store's clock. Errors of every method: `StoreUnavailable`; every method may be repeated.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from observatory.core.errors import StoreUnavailable
from observatory.core.event import Event
from observatory.core.folds import StatsView, fold_stats
from observatory.core.retention import RetentionPolicy


class RollupUnreadable(StoreUnavailable):
    """The stored rollup is damaged: nothing is pruned and no view can be made anew until it is mended."""

    code = "rollup_unreadable"


class Rollup(msgspec.Struct, frozen=True, kw_only=True):
    """What pruning has taken out of one view's events."""

    jobs: int = 0
    events: int = 0
    positions_sum: int = 0
    """Sum of the positions of these events."""
    stats: StatsView = msgspec.field(default_factory=StatsView)
    """Their fold."""


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """A final job whose time is over, with what its events add up to. Final is final: none of it changes any more."""

    job_id: str
    events: int
    last_position: int
    positions_sum: int
    stats: StatsView


def expired_of(job_id: str, events: Iterable[Event]) -> Expired | None:
    """
    What the events of one job add up to; None when one is missing or they are not those of one job.

    Args:
        events: In order of sequence, with their positions. One that cannot be folded raises what its fold raises.
    """
    stats, count, positions_sum, last_position = StatsView(), 0, 0, 0
    for event in events:
        count += 1
        if event.sequence != count or event.position is None:
            return None
        stats = fold_stats(stats, event)
        positions_sum += event.position
        last_position = event.position
    if not count or stats.total_jobs != 1:
        return None
    return Expired(job_id=job_id, events=count, last_position=last_position, positions_sum=positions_sum, stats=stats)


class ExpiredJobs(msgspec.Struct, frozen=True):
    """Jobs that may be pruned. A snapshot: only `Pruning.prune` decides."""

    jobs: list[Expired]
    unreadable: int
    """Expired jobs that stay because a row or an event of theirs is damaged."""


class Folded(msgspec.Struct, frozen=True, kw_only=True):
    """The view that must have seen every event before it is pruned."""

    view: str
    generation: str
    until: int
    """Events before this position may be pruned: the view has folded them, and the relay has published them."""
    own_types: Collection[str]
    """Types with a counter of their own in it."""


class Pruned(msgspec.Struct, frozen=True):
    """What one piece removed."""

    jobs: int
    events: int
    took_s: float
    """How long it held what others wait for, by the monotonic clock; without its commit."""


class Overdue(msgspec.Struct, frozen=True):
    """What waits to be pruned."""

    since: datetime | None
    """When the job that waits longest should have gone; None when none waits."""


class Pruning(Protocol):
    """Removes final jobs."""

    piece_s: float
    """How long one piece may take: the next one should be smaller when `Pruned.took_s` is more."""

    async def expired(self, policy: RetentionPolicy, *, until: int, count_max: int, events_max: int) -> ExpiredJobs:
        """
        Jobs that *policy* no longer keeps: of each type the longest final first, the types in turn.

        Reads only. A job whose row or events are damaged or incomplete stays: its fold would be wrong for ever.

        Args:
            until: A job with an event at or after this position is left out. Not beyond the head of the log, so that
                the newest event, and with it the head, stays where it is.
            count_max: From 1 to `limits.PRUNE_JOBS_MAX`.
            events_max: Events of all jobs together; but always at least one job.
        """
        ...

    async def prune(self, jobs: Sequence[Expired], folded: Folded) -> Pruned:
        """
        Remove *jobs* with all that belongs to them, and add them to the rollup of the view.

        What belongs to a job is its row, its events and the logs of its attempts. Atomic for the whole call and
        durable when it returns. A job that is gone already, or is not as it was found, is left out, so the call
        may be repeated after `StoreUnavailable`. Its idempotency key is free afterwards.

        Args:
            jobs: 0 to `limits.PRUNE_JOBS_MAX`, as `expired` gave them.

        Raises:
            CheckpointMoved: The view is not at that generation any more, or is behind `folded.until`. Nothing was
                removed.
        """
        ...

    async def rollup(self, view: str) -> Rollup:
        """
        What was pruned so far. Empty when nothing was.

        Raises:
            RollupUnreadable: It is damaged.
        """
        ...

    async def overdue(self, policy: RetentionPolicy) -> Overdue:
        """
        What waits to be pruned by *policy*, whether or not anything prunes. Reads only.

        The job that has the newest event of all may wait for the next event, and does not count.
        """
        ...

    async def give_back(self, *, pages_max: int) -> int:
        """
        Give free space beyond `limits.FREE_BYTES_KEPT` and `limits.FREE_SHARE_KEPT` back to the disk.

        Ends after `limits.PRUNE_PIECE_S`. Returns how many pages; 0 when there is nothing to give back, or this store
        does not do it in pieces.
        """
        ...
