"""The metrics engine: every event into the log (where it is not there already) and into the counters, once."""

import contextlib
from collections.abc import Sequence

from observatory.core import limits
from observatory.core.errors import CheckpointMoved, ViewsUnavailable
from observatory.core.event import Event
from observatory.core.folds import STATS_VIEW, StatsView, fold_stats
from observatory.core.sources import Clock, Ids
from observatory.event_bus.consume import Consumer
from observatory.event_bus.port import EventBus
from observatory.event_log.port import EventLog
from observatory.job_store.pruning import Pruning
from observatory.view_store.port import ViewStore
from observatory.view_store.projection import Projection


class MetricsEngine:
    """
    One loop. Applying an event a second time changes nothing: the view's checkpoint is its position.

    Events are folded as they come, and the counters are saved at once after a quiet time, else every
    `limits.VIEW_SAVE_EVERY_S`: a save of its own for each event would cost every submit a second commit.
    """

    name = "metrics engine"

    def __init__(
        self, *, bus: EventBus, log: EventLog, views: ViewStore, pruning: Pruning, ids: Ids, clock: Clock
    ) -> None:
        self._log = log
        self._pruning = pruning
        self._stats = Projection(STATS_VIEW, StatsView, fold_stats, store=views, ids=ids, begin=self._begin)
        self._is_idle = False
        """True when the last round had nothing to do."""
        self._was_overtaken = False
        """True when the last round ended because the saved view was another one."""
        self._clock = clock
        self._save_at_s = clock.monotonic()
        """When the counters may be saved next, by the monotonic clock."""
        self._consumer = Consumer("metrics-engine", bus=bus, log=log, target=self)

    @property
    def checkpoint(self) -> int:
        """Position up to which log and counters include the history."""
        return self._stats.checkpoint

    async def load(self) -> None:
        """Take up the saved counters."""
        await self._stats.load()

    async def _begin(self) -> StatsView:
        return (await self._pruning.rollup(STATS_VIEW)).stats

    async def apply(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """Append to the log, then fold: a crash between the two repeats both, and the append changes nothing."""
        if not self._log.is_shared_with_truth:
            await self._log.append(events)
        return await self._stats.fold(events, after=after)

    async def run_once(self) -> int:
        """
        Apply what has come, and save the counters when it is time; returns how many events were new.

        While nothing comes, look whether the view is still there: whoever wants it made anew drops it.
        """
        try:
            count = await self._consumer.run_once()
            if self._saves_in_s() <= 0:
                await self._save()
        except CheckpointMoved:
            # The view was dropped, or somebody else saved it. The next round loads it and goes on from there; that
            # this happens again at once is a fault.
            if self._was_overtaken:
                raise
            self._was_overtaken = True
            return 1
        self._was_overtaken = False
        if not count and self._is_idle and self._stats.is_saved and await self._stats.notice_rebuild():
            self._consumer.look()
            count = await self._consumer.run_once()
        self._is_idle = not count
        return count

    async def wait(self) -> None:
        """Until something was delivered, it is time to save, or to look into the log all the same."""
        in_s = limits.POLL_S if self._stats.is_saved else self._saves_in_s()
        await self._consumer.wait(timeout_s=max(0.0, min(limits.POLL_S, in_s)))

    async def close(self) -> None:
        """Save the counters, if the store takes them, and give up the subscription."""
        with contextlib.suppress(CheckpointMoved, ViewsUnavailable):  # what is not saved is folded again from the log
            await self._save()
        await self._consumer.close()

    def _saves_in_s(self) -> float:
        return self._save_at_s - self._clock.monotonic()

    async def _save(self) -> None:
        if self._stats.is_saved:
            return
        self._save_at_s = self._clock.monotonic() + limits.VIEW_SAVE_EVERY_S
        try:
            await self._stats.save()
        except BaseException:
            self._consumer.look()  # the view was forgotten with what it had folded
            raise
