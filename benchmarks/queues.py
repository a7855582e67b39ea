"""
What does a claim cost beside a queue from which nothing may be taken, and beside many queues?

    python -m benchmarks.queues

Claims of up to four jobs of one type, each in its own transaction: with one queue, beside `WAITING` jobs of a paused
one, beside as many of one at its limit, and over `QUEUES` queues that are all ready. The first is what the others are
held to.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from observatory.core.command import Succeed
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.writers import InlineWriter
from observatory.job_store.port import Order
from observatory.job_store.sqlite import MIGRATIONS, SqliteJobStore, SqliteQueues
from observatory.testing.factories import PRODUCER, new_job
from observatory.testing.manual_sources import ManualClock, SeededIds

WAITING = 300_000
QUEUES = 1_000
ROUNDS = 100
BATCH = 1_000
TYPES = ("noop", "other")


class Bench:
    """A store with its queues."""

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, writer=InlineWriter(), readers=InlineExecutor())
        self._file.migrate(load_migrations(MIGRATIONS))
        clock = ManualClock()
        self._ids = SeededIds()
        self._store = SqliteJobStore(self._file, producer=PRODUCER, clock=clock, ids=self._ids)
        self.queues = SqliteQueues(self._file, clock=clock)

    async def fill(self, *queues: str) -> None:
        for first in range(0, len(queues), BATCH):
            batch = queues[first : first + BATCH]
            await self._store.submit([new_job(self._ids, type="noop", payload={}, queue=queue) for queue in batch])

    async def claim(self) -> int:
        """Claim up to four jobs and settle them; returns how many."""
        jobs = await self._store.claim(types=TYPES, worker="w", count_max=4, lease_s=60.0)
        self.claimed_s = time.perf_counter()
        await self._store.apply([Order(job.id, Succeed(fence=job.fence)) for job in jobs])
        return len(jobs)

    async def claim_and_keep(self, count_max: int) -> None:
        await self._store.claim(types=TYPES, worker="w", count_max=count_max, lease_s=60.0)

    async def show(self, name: str, *, finds: int, before: Callable[[], Awaitable[None]] | None = None) -> None:
        took: list[float] = []
        for _ in range(ROUNDS):
            if before is not None:
                await before()
            began_s = time.perf_counter()
            assert await self.claim() == finds
            took.append((self.claimed_s - began_s) * 1e6)
        print(f"  {name:<50} {statistics.median(took):>10,.0f} µs   ({min(took):,.0f} to {max(took):,.0f})")

    async def show_both(self, name: str) -> None:
        await self.show(f"{name}, four jobs found", finds=4, before=lambda: self.fill(*["default"] * 4))
        await self.show(f"{name}, none found", finds=0)

    def end(self) -> None:
        self._file.abandon()


async def measure() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "observatory.db")
        await bench.show_both("one queue")
        await bench.queues.pause("full", by="bench", reason=None)
        await bench.fill(*["full"] * WAITING)
        await bench.show_both(f"beside {WAITING:,} paused")
        await bench.queues.resume("full")
        await bench.queues.set_concurrency("full", 1)
        await bench.claim_and_keep(1)
        await bench.show_both(f"beside {WAITING:,} at a limit")
        await bench.fill(*(f"queue-{number}" for number in range(QUEUES)), *["queue-0"] * ROUNDS * 4)
        await bench.show(f"{QUEUES:,} ready queues, four jobs found", finds=4)
        bench.end()


def main() -> None:
    asyncio.run(measure())


if __name__ == "__main__":
    main()
