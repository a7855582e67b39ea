"""
What does retention cost those who submit and settle, and how fast does pruning go?

    python -m benchmarks.retention

The index over final jobs and the file's bookkeeping for giving space back are paid by everybody. Each round runs
the same load on a file with both, without the index, and without the bookkeeping, in turn. What is compared is
processor time, which other programs and the disk disturb little. Durability is the default one. Then a file full of
expired jobs is pruned piece by piece.
"""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from observatory.core import limits
from observatory.core.command import Succeed
from observatory.core.event import Producer
from observatory.core.folds import STATS_VIEW, StatsView, fold_stats
from observatory.core.retention import RetentionPolicy
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.writers import WriterThread
from observatory.event_log.sqlite import SqliteEventLog
from observatory.job_store.port import Order
from observatory.job_store.sqlite import MIGRATIONS, SqliteJobStore, SqliteOutbox, SqlitePruning
from observatory.maintenance.pruner import Pruner
from observatory.runtime.sources import SystemClock, SystemIds
from observatory.testing.factories import new_job
from observatory.view_store.projection import Projection
from observatory.view_store.sqlite import SqliteViewStore

ROUNDS = 5
JOBS = 10_000
BATCH = 500


class Clock:
    """The system's, moved ahead at will."""

    def __init__(self) -> None:
        self._inner = SystemClock()
        self.ahead = timedelta()

    def now(self):
        return self._inner.now() + self.ahead

    def monotonic(self) -> float:
        return self._inner.monotonic()


class Place:
    """A file with its store."""

    def __init__(self, folder: Path, prepare: Callable[[Path], None]) -> None:
        path = folder / "observatory.db"
        prepare(path)
        self.clock, self.ids = Clock(), SystemIds()
        self.file = SqliteFile(path, writer=WriterThread(), readers=ThreadPoolExecutor(2))
        self.file.migrate(load_migrations(MIGRATIONS))
        producer = Producer(service="benchmark", instance_id="b", version="0")
        self.store = SqliteJobStore(self.file, producer=producer, clock=self.clock, ids=self.ids)

    async def work(self) -> tuple[float, float]:
        """Microseconds of processor time to accept a job, and to claim and settle it."""
        began_s = time.process_time()
        for _ in range(JOBS // BATCH):
            await self.store.submit([new_job(self.ids, type="noop") for _ in range(BATCH)])
        accepted_s = time.process_time() - began_s
        began_s = time.process_time()
        while jobs := await self.store.claim(types=["noop"], worker="w", count_max=BATCH, lease_s=10.0):
            await self.store.apply([Order(job.id, Succeed(fence=job.fence, result=None, run_s=0.1)) for job in jobs])
        return accepted_s / JOBS * 1e6, (time.process_time() - began_s) / JOBS * 1e6


def as_it_is(path: Path) -> None:
    """A new file."""


def without_bookkeeping(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


async def one(prepare: Callable[[Path], None], *, drops_index: bool = False) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), prepare)
        if drops_index:
            place.file.write_now(lambda connection: connection.execute("DROP INDEX jobs_final"))
        figures = await place.work()
        await place.file.close()
        return figures


async def prune() -> tuple[float, float, float]:
    """Jobs pruned per second, and the median and the longest time of a piece in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), as_it_is)
        await place.work()
        await place.store.submit([new_job(place.ids, type="noop")])
        place.clock.ahead = timedelta(days=31)
        pruning, outbox = SqlitePruning(place.file, clock=place.clock), SqliteOutbox(place.file)
        views, log = SqliteViewStore(place.file), SqliteEventLog(place.file)
        await outbox.unpublished(count_max=1)
        projection = Projection(STATS_VIEW, StatsView, fold_stats, store=views, ids=place.ids)
        await projection.load()
        while events := await log.after(projection.checkpoint, count_max=limits.READ_EVENTS_MAX):
            await projection.apply(events, after=projection.checkpoint)
        pieces: list[float] = []
        original = pruning.prune

        async def timed(jobs, folded):
            pruned = await original(jobs, folded)
            pieces.append(pruned.took_s * 1_000)
            return pruned

        pruning.prune = timed
        pruner = Pruner(pruning=pruning, outbox=outbox, views=views, policy=RetentionPolicy())
        began_s, total = time.perf_counter(), 0
        while count := await pruner.run_once():
            total += count
        took_s = time.perf_counter() - began_s
        await place.file.close()
        return JOBS / took_s, statistics.median(pieces), max(pieces)


def main() -> None:
    kinds = {
        "with both": lambda: one(as_it_is),
        "without the index over final jobs": lambda: one(as_it_is, drops_index=True),
        "without bookkeeping of free pages": lambda: one(without_bookkeeping),
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, run in kinds.items():
            figures[name].append(asyncio.run(run()))
    for name, found in figures.items():
        for place, what in enumerate(("submit, µs a job", "claim and settle, µs a job")):
            values = [pair[place] for pair in found]
            spread = f"{min(values):,.1f} to {max(values):,.1f}"
            print(f"  {name:<36} {what:<28} {statistics.median(values):>8,.1f}   ({spread})")
    rate, median_ms, longest_ms = asyncio.run(prune())
    print(f"  pruning, jobs/s, with its pauses {rate:>12,.0f}")
    print(f"  one piece holds the writer, ms: median {median_ms:.2f}, longest {longest_ms:.2f}")


if __name__ == "__main__":
    main()
