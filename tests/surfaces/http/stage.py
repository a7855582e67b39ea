"""An installation whose loops a test runs by hand, one round at a time, so that every situation holds still."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from observatory.contracts import validate
from observatory.core import limits
from observatory.core.job import Job
from observatory.edge.health import Check
from observatory.job_store.port import WorkerInfo
from observatory.processor.runner import Runner
from observatory.processor.worker import Worker
from observatory.runtime.sources import SystemClock
from observatory.runtime.supervisor import FAILURES_MAX, Loop, Supervisor
from observatory.testing.manual_sources import SeededRandomness
from tests import handlers
from tests.surfaces.http.services import World, client, open_world, submit

WAIT_S_MAX = 20.0


class NoChance:
    """Nothing is left to chance: a loop that fails is run again at once."""

    def random(self) -> float:
        return 0.0


class Faulty:
    """A store of which some methods fail as no store should."""

    def __init__(self, store: Any, *broken: str) -> None:
        self._store = store
        self._broken = broken

    def __getattr__(self, name: str) -> Any:
        if name not in self._broken:
            return getattr(self._store, name)

        async def fail(*_args: Any, **_options: Any) -> Any:
            raise RuntimeError("this method is broken")

        return fail


class Stage:
    """
    Gateway and read model over a real file and a clock that the test moves; processors whose loops it runs.

    What handlers do, they do in real time.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.loops: list[Check] = []
        """What the read model knows of the loops of its process."""
        self.here: str | None = None
        self.is_alone = True
        """Whether the read model's process runs all loops itself."""
        self.relays = True
        """Whether everything is published before somebody asks."""
        self._workers: list[Worker] = []
        self._gates: list[handlers.Gate] = []
        self._ending = contextlib.AsyncExitStack()

    # --- asking -------------------------------------------------------------------------------

    async def submit(self, **fields: Any) -> str:
        return (await submit(self.world.gateway(), **fields))["id"]

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        async with client(self.world.gateway()) as http:
            answer = await http.post(path, **({} if body is None else {"json": body}))
        assert answer.status_code < 300, answer.text

    async def asked(self, job_id: str) -> Any:
        """The whole answer of the route."""
        if self.relays:
            await self.publish()
        async with client(self.world.read_model(loops=self.loops, here=self.here, is_alone=self.is_alone)) as http:
            return await http.get(f"/jobs/{job_id}/explain")

    async def publish(self) -> None:
        """Take everything out of the outbox, as a relay does."""
        outbox = self.world.outbox
        while events := await outbox.unpublished(count_max=limits.RELAY_BATCH_MAX):
            await outbox.confirm(events[-1].position or 0)

    async def explain(self, job_id: str) -> dict[str, Any]:
        answer = await self.asked(job_id)
        assert answer.status_code == 200, answer.text
        assert validate("explanation", answer.json(), known_values_only=True) == []
        return answer.json()

    async def job(self, job_id: str) -> Job:
        return await self.world.job(job_id)

    # --- processors -----------------------------------------------------------------------------

    async def processor(self, *, slots: int = 1, prefetch: int = 0, broken: tuple[str, ...] = ()) -> Worker:
        """A processor of `tests.handlers` that has announced itself; *broken* are methods of its store."""
        world = self.world
        runner = Runner(
            slots=slots, clock=world.clock, app_spec="tests.handlers:app", drain_s=0.1, grace_s=0.1,
            watches_loop=False, captures=False,
        )  # fmt: skip
        info = WorkerInfo(
            instance_id=world.ids.new_id(), host="here", pid=1, version="0", started_at=world.clock.now(), slots=slots
        )
        store: Any = Faulty(world.store, *broken) if broken else world.store
        worker = Worker(
            store=store,
            bus=world.bus,
            runner=runner,
            handlers=handlers.app.handlers,
            info=info,
            clock=world.clock,
            randomness=SeededRandomness(),
            prefetch=prefetch,
        )
        await worker.announce()
        self._workers.append(worker)
        self._ending.push_async_callback(runner.stop)
        return worker

    async def stuck(self, worker: Worker, **fields: Any) -> str:
        """A job that *worker* has begun, and whose handler answers nothing until the end of the test."""
        job_id = await self.submit(type="stuck.thread", **fields)
        self.gate(job_id)
        await worker.claims.run_once()
        await asyncio.to_thread(handlers.gates[job_id].entered.wait, WAIT_S_MAX)
        return job_id

    def gate(self, job_id: str) -> handlers.Gate:
        gate = handlers.gates[job_id] = handlers.Gate()
        self._gates.append(gate)
        return gate

    async def ended(self, worker: Worker) -> None:
        """Return when no attempt of *worker* runs; nothing of what came of them is recorded."""
        await self.until(lambda: not any(attempt.is_running for attempt in worker.attempts))

    async def run(self, worker: Worker, **fields: Any) -> str:
        """Submit a job, have *worker* run it, and record what came of it."""
        job_id = await self.submit(**fields)
        await worker.claims.run_once()
        await self.ended(worker)
        await worker.settles.run_once()
        return job_id

    async def beats(self, worker: Worker, seconds: float) -> None:
        """Let so much time pass, with a heartbeat at its end."""
        self.world.clock.advance(seconds)
        await worker.heartbeats.run_once()

    async def heard_of(self, role: str = "maintenance", **fields: Any) -> WorkerInfo:
        """Another process, which says now what *fields* say."""
        usual = {"instance_id": f"{role}-1", "host": "elsewhere", "pid": 77, "version": "0", "slots": 0}
        info = WorkerInfo(**({"started_at": self.world.clock.now(), "role": role} | usual | fields))
        await self.world.store.heartbeat(info, [], lease_s=limits.LEASE_S)
        return info

    # --- loops ----------------------------------------------------------------------------------

    async def fails(self, loop: Loop) -> None:
        """Have the read model's process run *loop* until it counts as not working."""
        supervisor = Supervisor(clock=SystemClock(), randomness=NoChance())
        stop = asyncio.Event()
        running = asyncio.create_task(supervisor.run([loop], stop))
        self._ending.push_async_callback(asyncio.wait_for, running, WAIT_S_MAX)
        self._ending.callback(stop.set)

        await self.until(
            lambda: loop.name in supervisor.states and supervisor.states[loop.name].failures >= FAILURES_MAX
        )
        self.loops.append(Check(loop.name.replace(" ", "_"), partial(supervisor.check, loop.name)))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            while not holds():  # noqa: ASYNC110 — what is waited for tells nobody
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        """Let every handler go on, and end when none of them runs any more."""
        for gate in self._gates:
            gate.opened.set()
        for worker in self._workers:
            await self.ended(worker)
        await self._ending.aclose()


@contextlib.asynccontextmanager
async def staged(world: World) -> AsyncGenerator[Stage]:
    stage = Stage(world)
    try:
        yield stage
    finally:
        await stage.close()


@contextlib.asynccontextmanager
async def open_stage(folder: Path) -> AsyncGenerator[Stage]:
    async with open_world(folder) as world, staged(world) as stage:
        yield stage
