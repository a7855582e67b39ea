"""One simulated installation: the real services over the real SQLite drivers, with faults in between.

First comes the phase of safety, in which everything may fail and every commit is judged. Then
everything heals, and within a bounded virtual time every job must be final, every event published
and every view complete.
"""

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from observatory.core.errors import CheckpointMoved, Unavailable
from observatory.core.event import Producer
from observatory.core.folds import STATS_VIEW
from observatory.core.job import NewJob
from observatory.core.retention import Kept, RetentionPolicy
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_migrations import migrate
from observatory.engine.writers import InlineWriter
from observatory.event_bus.in_process import InProcessBus
from observatory.event_log.sqlite import SqliteEventLog
from observatory.job_store.port import Lease, Order, WorkerInfo
from observatory.job_store.sqlite import (
    MIGRATIONS,
    SqliteJobQueries,
    SqliteJobStore,
    SqliteOutbox,
    SqlitePruning,
    SqliteQueues,
)
from observatory.maintenance.due_jobs import DueJobs
from observatory.maintenance.pruner import Pruner
from observatory.maintenance.relay import Relay
from observatory.maintenance.rescuer import Rescuer
from observatory.metrics_engine.engine import MetricsEngine
from observatory.processor.runner import Runner
from observatory.processor.worker import Worker
from observatory.runtime.supervisor import Supervisor
from observatory.testing.manual_sources import SeededIds
from observatory.view_store.port import StoredView
from observatory.view_store.sqlite import SqliteViewStore
from tests.simulation.checkers import (
    KEPT_S,
    Effects,
    History,
    Promises,
    Published,
    SaidApplied,
    SaidExtended,
    Violation,
    check_conservation,
    check_view,
    watch_rows,
)
from tests.simulation.faults import (
    Calls,
    Faults,
    FaultyBus,
    FaultyEventLog,
    FaultyJobQueries,
    FaultyJobStore,
    FaultyOutbox,
    FaultyPruning,
    FaultyQueues,
    FaultyViewStore,
    WatchedFile,
)
from tests.simulation.loop import NODE, Livelock, LoopClock, Node, SimulationLoop
from tests.simulation.streams import Streams
from tests.simulation.trace import Trace
from tests.simulation.workload import UNSERVED, Client, Deeds, Operator, plan_tasks, plan_wishes

T = TypeVar("T")

HEAL_AT_S = 60.0
"""When the phase of safety ends."""

LIVENESS_S_MAX = 400.0
"""
Within this long after healing everything is final: 4 attempts of at most 60 s each on few slots, their
leases and backoffs, the longest backoff of a loop (30 s), and what was held back or stalled before (35 s).
"""

POLICY = RetentionPolicy(kept=Kept(completed_s=KEPT_S, failed_s=KEPT_S, cancelled_s=KEPT_S))
PRODUCER = Producer(service="simulation", instance_id="simulation", version="0")
TMPFS = Path("/dev/shm")


class WatchedJobStore(SqliteJobStore):
    """Says what it answered, so that the commit can be judged by it."""

    _file: WatchedFile

    def _apply(self, connection: sqlite3.Connection, orders: Sequence[Order]) -> list[Any]:
        answers = super()._apply(connection, orders)
        for order, answer in zip(orders, answers, strict=True):
            if not isinstance(answer, Exception):
                said = SaidApplied(order.job_id, order.command, answer.sequence, answer.has_changed)
                self._file.said.append(said)
        return answers

    def _heartbeat(
        self, connection: sqlite3.Connection, worker: WorkerInfo, leases: Sequence[Lease], lease_s: float
    ) -> list[Any]:
        sql = "SELECT fence, lease_expires_at IS NOT NULL FROM jobs WHERE id = ?"
        rows = [connection.execute(sql, (lease.job_id,)).fetchone() or (0, False) for lease in leases]
        states = super()._heartbeat(connection, worker, leases, lease_s)
        for state, (fence, is_leased) in zip(states, rows, strict=True):
            if state.is_held:
                said = SaidExtended(state.lease.job_id, state.lease.fence, fence, bool(is_leased))
                self._file.said.append(said)
        return states


