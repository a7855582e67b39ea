"""The attempts a processor holds: from the claim until the store has taken their settle."""

import asyncio
import math
from collections.abc import Iterator

from observatory.core.handler import Handler
from observatory.core.job import Job
from observatory.job_store.port import Lease
from observatory.processor.context import StopReason
from observatory.processor.said import Said
from observatory.processor.stopping import Stop


class Attempt:
    """One claimed job."""

    def __init__(self, job: Job, handler: Handler, *, lease_ends_s: float, said: Said) -> None:
        self.job = job
        self.handler = handler
        self.stop = Stop()
        self.said = said
        self.report_at_s = -math.inf
        """From when on its next progress may be recorded, by the monotonic clock."""
        self.lease_ends_s = lease_ends_s
        """By this processor's monotonic clock, counted from before the claim was asked for: never too late."""
        self.is_running = True
        """False from its end on until the store has taken its settle, and while it waits here for a slot."""
        self.is_buffered = False
        """True while it waits here for a slot."""

    @property
    def lease(self) -> Lease:
        return Lease(self.job.id, self.job.fence)


class Attempts:
    """What one processor holds, by job id and fence."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Attempt]:
        return iter(list(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)

    @property
    def buffered(self) -> list[Attempt]:
        """Those that wait for a slot, in the order of their claims."""
        return [attempt for attempt in self._held.values() if attempt.is_buffered]

    def add(self, attempt: Attempt) -> None:
        self._held[attempt.job.id, attempt.job.fence] = attempt

    def find(self, lease: Lease) -> Attempt | None:
        return self._held.get((lease.job_id, lease.fence))

    def remove(self, job_id: str, fence: int) -> None:
        """Forget one attempt: it was settled, or its lease is lost. Safe to call twice."""
        self._held.pop((job_id, fence), None)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold on to the running task until it ends: the loop itself keeps only a weak reference."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait_all(self, *, timeout_s: float) -> bool:
        """Wait for the running tasks; True when none is left."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)
        return not self._tasks

    def stop_all(self, reason: StopReason) -> None:
        for attempt in self:
            attempt.stop.ask(reason)
