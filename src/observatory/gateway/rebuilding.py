"""Rebuilding on request: the saved counters are dropped, and the metrics engine makes them anew from the history."""

from observatory.contracts.wire import ViewRebuild
from observatory.core.folds import STATS_VIEW
from observatory.event_log.port import EventLog
from observatory.view_store.port import ViewStore


class Rebuilding:
    """
    Begins a rebuild; it goes on by itself, also over a restart.

    Errors of every method: `LogUnavailable`, `ViewsUnavailable`; asking again is safe.
    """

    def __init__(self, *, views: ViewStore, log: EventLog) -> None:
        self._views = views
        self._log = log

    async def begin(self) -> ViewRebuild:
        """Drop the counters. Once `/stats` has reached the position that comes back, they are complete again."""
        position = await self._log.head()
        await self._views.drop(STATS_VIEW)
        return ViewRebuild(view=STATS_VIEW, position=position)
