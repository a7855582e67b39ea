"""Due jobs: what was accepted for later, or waits for its next attempt, becomes PENDING in time."""

import asyncio

from observatory.core import limits
from observatory.event_bus.port import EventBus
from observatory.job_store.port import JobStore


class DueJobs:
    """One loop. Running it on several nodes changes nothing but load."""

    name = "due jobs"

    def __init__(self, *, store: JobStore, bus: EventBus) -> None:
        self._store = store
        self._bus = bus

    async def run_once(self) -> int:
        """Make one batch PENDING; returns how many jobs."""
        count = await self._store.make_due(count_max=limits.DUE_BATCH_MAX)
        if count:
            await self._bus.hint()
        return count

    async def wait(self) -> None:
        """Until the next sweep."""
        await asyncio.sleep(limits.DUE_SWEEP_S)
