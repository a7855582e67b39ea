"""The pruner: final jobs whose time is over leave in small pieces, each added to the rollup as it goes."""

import asyncio

import msgspec
import structlog

from observatory.core import limits
from observatory.core.errors import CheckpointMoved
from observatory.core.folds import STATS_VIEW, StatsView
from observatory.core.retention import RetentionPolicy
from observatory.job_store.port import Outbox
from observatory.job_store.pruning import Folded, Pruning
from observatory.view_store.port import ViewStore

_log = structlog.get_logger("observatory.pruner")


class Pruner:
    """
    One loop. Nothing is pruned that the counters have not folded or the relay has not published.

    How many jobs one piece takes follows from how long the last one took.
    """

    name = "pruner"

    def __init__(self, *, pruning: Pruning, outbox: Outbox, views: ViewStore, policy: RetentionPolicy) -> None:
        self._pruning = pruning
        self._outbox = outbox
        self._views = views
        self._policy = policy
        self._jobs_max = 10
        self._unreadable = 0

    async def run_once(self) -> int:
        """Prune one piece, or give one piece of free space back; returns how many jobs and pages."""
        if not self._policy.prunes:
            return 0
        done = await self._prune() or await self._pruning.give_back(pages_max=limits.VACUUM_PAGES_MAX)
        if done:
            await asyncio.sleep(limits.PRUNE_REST_S)
        return done

    async def _prune(self) -> int:
        folded = await self._folded()
        if folded is None:
            return 0
        found = await self._pruning.expired(
            self._policy, until=folded.until, count_max=self._jobs_max, events_max=limits.PRUNE_EVENTS_MAX
        )
        self._say_unreadable(found.unreadable)
        if not found.jobs:
            return 0
        try:
            pruned = await self._pruning.prune(found.jobs, folded)
        except CheckpointMoved:
            return 0  # the view is being made anew: what it has not counted yet has to stay
        self._adapt(pruned.took_s)
        return pruned.jobs

    async def _folded(self) -> Folded | None:
        """How far the view and the relay are; None while nothing is counted."""
        stored = await self._views.load(STATS_VIEW)
        if stored is None:
            return None
        until = min(stored.checkpoint, await self._outbox.confirmed())
        own_types = msgspec.json.decode(stored.document, type=StatsView).by_type
        return Folded(view=STATS_VIEW, generation=stored.generation, until=until, own_types=frozenset(own_types))

    def _adapt(self, took_s: float) -> None:
        if took_s > self._pruning.piece_s:
            self._jobs_max = max(self._jobs_max // 2, 1)
        else:
            self._jobs_max = min(self._jobs_max + 1, limits.PRUNE_JOBS_MAX)

    def _say_unreadable(self, count: int) -> None:
        if count > self._unreadable:
            _log.error("expired jobs stay because their data is damaged", jobs=count, remedy="odd-dashboard audit")
        self._unreadable = count

    async def wait(self) -> None:
        """Until the next sweep."""
        await asyncio.sleep(limits.PRUNE_SWEEP_S)
