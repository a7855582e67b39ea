"""
Test mode: an application's jobs run inside the test, without a server, in virtual time.

    def test_a_thumbnail_is_made(tmp_path):
        with TestMode(app) as t:
            handle = app.submit(thumbnail, path="a.jpg")
            t.run_all()
            assert handle.result() == {"width": 256}

It is the embedded system itself: the routes of the gateway and the read model, the job store on a temporary SQLite
file, the processor's own code around the handler, the same rules for retries. What is different: there is no network
and nobody sleeps, ids and chance come from a seed, jobs run one at a time and only when the test says so, and a
`runs_in="process"` handler runs in a thread, where its memory limit does not hold and its crash is the test's.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

import msgspec

from observatory.client.address import Address
from observatory.client.api import Api
from observatory.client.async_api import AsyncApi
from observatory.core import limits
from observatory.core.errors import ObservatoryError
from observatory.core.handler import Handler, Isolation, type_info_of
from observatory.core.job import DELAYED, Job, JsonObject
from observatory.core.sources import Clock, Ids
from observatory.job_store.port import JobFilter, Order
from observatory.processor.ending import settle_command
from observatory.processor.runner import Runner
from observatory.processor.stopping import Stop
from observatory.sdk.app import Observatory
from observatory.sdk.client import Client
from observatory.testing.manual_sources import BEGINNING, ManualClock, SeededIds, SeededRandomness
from observatory.testing.services import AsyncLocalTransport, LocalServices, LocalTransport, NotOpen

T = TypeVar("T")

_SLOTS = limits.SLOTS_MAX
"""A handler may wait for a job of its own, which then runs inside it, and a thread that is abandoned keeps its slot."""


class NothingRuns(ObservatoryError):
    """A job is waited for that no job of this test can bring to its end: the wait would never be over."""

    code = "nothing_runs"


class RunsForEver(ObservatoryError):
    """`limits.TEST_RUNS_MAX` attempts were not enough: some job snoozes, or submits another one, without an end."""

    code = "runs_for_ever"


class TestMode:
    """
    As long as it is open, *app* submits to this test instead of to a server.

    Args:
        app: Its types are those that run.
        now: Where virtual time begins.
        seed: Of ids and of the chance in retry pauses.
    """

    __test__: ClassVar[bool] = False  # not a class of tests, whatever its name begins with

    def __init__(self, app: Observatory, *, now: datetime = BEGINNING, seed: str = "test") -> None:
        self._app = app
        self._clock = ManualClock(now)
        self._ids = SeededIds(seed)
        self._chance = SeededRandomness(seed)
        self._services: LocalServices | None = None
        self._runner = Runner(slots=_SLOTS, clock=self._clock, app_spec=None, watches_loop=False, captures=False)
        self.aio = AioTestMode(self)
        """The same calls for coroutines: handlers then run on the test's own loop."""

    def __enter__(self) -> Self:
        services = LocalServices(clock=self._clock, ids=self._ids, randomness=self._chance)
        infos = [type_info_of(handler) for handler in self._app.handlers.values()]
        services.now(services.store.announce(infos))
        self._services = services
        self._place = _LocalPlace(self, services)
        self._app.speak_to(self._place)
        self.client = Client.at(self._place)
        """Submits and asks as `observatory.Client` does."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._app.speak_to(None)
        self.client.close()
        if self._services is not None:
            self._services.close()
            self._services = None

    # --- time ---------------------------------------------------------------------------------

    @property
    def clock(self) -> ManualClock:
        """Virtual time: `clock.now()`."""
        return self._clock

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass. What is due then runs with the next `run_due`."""
        self._clock.advance(seconds)

    # --- jobs ---------------------------------------------------------------------------------

    def submit(self, type: Any, /, **payload: Any) -> Any:
        """As `app.submit`."""
        return self._app.submit(type, **payload)

    def jobs(self, type: str | None = None, status: str | None = None) -> list[JsonObject]:
        """Every job that matches, the first accepted first."""
        found: list[JsonObject] = []
        page = self.client.jobs(type=type, status=status, count_max=limits.PAGE_ITEMS_MAX)
        found += page.items
        while page.next_cursor is not None:
            page = self.client.jobs(
                type=type, status=status, cursor=page.next_cursor, count_max=limits.PAGE_ITEMS_MAX
            )  # fmt: skip
            found += page.items
        return found[::-1]

    def run_next(self) -> JsonObject | None:
        """Run one attempt of the job that is due first; the job as it is then, None when none is due."""
        return _finished(self.steps().run_next())

    def run_due(self) -> list[JsonObject]:
        """Run what is due now, and what that submits, until nothing is due; each attempt's job in order."""
        return _finished(self.steps().run_due())

    def run_all(self) -> list[JsonObject]:
        """As `run_due`, moving time to whatever is due next, retries and delayed jobs, until nothing is left."""
        return _finished(self.steps().run_all())

    def steps(self) -> "_Steps":
        """
        Raises:
            NotOpen: Outside of the `with` block.
        """
        if self._services is None:
            raise NotOpen
        return _Steps(self._app, self._services, self._runner, self._clock, self._chance)


