"""The background services of one process over a real SQLite file and real time, without HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from observatory.core import limits
from observatory.core.event import Event, Producer
from observatory.core.handler import Handler
from observatory.core.job import FINAL, Job
from observatory.core.retention import RetentionPolicy
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.sqlite_migrations import migrate
from observatory.engine.writers import WriterThread
from observatory.event_bus.in_process import InProcessBus, InProcessSubscription
from observatory.event_log.sqlite import SqliteEventLog
from observatory.job_store.port import WorkerInfo
from observatory.job_store.sqlite import (
    MIGRATIONS,
    SqliteAttemptLogs,
    SqliteJobQueries,
    SqliteJobStore,
    SqliteOutbox,
    SqlitePruning,
)
from observatory.maintenance.due_jobs import DueJobs
from observatory.maintenance.pruner import Pruner
from observatory.maintenance.relay import Relay
from observatory.maintenance.rescuer import Rescuer
from observatory.metrics_engine.engine import MetricsEngine
from observatory.processor.runner import Runner
from observatory.processor.worker import Worker
from observatory.runtime.sources import SystemClock, SystemIds, SystemRandomness
from observatory.runtime.supervisor import Supervisor
from observatory.testing.factories import new_job
from observatory.view_store.sqlite import SqliteViewStore

APP = "tests.handlers:app"
WAIT_S_MAX = 30.0
LOOK_S = 0.5


@dataclass(kw_only=True)
class Place:
    """One running process."""

    file: SqliteFile
    store: SqliteJobStore
    queries: SqliteJobQueries
    log: SqliteEventLog
    views: SqliteViewStore
    bus: InProcessBus
    runner: Runner
    worker: Worker
    news: InProcessSubscription
    ids: SystemIds
    seen: list[Event]
    logs: SqliteAttemptLogs

    async def submit(self, type: str, payload: Mapping[str, Any] | None = None, **fields: Any) -> str:
        """Accept one job and wake the processor; returns its id."""
        new = new_job(self.ids, type=type, payload=dict(payload or {}), **fields)
        (answer,) = await self.store.submit([new])
        assert not isinstance(answer, Exception), answer
        await self.bus.hint()
        return new.id

    async def until(self, job_id: str, *wanted: str) -> list[str]:
        """Wait for an event of the job whose type is one of *wanted*; returns the types so far."""
        async with asyncio.timeout(WAIT_S_MAX):
            while True:
                types = [str(event.event_type) for event in self.seen if event.job_id == job_id]
                if set(types) & set(wanted):
                    return types
                # A delivery only says that there is something: the bus drops the oldest ones of a slow consumer, and
                # what was committed before the relay began is never delivered.
                await self.news.receive(timeout_s=LOOK_S)
                last = self.seen[-1].position if self.seen else 0
                self.seen += await self.log.after(last or 0, count_max=limits.READ_EVENTS_MAX)

    async def final(self, job_id: str) -> Job:
        """Wait until the job is final."""
        await self.until(job_id, "job.completed", "job.failed", "job.cancelled")
        job = await self.queries.job(job_id)
        assert job is not None
        assert job.status in FINAL
        return job

    async def job(self, job_id: str) -> Job:
        job = await self.queries.job(job_id)
        assert job is not None
        return job


@contextlib.asynccontextmanager
async def running_place(
    folder: Path,
    handlers: Mapping[str, Handler],
    *,
    slots: int = 4,
    prefetch: int = 0,
    app: str = APP,
    lease_s: float = 15.0,
    policy: RetentionPolicy = RetentionPolicy(),  # noqa: B008 — frozen
) -> AsyncGenerator[Place]:
    """Start everything, and end it as a stop does: drain, then the loops."""
    file = SqliteFile(folder / "observatory.db", writer=WriterThread(), readers=ThreadPoolExecutor(2))
    file.write_now(lambda connection: None)
    migrate(file._connection, load_migrations(MIGRATIONS), path=file.path)  # pyright: ignore[reportPrivateUsage]
    clock, ids, chance, bus = SystemClock(), SystemIds(), SystemRandomness(), InProcessBus()
    instance = ids.new_id()
    store = SqliteJobStore(
        file, producer=Producer(service="processor", instance_id=instance, version="0"), clock=clock, ids=ids
    )
    queries, log, views = SqliteJobQueries(file), SqliteEventLog(file), SqliteViewStore(file)
    logs = SqliteAttemptLogs(file, clock=clock)
    runner = Runner(slots=slots, clock=clock, app_spec=app, drain_s=0.2, grace_s=0.2)
    info = WorkerInfo(instance_id=instance, host="here", pid=1, version="0", started_at=clock.now(), slots=slots)
    worker = Worker(
        store=store,
        bus=bus,
        runner=runner,
        handlers=handlers,
        info=info,
        clock=clock,
        randomness=chance,
        prefetch=prefetch,
        lease_s=lease_s,
        logs=logs,
    )
    pruning, outbox = SqlitePruning(file, clock=clock), SqliteOutbox(file)
    metrics = MetricsEngine(bus=bus, log=log, views=views, pruning=pruning, ids=ids, clock=clock)
    loops = [
        *worker.loops,
        Relay(outbox=outbox, bus=bus, clock=clock),
        Pruner(pruning=pruning, outbox=outbox, views=views, policy=policy),
        DueJobs(store=store, bus=bus),
        Rescuer(store=store, queries=queries, bus=bus, clock=clock, randomness=chance),
        metrics,
    ]
    news = await bus.subscribe("test")
    await store.end_leases_of_others([])
    await worker.announce()
    stop = asyncio.Event()
    supervised = asyncio.create_task(Supervisor(clock=clock, randomness=chance).run(loops, stop))
    place = Place(
        file=file, store=store, queries=queries, log=log, views=views, bus=bus, runner=runner,
        worker=worker, news=news, ids=ids, seen=[], logs=logs,
    )  # fmt: skip
    try:
        yield place
        await worker.drain()
    finally:
        stop.set()
        await supervised
        await runner.stop()
        await metrics.close()
        await file.close()
