"""Makes a database with jobs of every status through the real store, and counts them."""

import asyncio
from pathlib import Path

import msgspec

from observatory.core import limits
from observatory.core.command import Cancel, Command, Fail, Refuse, Release, Report, Rescue, Snooze, Succeed
from observatory.core.errors import ObservatoryError
from observatory.core.event import Producer
from observatory.core.folds import STATS_VIEW, StatsView, fold_stats
from observatory.core.job import Job, JobError, NewJob, Outcome, Progress
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.sqlite_migrations import migrate
from observatory.engine.writers import InlineWriter
from observatory.event_log.sqlite import SqliteEventLog
from observatory.job_store.port import Order
from observatory.job_store.sqlite import MIGRATIONS, SqliteJobStore
from observatory.testing.manual_sources import ManualClock, SeededIds
from observatory.view_store.projection import Projection
from observatory.view_store.sqlite import SqliteViewStore

PRODUCER = Producer(service="test", instance_id="i", version="0")
ERROR = JobError(type="ValueError", message="no", traceback="line 1")
TYPES = ("thumbnail", "mail")


class Populated(msgspec.Struct, frozen=True):
    """Where it is, and one job of each kind."""

    folder: Path
    job_ids: dict[str, str]


class World:
    """The store, the log and the counters over one file."""

    def __init__(self, folder: Path) -> None:
        self.file = SqliteFile(folder / "observatory.db", writer=InlineWriter(), readers=InlineExecutor())
        connection = self.file._connection
        migrate(connection, load_migrations(MIGRATIONS), path=self.file.path)
        self.clock, self.ids = ManualClock(), SeededIds()
        self.store = SqliteJobStore(self.file, producer=PRODUCER, clock=self.clock, ids=self.ids)
        self.log = SqliteEventLog(self.file)
        views = SqliteViewStore(self.file)
        self.stats = Projection(STATS_VIEW, StatsView, fold_stats, store=views, ids=self.ids)

    def new(self, number: int, **changes: object) -> NewJob:
        new = NewJob(
            id=self.ids.new_id(),
            event_id=self.ids.new_id(),
            type=TYPES[number % 2],
            payload={"z": number, "a": [1, 2.0, {"y": None, "x": "ü"}]},
            correlation_id=self.ids.new_id(),
            fingerprint="0" * 64,
            queue="default",
            priority=5,
            max_attempts=3,
            timeout_seconds=30,
            metadata={"by": "test"} if number % 3 == 0 else None,
        )
        return msgspec.structs.replace(new, **changes)

    async def submit(self, count: int) -> list[str]:
        jobs = [self.new(number) for number in range(count)]
        await self.store.submit(jobs)
        return [job.id for job in jobs]

    async def claim(self, count: int) -> list[Job]:
        return await self.store.claim(types=TYPES, worker="w", count_max=count, lease_s=10.0)

    async def apply(self, job_id: str, *commands: Command) -> None:
        for answer in await self.store.apply([Order(job_id, command) for command in commands]):
            assert not isinstance(answer, ObservatoryError), answer

    async def count(self) -> None:
        while events := await self.log.after(self.stats.checkpoint, count_max=limits.READ_EVENTS_MAX):
            await self.stats.apply(events)


def populate(folder: Path) -> Populated:
    return asyncio.run(_populate(folder))


async def _populate(folder: Path) -> Populated:
    world = World(folder)
    kinds = ("completed", "failed", "retried", "cancelled", "snoozed", "released", "refused", "rescued", "raced")
    job_ids = dict(zip(kinds, await world.submit(len(kinds)), strict=True))
    claimed = {job.id: job for job in await world.claim(len(kinds))}
    for kind, job_id in job_ids.items():
        fence = claimed[job_id].fence
        commands: dict[str, tuple[Command, ...]] = {
            "completed": (
                Report(fence=fence, progress=Progress(fraction=0.5, message="half")),
                Succeed(fence=fence, result={"b": 1, "a": 2.0}, run_s=1.5),
            ),
            "failed": (Fail(fence=fence, outcome=Outcome.FAILED, error=ERROR, retry_in_s=None, run_s=0.25),),
            "retried": (Fail(fence=fence, outcome=Outcome.TIMED_OUT, error=ERROR, retry_in_s=1.0, run_s=0.1),),
            "cancelled": (Cancel(), Fail(fence=fence, outcome=Outcome.CANCELLED, error=ERROR, retry_in_s=None)),
            "snoozed": (Snooze(fence=fence, run_in_s=1.0, run_s=0.1),),
            "released": (Release(fence=fence, run_s=0.1),),
            "refused": (Refuse(fence=fence, error=ERROR),),
            "rescued": (),
            "raced": (Cancel(), Succeed(fence=fence, result=None, run_s=0.1)),
        }
        await world.apply(job_id, *commands[kind])
    world.clock.advance(11.0)
    await world.apply(job_ids["rescued"], Rescue(fence=claimed[job_ids["rescued"]].fence, retry_in_s=100.0))
    await world.store.make_due(count_max=10)
    for job in await world.claim(10):
        world.clock.advance(0.125)
        await world.apply(job.id, Succeed(fence=job.fence, result=[1], run_s=0.5))
    job_ids["executing"] = (await world.submit(1))[0]
    await world.claim(1)
    job_ids["pending"] = (await world.submit(1))[0]
    later = world.new(7, run_at=world.clock.now().replace(year=2027), idempotency_key="k")
    job_ids["scheduled"] = later.id
    await world.store.submit([later])
    await world.count()
    await world.file.close()
    return Populated(folder, job_ids)