class AioTestMode:
    """`t.aio`: as `TestMode`, awaited."""

    def __init__(self, mode: TestMode) -> None:
        self._mode = mode

    async def run_next(self) -> JsonObject | None:
        return await self._mode.steps().run_next()

    async def run_due(self) -> list[JsonObject]:
        return await self._mode.steps().run_due()

    async def run_all(self) -> list[JsonObject]:
        return await self._mode.steps().run_all()


class _Steps:
    """What a processor does with a job, one job at a time, on the loop of whoever asks."""

    def __init__(
        self,
        app: Observatory,
        services: LocalServices,
        runner: Runner,
        clock: ManualClock,
        chance: SeededRandomness,
    ) -> None:
        self._app = app
        self._services = services
        self._runner = runner
        self._clock = clock
        self._chance = chance

    async def run_next(self) -> JsonObject | None:
        store = self._services.store
        await self._services.soon(store.make_due(count_max=limits.DUE_BATCH_MAX))
        claimed = await self._services.soon(
            store.claim(
                types=sorted(self._app.handlers),
                worker=self._services.worker_id,
                count_max=1,
                lease_s=limits.LEASE_S_MAX,
            )
        )
        if not claimed:
            return None
        [job] = claimed
        await self._attempt(job, _in_this_process(self._app.handlers[job.type]))
        return msgspec.to_builtins(await self._services.soon(self._services.queries.job(job.id)))

    async def run_due(self) -> list[JsonObject]:
        jobs: list[JsonObject] = []
        while (job := await self.run_next()) is not None:
            jobs.append(job)
            if len(jobs) >= limits.TEST_RUNS_MAX:
                raise RunsForEver(f"{len(jobs)} attempts ran and job {job['id']} ({job['type']}) was not the last one")
        return jobs

    async def run_all(self) -> list[JsonObject]:
        jobs = await self.run_due()
        while await self.pass_time():
            jobs += await self.run_due()
            if len(jobs) >= limits.TEST_RUNS_MAX:
                raise RunsForEver(f"{len(jobs)} attempts ran in {self._clock.monotonic():g} s of virtual time")
        return jobs

    async def pass_time(self) -> bool:
        """Move time to the next job that is due later; False when there is none."""
        due = [job.run_at for status in sorted(DELAYED) for job in await self._jobs(JobFilter(status=status))]
        if not due:
            return False
        self._clock.advance(max(0.0, (min(due) - self._clock.now()).total_seconds()))
        return True

    async def _jobs(self, wanted: JobFilter) -> Iterable[Job]:
        found: list[Job] = []
        before: int | None = None
        while True:
            page = await self._services.soon(
                self._services.queries.jobs(wanted, before=before, count_max=limits.PAGE_ITEMS_MAX)
            )
            found += page.jobs
            before = page.next_before
            if before is None:
                return found

    async def _attempt(self, job: Job, handler: Handler) -> None:
        ended = await self._runner.run(handler, job, stop=Stop())
        settle = settle_command(ended, job, handler, self._chance.random())
        [answer] = await self._services.soon(self._services.store.apply([Order(job.id, settle)]))
        if isinstance(answer, ObservatoryError):
            raise answer


class _LocalPlace:
    """Implements `sdk.connection.Place`: waiting for a job lets jobs run, and time pass when none is due."""

    def __init__(self, mode: TestMode, services: LocalServices) -> None:
        self._mode = mode
        self._services = services
        self.clock: Clock = mode.clock
        self.ids: Ids = SeededIds("client")

    def find(self) -> Address:
        return self._services.address

    def open(self, address: Address) -> Api:
        return Api(address, clock=self.clock, http=LocalTransport(self._services))

    def open_async(self, address: Address) -> AsyncApi:
        return AsyncApi(address, clock=self.clock, http=AsyncLocalTransport(self._services))

    def pause(self, seconds: float) -> None:
        _finished(self.pause_async(seconds))

    async def pause_async(self, seconds: float) -> None:
        steps = self._mode.steps()
        if await steps.run_next() is None and not await steps.pass_time():
            raise NothingRuns(
                "what is waited for cannot end: no job of this test is due, now or later (its type may have no "
                "handler in this application, or it waits for itself)"
            )


def _in_this_process(handler: Handler) -> Handler:
    if handler.runs_in is not Isolation.PROCESS:
        return handler
    return msgspec.structs.replace(handler, runs_in=Isolation.THREAD, memory_bytes_max=None)


def _finished(call: Coroutine[Any, Any, T]) -> T:
    """What *call* gives, run to its end in this thread, or beside it when a loop runs here already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(call)
    answers: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(asyncio.run(call))
        except BaseException as error:  # noqa: BLE001 — raised by the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, name="observatory test run")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]