class WatchedSupervisor(Supervisor):
    """A loop may fail because something is unavailable; any other failure is a fault of the product."""

    def __init__(self, world: "World", **options: Any) -> None:
        super().__init__(**options)
        self._world = world

    def _note_failure(self, state: Any, error: Exception) -> float:
        if not isinstance(error, Unavailable | CheckpointMoved):
            self._world.fail(error)
        return super()._note_failure(state, error)


class Drivers:
    """What one process has open."""

    def __init__(self, world: "World", path: Path) -> None:
        self.file = WatchedFile(world, path=path, writer=InlineWriter(), readers=InlineExecutor())
        self.file.write_now = None  # pyright: ignore[reportAttributeAccessIssue] — nothing writes beside the simulated time
        connection = self.file._connection
        # Only processes die here, never the machine: what was written is in the system's cache, and a
        # flush would cost time and show nothing.
        connection.execute("PRAGMA synchronous = OFF")
        watch_rows(connection)
        self.store = WatchedJobStore(self.file, producer=PRODUCER, clock=world.clock, ids=world.ids)
        self.queries = SqliteJobQueries(self.file)
        self.queues = SqliteQueues(self.file, clock=world.clock)
        self.outbox = SqliteOutbox(self.file)
        self.log = SqliteEventLog(self.file)
        self.views = SqliteViewStore(self.file)
        self.pruning = SqlitePruning(self.file, clock=world.clock)
        self.bus = InProcessBus()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one seed gave."""

    seed: int
    digest: str
    failure: BaseException | None
    newest: list[str]
    """The last lines of the trace."""
    hits: dict[tuple[str, str], int]
    virtual_s: float
    healed_in_s: float
    """From the end of the faults until everything was final."""
    picks: int
    jobs: int
    events: int
    commits: int
    overlaps: int


class World:
    """Everything that one seed decides. Use `run_seed`."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.streams = Streams(seed)
        self.loop = SimulationLoop(self.streams.schedule)
        self.clock = LoopClock(self.loop)
        self.ids = SeededIds(f"{seed}/ids")
        self.trace = Trace()
        self.faults = Faults(self.streams.faults)
        self.history = History()
        self.promises = Promises()
        self.effects = Effects()
        self.published = Published()
        self.submitted: dict[str, NewJob] = {}
        self.failure: BaseException | None = None
        self.is_over = False
        self._path = folder / "observatory.db"
        self._make_file()
        self.drivers = Drivers(self, self._path)
        self._stores = Node("store")
        self._outage_until_s = 0.0
        self._is_down = False
        self._in_flight: dict[asyncio.Future[Any], type[Unavailable]] = {}
        self._nodes: dict[str, Node] = {}
        self._mains: dict[str, Callable[[Node], Awaitable[None]]] = {}
        self._generations: dict[str, int] = {}
        self._drains: dict[str, asyncio.Event] = {}
        self._clients: list[Client] = []
        calls = Calls(self, self.faults)
        self.store = FaultyJobStore(self, calls)
        self.queries = FaultyJobQueries(self, calls)
        self.operated = FaultyQueues(self, calls)
        self.outbox = FaultyOutbox(self, calls)
        self.log = FaultyEventLog(self, calls)
        self.views = FaultyViewStore(self, calls)
        self.bus = FaultyBus(self, calls, self.faults)
        self.pruning = FaultyPruning(self, calls)

    def _make_file(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        migrate(connection, load_migrations(MIGRATIONS), path=self._path)
        self.prepare(connection)
        connection.close()

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Change the new file. A seam for ablations."""

    # --- what the wrappers use ----------------------------------------------------------------

    def note(self, node: Node | None, step: str, effect: str) -> None:
        """One line of the trace."""
        self.trace.add(self.loop.time(), node.name if node else "world", step, effect)

    def short(self, job_id: str) -> str:
        """A name for people: the number that the seeded ids count."""
        return f"j{int(job_id[:13].replace('-', ''), 16)}"

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def pause(self, node: Node, seconds: float, where: str) -> None:
        self.note(node, "paused", f"{seconds:.3f} s at {where}")
        self.loop.pause(node, seconds)
        await asyncio.sleep(0)

    async def crash(self, node: Node, where: str) -> None:
        """Never returns to its caller."""
        self.kill(node, where)
        await self.loop.create_future()

    def kill(self, node: Node, where: str) -> None:
        """Cut the power of one node; it comes back as a new instance."""
        if node.is_crashed:
            return
        self.note(node, "crashed", where)
        self.loop.crash(node)
        name = node.name.partition("#")[0]
        restart_s = self.streams.faults.choice((0.0, 0.1, 1.0, 5.0, 18.0))
        self.after_s(restart_s, lambda: self._restart(name, node))

    def after_s(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call *callback* as part of the world."""
        self.loop.spawn(None, _call_later(seconds, callback))

    def later(self, seconds: float, effect: Callable[[], Awaitable[Any]]) -> None:
        """Carry out *effect* later, as long as this process lives."""
        self.loop.spawn(self._stores, self._await_later(seconds, effect))

    async def _await_later(self, seconds: float, effect: Callable[[], Awaitable[Any]]) -> None:
        await asyncio.sleep(seconds)
        try:
            await effect()
        except (Unavailable, CheckpointMoved):
            pass  # nobody is there to be told
        except Exception as error:  # noqa: BLE001 — a fault of the product
            self.fail(error)

    async def carry_out(self, step: str, error: type[Unavailable], effect: Callable[[], Awaitable[T]]) -> T:
        """Run *effect* as part of the store: it goes on when its caller does not."""
        self.refuse_if_away(step, error)
        answer: asyncio.Future[Any] = self.loop.create_future()
        self._in_flight[answer] = error
        self.loop.spawn(self._stores, self._serve(step, effect, answer))
        value, failure = await answer
        if failure is not None:
            raise failure
        return value

    def refuse_if_away(self, step: str, error: type[Unavailable]) -> None:
        """Raise *error* while the store is away, for everybody or for who asks."""
        now_s, node = self.loop.time(), NODE.get()
        if self._is_down or now_s < self._outage_until_s or (node is not None and now_s < node.cut_off_until_s):
            raise error(f"simulated: {step} during an outage")

    async def _serve(self, step: str, effect: Callable[[], Awaitable[Any]], answer: asyncio.Future[Any]) -> None:
        outcome: tuple[Any, Exception | None]
        try:
            outcome = await effect(), None
        except Exception as error:  # noqa: BLE001 — the caller's, unless it is a violation
            outcome = None, error
            if not isinstance(error, Unavailable | CheckpointMoved):
                self.fail(error)
            self.note(self._stores, step, type(error).__name__)
        self._in_flight.pop(answer, None)
        if not answer.done():
            answer.set_result(outcome)

    def after_commit(self, connection: sqlite3.Connection, said: Sequence[Any]) -> None:
        """Judge what just became durable."""
        with self.judged():
            events = self.history.after_commit(connection, said, self.clock.now())
            for job_id in self.history.just_pruned:
                self.promises.note_pruned(job_id)
                self.effects.forget(job_id)
            kinds = " ".join(f"{self.short(event.job_id)}:{event.event_type[4:]}" for event in events)
            kinds += "".join(f" {self.short(job_id)}:pruned" for job_id in self.history.just_pruned)
            self.note(self._stores, "commit", kinds or "no event")

    @contextlib.contextmanager
    def judged(self) -> Generator[None]:
        """A violation ends the run, wherever it is found."""
        try:
            yield
        except (Violation, AssertionError) as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        if self.failure is None and not self.is_over:
            self.failure = error
            self.loop.stop()

    # --- processes ----------------------------------------------------------------------------

    def _begin(self) -> None:
        stream = self.streams.workload
        for number, tasks in enumerate(plan_tasks(stream, self.streams.of("queues"), self.ids), start=1):
            client = Client(self, f"client{number}", tasks)
            self._clients.append(client)
            self._mains[client.name] = lambda node, client=client: client.run()
        wishes = plan_wishes(self.streams.of("operator"), HEAL_AT_S)
        if wishes:
            operator = Operator(self, wishes)
            self._mains["client of queues"] = lambda node: operator.run()
        for number in range(1, stream.choice((2, 2, 3)) + 1):
            self._mains[f"worker{number}"] = self._run_worker
        self._mains["keeper1"] = self._run_keeper
        if stream.random() < 0.5:
            self._mains["keeper2"] = self._run_second_keeper
        for name in self._mains:
            self._start(name)

    def _start(self, name: str) -> None:
        generation = self._generations[name] = self._generations.get(name, 0) + 1
        node = self._nodes[name] = Node(f"{name}#{generation}")
        self.note(node, "starts", "")
        self.loop.spawn(node, self._guard(name, node))

    def _restart(self, name: str, dead: Node) -> None:
        if self._nodes[name] is dead and not (self._is_down and not name.startswith("client")):
            self._start(name)

    async def _guard(self, name: str, node: Node) -> None:
        try:
            await self._mains[name](node)
        except Exception as error:  # noqa: BLE001 — a process that ends by an error is a fault of the product
            self.fail(error)

    def _supervisor(self, clock: LoopClock) -> WatchedSupervisor:
        return WatchedSupervisor(self, clock=clock, randomness=self.streams.chance)

    def _clock_of(self, node: Node) -> LoopClock:
        """Wall clocks of processors are wrong by up to a year; nothing may depend on them."""
        return LoopClock(self.loop, ahead_s=self.streams.of(f"clock/{node.name}").uniform(-3e7, 3e7))

    async def _run_worker(self, node: Node) -> None:
        clock = self._clock_of(node)
        info = WorkerInfo(
            instance_id=node.name, host="simulated", pid=1, version="0", started_at=self.clock.now(), slots=3
        )
        worker = Worker(
            store=self.store,
            bus=self.bus,
            runner=Runner(slots=info.slots, clock=clock, app_spec=None, watches_loop=False, captures=False),
            handlers=Deeds(self, node, self.streams).handlers(),
            info=info,
            clock=clock,
            randomness=self.streams.chance,
            prefetch=self.streams.of(f"prefetch/{node.name}").choice((0, 0, 2)),
        )
        await self._until_available(worker.announce)
        stop, drain = asyncio.Event(), asyncio.Event()
        self._drains[node.name] = drain
        running = asyncio.create_task(self._supervisor(clock).run(worker.loops, stop))
        await drain.wait()
        await worker.drain()
        stop.set()
        await running
        self.note(node, "drained", "")
        self.kill(node, "its end")

    async def _run_keeper(self, node: Node) -> None:
        clock = self._clock_of(node)
        relay = Relay(outbox=self.outbox, bus=self.bus, clock=clock)
        engine = MetricsEngine(
            bus=self.bus, log=self.log, views=self.views, pruning=self.pruning, ids=self.ids, clock=clock
        )
        pruner = Pruner(pruning=self.pruning, outbox=self.outbox, views=self.views, policy=POLICY)
        await self._supervisor(clock).run([relay, engine, pruner, *self._sweepers(clock)], asyncio.Event())

    async def _run_second_keeper(self, node: Node) -> None:
        clock = self._clock_of(node)
        await self._supervisor(clock).run(self._sweepers(clock), asyncio.Event())

    def _sweepers(self, clock: LoopClock) -> list[Any]:
        rescuer = Rescuer(
            store=self.store, queries=self.queries, bus=self.bus, clock=clock, randomness=self.streams.chance
        )
        return [DueJobs(store=self.store, bus=self.bus), rescuer]

    async def _until_available(self, ask: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await ask()
            except Unavailable:
                await asyncio.sleep(1.0)
            else:
                return

    # --- what befalls the world ---------------------------------------------------------------

    def _plan_disasters(self) -> None:
        stream = self.streams.faults
        plans: list[tuple[Callable[[], object], int]] = [
            (self._cut_power, stream.choice((0, 0, 1, 2))),
            (self._begin_outage, stream.choice((0, 0, 1, 2))),
            (self._cut_off_some_worker, stream.choice((0, 1, 2, 3))),
            (self._drain_some_worker, stream.choice((0, 0, 1, 2))),
            (lambda: self._befall("node crash"), stream.choice((0, 0, 1, 3))),
            (lambda: self._befall("node pause"), stream.choice((0, 1, 2, 4))),
            (self._rebuild, stream.choice((0, 0, 1, 2))),
        ]
        for disaster, count in plans:
            for _ in range(count):
                self.after_s(stream.uniform(0.5, HEAL_AT_S), disaster)

    def _cut_power(self) -> None:
        """Everything but the clients is gone at once: its connections, its memory, its bus."""
        if self._is_down or not self.faults.are_on:
            return
        self.faults.note("power cut", "world")
        self.note(None, "power cut", "")
        self._is_down = True
        for node in [self._stores, *self._nodes.values()]:
            if not node.name.startswith("client"):
                self.loop.crash(node)
        self.drivers.file.abandon()
        for answer, error in list(self._in_flight.items()):
            if not answer.done():
                answer.set_result((None, error("simulated: the process is gone")))
        self._in_flight.clear()
        self.after_s(self.streams.faults.choice((0.0, 0.5, 4.0, 20.0)), self._power_up)

    def _power_up(self) -> None:
        self.note(None, "power up", "")
        self._stores = Node("store")
        self.drivers = Drivers(self, self._path)
        self.history.begin_file()
        self.published = Published()
        with self.judged():
            self.drivers.file.read_now(self.history.check_all_rows)
            self.promises.check(self.history, self.submitted)
        self.loop.spawn(self._stores, self._take_over())

    async def _take_over(self) -> None:
        """As the owner of the file does when it starts: no processor of before is alive."""
        await self._until_available(lambda: self.store.end_leases_of_others([]))
        self._is_down = False
        for name in self._mains:
            if not name.startswith("client"):
                self._start(name)

    def _rebuild(self) -> None:
        """Somebody wants the counters made anew."""
        if self._is_down or not self.faults.are_on:
            return
        self.faults.note("rebuild", "world")
        self.note(None, "rebuild", "")
        self.loop.spawn(self._stores, self._await_later(0.0, lambda: self.drivers.views.drop(STATS_VIEW)))

    def _begin_outage(self) -> None:
        if self.faults.are_on:
            self.faults.note("outage", "world")
            seconds = self.streams.faults.choice((1.0, 6.0, 14.0, 25.0))
            self.note(None, "outage", f"{seconds} s")
            self._outage_until_s = max(self._outage_until_s, self.loop.time() + seconds)

    def _cut_off_some_worker(self) -> None:
        """The store works and one processor cannot reach it: the rescuer does not wait for it."""
        if self.faults.are_on:
            busy = self.effects.busy_nodes()
            node = self.streams.faults.choice(busy) if busy else self._some_node("worker")
            seconds = self.streams.faults.choice((3.0, 16.0, 22.0, 28.0, 28.0))
            self.faults.note("partition", "world")
            self.note(node, "cut off", f"{seconds} s")
            node.cut_off_until_s = self.loop.time() + seconds

    def _drain_some_worker(self) -> None:
        node = self._some_node("worker")
        drain = self._drains.get(node.name)
        if self.faults.are_on and drain is not None and not node.is_crashed:
            self.faults.note("drain", "world")
            self.note(node, "drain", "")
            drain.set()

    def _befall(self, kind: str) -> None:
        node = self._some_node("")
        if not self.faults.are_on or node.is_crashed:
            return
        self.faults.note(kind, "world")
        if kind == "node crash":
            self.kill(node, "by itself")
        else:
            seconds = self.faults.pause_s()
            self.note(node, "paused", f"{seconds:.3f} s")
            self.loop.pause(node, seconds)

    def _some_node(self, prefix: str) -> Node:
        return self.streams.faults.choice([node for name, node in self._nodes.items() if name.startswith(prefix)])

    # --- the run ------------------------------------------------------------------------------

    async def live(self) -> float:
        """Both phases; returns the virtual seconds from the healing until everything was final."""
        self._begin()
        self._plan_disasters()
        await asyncio.sleep(HEAL_AT_S)
        self._heal()
        healed_at_s = self.loop.time()
        while not self._is_quiet():
            if self.loop.time() - healed_at_s > LIVENESS_S_MAX:
                raise Violation("V1", f"not quiet {LIVENESS_S_MAX} s after healing: {'; '.join(self._unrest())}")
            await self._open_queues()
            await asyncio.sleep(0.5)
        self.check_end()
        return self.loop.time() - healed_at_s

    def _heal(self) -> None:
        self.note(None, "heals", "")
        self.faults.are_on = False
        self._outage_until_s = 0.0
        for node in self._nodes.values():
            node.cut_off_until_s = 0.0
            if node.is_paused:
                self.loop.resume(node)

    async def _open_queues(self) -> None:
        """Nothing is paused or limited for ever; a pause that was on its way may have come after the healing."""
        if self._is_down:
            return
        for setting in await self.drivers.queues.settings():
            self.history.queues.note_resume_sent(setting.queue)
            await self.drivers.queues.resume(setting.queue)
            await self.drivers.queues.set_concurrency(setting.queue, None)

    def _stored_view(self) -> StoredView | None:
        sql = "SELECT document, checkpoint, generation FROM views WHERE name = ?"
        row = self.drivers.file.read_now(lambda connection: connection.execute(sql, (STATS_VIEW,)).fetchone())
        return None if row is None else StoredView(row[0].encode(), row[1], row[2])

    def _is_quiet(self) -> bool:
        return not self._unrest()

    def _unrest(self) -> list[str]:
        """What is still to come, in words."""
        if self._is_down:
            return ["the process is down"]
        head, view = self.history.position, self._stored_view()
        counted = view.checkpoint if view else 0
        rest = [f"{client.name} is not done" for client in self._clients if not client.is_done]
        rest += self._unfinished()
        if counted < head:
            rest.append(f"the view stands at {counted} of {head} events")
        if self.published.first is not None and head not in self.published.taken:
            rest.append(f"event {head} is not published")
        return rest

    def _unfinished(self) -> list[str]:
        return [
            f"{self.short(job_id)} {job.status}"
            for job_id, job in self.history.jobs.items()
            if job.status is not None
            and not job.status.is_final
            and not (job.document is not None and job.document["type"] == UNSERVED)
        ]

    def check_end(self) -> None:
        """Everything that holds when nothing moves any more."""
        history = self.history
        self.drivers.file.read_now(history.check_all_rows)
        self.promises.check(history, self.submitted)
        self.effects.check(history)
        self.published.check_complete(history.position)
        view = self._stored_view()
        if view is not None:
            check_view(view, history.events)
            accepted = self.promises.accepted.values()
            self.drivers.file.read_now(lambda connection: check_conservation(history.stats, connection, accepted))
        for job_id, job in history.jobs.items():
            document = job.document or {}
            if document["type"] == UNSERVED and (document["attempt"] or document["fence"]):
                raise Violation("R5", f"job {job_id} of an unknown type was claimed")
        for error in self.loop.unseen_errors():
            raise Violation("V0", f"a task ended by {type(error).__name__}: {error}") from error

    def end(self) -> None:
        """End what still runs and close the file."""
        self.is_over = True
        self.faults.are_on = False
        self._is_down = True
        with contextlib.suppress(Livelock):
            self.loop.tear_down()
        self.drivers.file.abandon()


async def _call_later(seconds: float, callback: Callable[[], object]) -> None:
    await asyncio.sleep(seconds)
    callback()


def run_seed(seed: int, *, world_type: type[World] = World) -> Outcome:
    """Simulate *seed* from beginning to end. The same seed gives the same outcome."""
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=TMPFS if TMPFS.is_dir() else None))
    world = world_type(seed, folder)
    asyncio.set_event_loop(None)
    healed_in_s = -1.0
    try:
        healed_in_s = world.loop.run_until_complete(world.live())
    except Exception as error:  # noqa: BLE001 — whatever ended the run is its outcome
        world.failure = world.failure or error
    try:
        return Outcome(
            seed=seed,
            digest=world.trace.digest,
            failure=world.failure,
            newest=world.trace.newest,
            hits=dict(world.faults.hits),
            virtual_s=world.loop.time(),
            healed_in_s=healed_in_s,
            picks=world.loop.picks,
            jobs=len(world.history.jobs) + len(world.history.pruned),
            events=world.history.position,
            commits=world.history.commits,
            overlaps=world.effects.overlaps,
        )
    finally:
        world.end()
        shutil.rmtree(folder, ignore_errors=True)
