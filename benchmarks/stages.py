"""
What does each stage of a job cost?

    python -m benchmarks.stages

Processor time, kernel included, of all threads: the stages of a job are run one after the other, batch by batch, over
the embedded drivers, with the default durability and the full history of four events. What a stage spends inside the
store's transactions and in their commits is counted there and not in the stage. The sum says what one core could do
if nothing waited; HTTP is not part of it.
"""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from observatory import JobContext, Observatory
from observatory.core.errors import ObservatoryError
from observatory.core.event import Producer
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.writers import InlineWriter
from observatory.event_bus.in_process import InProcessBus
from observatory.event_log.sqlite import SqliteEventLog
from observatory.gateway.gateway import Gateway
from observatory.gateway.submit import CallContext
from observatory.job_store.port import Applied, Order, Submitted, WorkerInfo
from observatory.job_store.sqlite import MIGRATIONS, SqliteJobQueries, SqliteJobStore, SqliteOutbox, SqlitePruning
from observatory.maintenance.relay import Relay
from observatory.metrics_engine.engine import MetricsEngine
from observatory.processor.runner import Runner
from observatory.processor.worker import Worker
from observatory.runtime.event_loop import new_event_loop
from observatory.runtime.sources import SystemClock, SystemIds, SystemRandomness
from observatory.runtime.supervisor import Loop, Supervisor
from observatory.view_store.sqlite import SqliteViewStore

ROUNDS = 3
BATCH = 500
BATCHES = 20
SLOTS = 64

app = Observatory()


@app.job("noop")
async def noop(ctx: JobContext) -> None:
    """Does nothing."""


class Stopwatch:
    """Processor time by stage. A stage inside another one is not counted in the outer one."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = {}
        self._stages: list[str] = []
        self._since_s = 0.0

    @contextlib.contextmanager
    def stage(self, name: str) -> Generator[None]:
        self._credit()
        self._stages.append(name)
        try:
            yield
        finally:
            self._credit()
            self._stages.pop()

    def measures(self, of: Any, method: str, name: str) -> None:
        """Make every call of *method* of *of* a stage."""
        call: Callable[..., Any] = getattr(of, method)

        def measured(*args: Any, **options: Any) -> Any:
            with self.stage(name):
                return call(*args, **options)

        setattr(of, method, measured)

    def _credit(self) -> None:
        now_s = time.process_time()
        if self._stages:
            self.spent_s[self._stages[-1]] = self.spent_s.get(self._stages[-1], 0.0) + now_s - self._since_s
        self._since_s = now_s


class CountingStore(SqliteJobStore):
    """Says when a whole batch is settled."""

    settled = 0
    has_settled: asyncio.Event

    async def apply(self, orders: Sequence[Order]) -> list[Applied | ObservatoryError]:
        answers = await super().apply(orders)
        self.settled += sum(isinstance(answer, Applied) for answer in answers)
        if self.settled == BATCH:
            self.has_settled.set()
        return answers


class Line:
    """Every stage of a job, each of which runs only when it is asked to."""

    def __init__(self, folder: Path, watch: Stopwatch) -> None:
        clock, self.ids, chance, self.bus = SystemClock(), SystemIds(), SystemRandomness(), InProcessBus()
        self.watch = watch
        self.file = SqliteFile(folder / "observatory.db", writer=InlineWriter(), readers=ThreadPoolExecutor(1))
        self.file.migrate(load_migrations(MIGRATIONS))
        producer = Producer(service="benchmark", instance_id="b", version="0")
        self.store = CountingStore(self.file, producer=producer, clock=clock, ids=self.ids)
        queries = SqliteJobQueries(self.file)
        watch.measures(self.store, "accept", "store: accept")
        watch.measures(self.store, "_claim", "store: claim")
        watch.measures(self.store, "_apply", "store: settle")
        watch.measures(self.file, "commit", "store: commits")
        self.gateway = Gateway(self.store, queries, self.bus, clock=clock, ids=self.ids)
        self.relay = Relay(outbox=SqliteOutbox(self.file), bus=self.bus, clock=clock)
        self.metrics = MetricsEngine(
            bus=self.bus,
            log=SqliteEventLog(self.file),
            views=SqliteViewStore(self.file),
            pruning=SqlitePruning(self.file, clock=clock),
            ids=self.ids,
            clock=clock,
        )
        self.worker = Worker(
            store=self.store,
            bus=self.bus,
            runner=Runner(slots=SLOTS, clock=clock, app_spec="benchmarks.stages:app", drain_s=0.2, grace_s=0.2),
            handlers=app.handlers,
            info=WorkerInfo(instance_id="b", host="here", pid=1, version="0", started_at=clock.now(), slots=SLOTS),
            clock=clock,
            randomness=chance,
        )
        self._supervisor = Supervisor(clock=clock, randomness=chance)

    async def accept(self) -> None:
        documents = [{"type": "noop", "payload": {}} for _ in range(BATCH)]
        with self.watch.stage("gateway: check, give ids"):
            answers = await self.gateway.submit_batch(documents, CallContext(correlation_id=self.ids.new_id()))
        assert all(isinstance(answer, Submitted) for answer in answers), answers

    async def work(self) -> None:
        """Claim, run and settle all that is there."""
        stop = asyncio.Event()
        self.store.settled, self.store.has_settled = 0, asyncio.Event()
        with self.watch.stage("processor: run"):
            async with asyncio.timeout(60.0):
                running = asyncio.create_task(self._supervisor.run(self.worker.loops, stop))
                await self.store.has_settled.wait()
                stop.set()
                await running

    async def follow(self) -> None:
        """Relay what was committed, and count it."""
        with self.watch.stage("relay and bus"):
            await until_idle(self.relay)
        with self.watch.stage("metrics engine: count"):
            await until_idle(self.metrics)


async def until_idle(loop: Loop) -> None:
    while await loop.run_once():
        pass


async def one_round() -> dict[str, float]:
    """Microseconds of each stage for one job."""
    with tempfile.TemporaryDirectory() as folder:
        watch = Stopwatch()
        line = Line(Path(folder), watch)
        await line.worker.announce()
        await line.metrics.load()
        await line.follow()
        watch.spent_s.clear()
        for _ in range(BATCHES):
            await line.accept()
            await line.follow()
            await line.work()
            await line.follow()
        await line.metrics.close()
        await line.worker.runner.stop()
        await line.file.close()
        return {name: spent_s / (BATCH * BATCHES) * 1e6 for name, spent_s in watch.spent_s.items()}


def main() -> None:
    figures: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            for name, value in runner.run(one_round()).items():
                figures.setdefault(name, []).append(value)
    for name, values in figures.items():
        print(f"  {name:<28} {statistics.median(values):>8.1f} us   ({min(values):.1f} to {max(values):.1f})")
    total = sum(statistics.median(values) for values in figures.values())
    print(f"  {'sum':<28} {total:>8.1f} us   one core: {1e6 / total:,.0f} jobs/s")


if __name__ == "__main__":
    main()
