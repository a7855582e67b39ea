"""Seeded faults: a wrapper for each port, and the file whose commits fail.

Every call of a port is a scheduling point before and after its effect. At each of the two points
it may be slow, raise, stop its node for a while (longer than a lease, at times) or cut its power.
Which kinds occur at all, and how often, is drawn once per seed: a run with one kind only finds
what a run with all of them hides.
"""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from observatory.core.command import Cancel, Rescue
from observatory.core.errors import BusUnavailable, LogUnavailable, StoreUnavailable, Unavailable, ViewsUnavailable
from observatory.core.event import Event
from observatory.engine.sqlite_file import SqliteFile
from observatory.event_bus.in_process import InProcessBus
from observatory.event_bus.port import Hint
from observatory.job_store.port import Order
from tests.simulation.loop import NODE, Node
from tests.simulation.streams import Stream

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")

CALL_KINDS = ("slow", "stalled", "raise", "crash", "pause")
POINTS = ("before", "after")
DELIVERY_KINDS = ("dropped", "repeated", "late", "reordered")
HINT_KINDS = ("dropped", "repeated", "late")

CALL_STEPS = (
    "job_store.submit", "job_store.claim", "job_store.settle", "job_store.rescue", "job_store.cancel",
    "job_store.heartbeat", "job_store.announce", "job_store.make_due", "job_store.expired_leases",
    "job_queries.job", "job_queries.types", "outbox.unpublished", "outbox.confirm", "event_log.after",
    "view_store.load", "view_store.save", "event_bus.publish", "event_bus.subscribe", "event_bus.receive",
    "event_bus.hint", "event_bus.listen", "pruning.expired", "pruning.prune", "pruning.rollup",
    "queues.pause", "queues.resume", "queues.limit",
)  # fmt: skip

WEIGHTS = {
    "job_store.make_due": 0.1, "job_store.expired_leases": 0.3, "outbox.unpublished": 0.1, "event_bus.receive": 0.3,
    "event_bus.hint": 2.0,
    "job_store.announce": 3.0, "job_store.cancel": 3.0, "job_store.rescue": 5.0, "job_queries.job": 3.0,
    "job_queries.types": 5.0,
    "pruning.expired": 2.0, "pruning.prune": 8.0, "pruning.rollup": 8.0,
    "queues.pause": 5.0, "queues.resume": 5.0, "queues.limit": 5.0,
    "event_log.after": 2.0, "view_store.load": 5.0, "event_bus.subscribe": 3.0, "event_bus.listen": 3.0,
}  # fmt: skip
"""How likely a fault is at a step, against others: less where calls repeat all the time, more where they are rare."""

RACES = {
    ("stalled", "before", "job_store.rescue"): 12.0,  # a heartbeat comes between the snapshot and the rescue
    ("stalled", "before", "job_store.settle"): 8.0,  # the settle of an attempt that was overtaken meanwhile
    ("pause", "before", "job_store.settle"): 4.0,
    ("crash", "before", "job_store.settle"): 3.0,
    ("stalled", "before", "job_store.heartbeat"): 4.0,  # the lease ends while its extension is on its way
    ("stalled", "after", "job_store.heartbeat"): 4.0,
    ("stalled", "after", "job_store.claim"): 2.0,  # the lease ends before the claimer knows of it
}
"""How much likelier still a fault is where it makes a dangerous order of events."""

WORLD_KINDS = (
    "rebuild", "power cut", "outage", "partition", "drain", "node crash", "node pause", "handler kills its node",
)  # fmt: skip

CELLS: frozenset[tuple[str, str]] = frozenset(
    {
        *((f"{kind} {point}", step) for kind in CALL_KINDS for point in POINTS for step in CALL_STEPS),
        *((f"raise {point}", "commit") for point in POINTS),
        *((kind, "delivery") for kind in DELIVERY_KINDS),
        *((kind, "hint") for kind in HINT_KINDS),
        *((kind, "world") for kind in WORLD_KINDS),
        ("gone", "event_bus.receive"),
    }
)
"""Every (fault, step) that a campaign has to reach."""

_RATES = {"slow": 0.05, "stalled": 0.006, "raise": 0.03, "crash": 0.004, "pause": 0.008}
_INTENSITIES = (0.0, 0.0, 0.5, 1.0, 1.0, 3.0)


class Faults:
    """
    Decides what fails.

    Args:
        stream: Nothing else draws from it.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.are_on = True
        self.hits: Counter[tuple[str, str]] = Counter()
        """How often each (fault, step) happened."""
        self.rates = {kind: rate * stream.choice(_INTENSITIES) for kind, rate in _RATES.items()}
        self.commit_rate = 0.02 * stream.choice(_INTENSITIES)
        self.bus_rate = 0.1 * stream.choice(_INTENSITIES)
        self.gone_rate = 0.01 * stream.choice(_INTENSITIES)

    def strikes(self, kind: str, point: str, step: str) -> bool:
        """True if the fault happens here; it is counted."""
        if not self.are_on:
            return False
        weight = WEIGHTS.get(step, 1.0) * RACES.get((kind, point, step), 1.0)
        if self._stream.random() >= self.rates[kind] * weight:
            return False
        self.note(f"{kind} {point}", step)
        return True

    def note(self, fault: str, step: str) -> None:
        self.hits[fault, step] += 1

    def fails_commit(self, point: str) -> bool:
        if not self.are_on or self._stream.random() >= self.commit_rate:
            return False
        self.note(f"raise {point}", "commit")
        return True

    def delivery(self, kinds: Sequence[str], step: str) -> str:
        """What becomes of one message: one of *kinds*, or "delivered"."""
        if not self.are_on or self._stream.random() >= self.bus_rate:
            return "delivered"
        kind = self._stream.choice(kinds)
        self.note(kind, step)
        return kind

    def loses_subscription(self) -> bool:
        if not self.are_on or self._stream.random() >= self.gone_rate:
            return False
        self.note("gone", "event_bus.receive")
        return True

    def is_likely(self) -> bool:
        """An even chance."""
        return self._stream.random() < 0.5

    def delay_s(self) -> float:
        """Of something slow: mostly milliseconds."""
        return min(self._stream.expovariate(20.0), 2.0)

    def stall_s(self) -> float:
        """Of something that hangs: around the length of a lease."""
        return self._stream.uniform(3.0, 30.0)

    def pause_s(self) -> float:
        """Of a stopped process: from less than a heartbeat to three leases, often a little more than one."""
        return self._stream.uniform(13.0, 24.0) if self.is_likely() else self._stream.uniform(0.5, 45.0)


class Calls:
    """Carries out the calls of all wrapped ports."""

    def __init__(self, world: "World", faults: Faults) -> None:
        self._world = world
        self._faults = faults

    async def call(self, step: str, error: type[Unavailable], effect: Callable[[], Awaitable[T]]) -> T:
        """Carry out *effect* in the store's own context, with what the seed holds ready around it."""
        node, faults, world = NODE.get(), self._faults, self._world
        world.refuse_if_away(step, error)
        on_its_way_s = await self._strike_before(node, step, error, effect)
        result = await world.carry_out(step, error, _late(on_its_way_s, effect) if on_its_way_s else effect)
        if faults.strikes("slow", "after", step):
            await world.sleep(faults.delay_s())
        if faults.strikes("stalled", "after", step):
            world.note(node, step, "the answer stalls")
            await world.sleep(faults.stall_s())
        if node is not None and faults.strikes("pause", "after", step):
            await world.pause(node, faults.pause_s(), f"{step} after")
        if node is not None and faults.strikes("crash", "after", step):
            await world.crash(node, f"{step} after")
        if faults.strikes("raise", "after", step):
            world.note(node, step, "fails after its effect")
            raise error(f"simulated: {step} fails after its effect")
        return result

    async def _strike_before(
        self, node: Node | None, step: str, error: type[Unavailable], effect: Callable[[], Awaitable[Any]]
    ) -> float:
        """Returns how long the request is on its way: it arrives even if its sender is gone by then."""
        faults, world = self._faults, self._world
        on_its_way_s = faults.delay_s() if faults.strikes("slow", "before", step) else 0.0
        if faults.strikes("stalled", "before", step):
            world.note(node, step, "the request stalls")
            on_its_way_s += faults.stall_s()
        if node is not None and faults.strikes("pause", "before", step):
            await world.pause(node, faults.pause_s(), f"{step} before")
        if node is not None and faults.strikes("crash", "before", step):
            if faults.is_likely():
                world.note(node, step, "its last request")
                world.later(faults.stall_s(), effect)
            await world.crash(node, f"{step} before")
        if faults.strikes("raise", "before", step):
            world.note(node, step, "fails before its effect")
            raise error(f"simulated: {step} fails before its effect")
        return on_its_way_s


def _late(seconds: float, effect: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    async def arrive() -> T:
        await asyncio.sleep(seconds)
        return await effect()

    return arrive


class FaultyJobStore:
    """Implements `JobStore` over what the world has open now."""

    def __init__(self, world: "World", calls: Calls) -> None:
        self._world = world
        self._calls = calls

    async def _call(self, verb: str, effect: Callable[[], Awaitable[T]]) -> T:
        return await self._calls.call(f"job_store.{verb}", StoreUnavailable, effect)

    async def submit(self, jobs: Any) -> Any:
        return await self._call("submit", lambda: self._world.drivers.store.submit(jobs))

    async def claim(self, **wanted: Any) -> Any:
        return await self._call("claim", lambda: self._world.drivers.store.claim(**wanted))

    async def apply(self, orders: Sequence[Order]) -> Any:
        if not orders:
            return []
        return await self._call(_verb_of(orders[0]), lambda: self._world.drivers.store.apply(orders))

    async def heartbeat(self, worker: Any, leases: Any, *, lease_s: float) -> Any:
        return await self._call(
            "heartbeat", lambda: self._world.drivers.store.heartbeat(worker, leases, lease_s=lease_s)
        )

    async def announce(self, types: Any) -> None:
        await self._call("announce", lambda: self._world.drivers.store.announce(types))

    async def make_due(self, *, count_max: int) -> int:
        return await self._call("make_due", lambda: self._world.drivers.store.make_due(count_max=count_max))

    async def expired_leases(self, *, count_max: int) -> Any:
        return await self._call("expired_leases", lambda: self._world.drivers.store.expired_leases(count_max=count_max))

    async def end_leases_of_others(self, worker_ids: Sequence[str]) -> int:
        return await self._world.drivers.store.end_leases_of_others(worker_ids)


def _verb_of(order: Order) -> str:
    if isinstance(order.command, Rescue):
        return "rescue"
    return "cancel" if isinstance(order.command, Cancel) else "settle"


class FaultyJobQueries:
    """Implements what clients and the rescuer ask of `JobQueries`."""

    def __init__(self, world: "World", calls: Calls) -> None:
        self._world = world
        self._calls = calls

    async def job(self, job_id: str) -> Any:
        return await self._calls.call(
            "job_queries.job", StoreUnavailable, lambda: self._world.drivers.queries.job(job_id)
        )

    async def types(self) -> Any:
        return await self._calls.call("job_queries.types", StoreUnavailable, self._world.drivers.queries.types)


class FaultyQueues:
    """Implements what an operator asks of `Queues`."""

    def __init__(self, world: "World", calls: Calls) -> None:
        self._world = world
        self._calls = calls

    async def _call(self, verb: str, effect: Callable[[], Awaitable[T]]) -> T:
        return await self._calls.call(f"queues.{verb}", StoreUnavailable, effect)

    async def pause(self, queue: str) -> Any:
        return await self._call("pause", lambda: self._world.drivers.queues.pause(queue, by="operator", reason=None))

    async def resume(self, queue: str) -> Any:
        return await self._call("resume", lambda: self._world.drivers.queues.resume(queue))

    async def set_concurrency(self, queue: str, most: int | None) -> Any:
        return await self._call("limit", lambda: self._world.drivers.queues.set_concurrency(queue, most))


class FaultyOutbox:
    """Implements `Outbox`, and watches that nothing is confirmed before the bus has taken it."""

    def __init__(self, world: "World", calls: Calls) -> None:
        self._world = world
        self._calls = calls

    async def unpublished(self, *, count_max: int) -> list[Event]:
        def effect() -> Awaitable[list[Event]]:
            return self._world.drivers.outbox.unpublished(count_max=count_max)

        events = await self._calls.call("outbox.unpublished", StoreUnavailable, effect)
        self._world.published.note_offer(events)
        return events

    async def wait(self, *, timeout_s: float) -> None:
        await self._world.drivers.outbox.wait(timeout_s=timeout_s)

    async def confirm(self, position: int) -> None:
        async def effect() -> None:
            self._world.published.check_confirm(position)
            await self._world.drivers.outbox.confirm(position)

        await self._calls.call("outbox.confirm", StoreUnavailable, effect)

    async def confirmed(self) -> int:
        return await self._world.drivers.outbox.confirmed()

    async def waiting_since(self) -> datetime | None:
        return await self._world.drivers.outbox.waiting_since()


class FaultyPruning:
    """Implements `Pruning`."""

    def __init__(self, world: "World", calls: Calls) -> None:
        self._world = world
        self._calls = calls

    @property
    def piece_s(self) -> float:
        return self._world.drivers.pruning.piece_s

    async def _call(self, verb: str, effect: Callable[[], Awaitable[T]]) -> T:
        return await self._calls.call(f"pruning.{verb}", StoreUnavailable, effect)

    async def expired(self, policy: Any, **bounds: Any) -> Any:
        return await self._call("expired", lambda: self._world.drivers.pruning.expired(policy, **bounds))

    async def prune(self, jobs: Any, folded: Any) -> Any:
        return await self._call("prune", lambda: self._world.drivers.pruning.prune(jobs, folded))

    async def rollup(self, view: str) -> Any:
        return await self._call("rollup", lambda: self._world.drivers.pruning.rollup(view))

    async def overdue(self, policy: Any) -> Any:
        return await self._world.drivers.pruning.overdue(policy)

    async def give_back(self, *, pages_max: int) -> int:
        return await self._world.drivers.pruning.give_back(pages_max=pages_max)


class FaultyEventLog:
    """Implements what the metrics engine asks of `EventLog`."""

    is_shared_with_truth = True

    def __init__(self, world: "World", calls: Calls) -> None:
        self._world = world
        self._calls = calls

    async def after(self, position: int, *, count_max: int) -> list[Event]:
        return await self._calls.call(
            "event_log.after", LogUnavailable, lambda: self._world.drivers.log.after(position, count_max=count_max)
        )


class FaultyViewStore:
    """Implements `ViewStore`."""

    def __init__(self, world: "World", calls: Calls) -> None:
        self._world = world
        self._calls = calls

    async def load(self, name: str) -> Any:
        return await self._calls.call("view_store.load", ViewsUnavailable, lambda: self._world.drivers.views.load(name))

    async def save(self, name: str, view: Any, *, expected_checkpoint: int) -> None:
        def effect() -> Awaitable[None]:
            return self._world.drivers.views.save(name, view, expected_checkpoint=expected_checkpoint)

        await self._calls.call("view_store.save", ViewsUnavailable, effect)


class FaultyBus:
    """Implements `EventBus`: it takes what it is given, and then loses, repeats, delays and reorders it."""

    def __init__(self, world: "World", calls: Calls, faults: Faults) -> None:
        self._world = world
        self._calls = calls
        self._faults = faults
        self._held: tuple[InProcessBus, Sequence[Event]] | None = None

    async def publish(self, events: Sequence[Event]) -> None:
        async def effect() -> None:
            self._world.published.note_taken(events)
            await self._deliver(self._world.drivers.bus, events)

        await self._calls.call("event_bus.publish", BusUnavailable, effect)

    async def _deliver(self, bus: InProcessBus, events: Sequence[Event]) -> None:
        fate = self._faults.delivery(DELIVERY_KINDS, "delivery")
        if fate == "reordered" and self._held is None:
            self._held = (bus, events)
            return
        if fate == "late":
            self._world.later(self._faults.stall_s(), lambda: bus.publish(events))
            return
        if fate != "dropped":
            await bus.publish(events)
        if fate == "repeated":
            self._world.later(self._faults.delay_s(), lambda: bus.publish(events))
        if self._held is not None:
            (held_bus, held), self._held = self._held, None
            await held_bus.publish(held)

    async def subscribe(self, consumer: str) -> "FaultySubscription":
        inner = await self._calls.call(
            "event_bus.subscribe", BusUnavailable, lambda: self._world.drivers.bus.subscribe(consumer)
        )
        return FaultySubscription(inner, self._calls, self._faults)

    async def hint(self, about: Hint = Hint.READY) -> None:
        await self._calls.call("event_bus.hint", BusUnavailable, lambda: self._hint(about))

    async def _hint(self, about: Hint) -> None:
        bus = self._world.drivers.bus
        fate = self._faults.delivery(HINT_KINDS, "hint")
        if fate in {"delivered", "repeated"}:
            await bus.hint(about)
        if fate in {"repeated", "late"}:
            self._world.later(self._faults.stall_s(), lambda: bus.hint(about))

    async def listen(self, about: Hint = Hint.READY) -> Any:
        bus = self._world.drivers.bus
        return await self._calls.call("event_bus.listen", BusUnavailable, lambda: bus.listen(about))


class FaultySubscription:
    """Implements `Subscription`; once its connection is gone it stays gone."""

    def __init__(self, inner: Any, calls: Calls, faults: Faults) -> None:
        self._inner = inner
        self._calls = calls
        self._faults = faults
        self._is_gone = False

    async def receive(self, *, timeout_s: float) -> Any:
        self._is_gone = self._is_gone or self._faults.loses_subscription()
        if self._is_gone:
            raise BusUnavailable("simulated: the connection of this subscription is gone")
        if timeout_s:
            return await self._inner.receive(timeout_s=timeout_s)
        return await self._calls.call("event_bus.receive", BusUnavailable, lambda: self._inner.receive(timeout_s=0))

    async def ack(self, delivery: Any) -> None:
        await self._inner.ack(delivery)

    async def close(self) -> None:
        await self._inner.close()


class WatchedFile(SqliteFile):
    """A file whose commits fail, before or after they took effect, and are judged when they did."""

    def __init__(self, world: "World", **options: Any) -> None:
        super().__init__(**options)
        self._world = world
        self.said: list[Any] = []
        """What the units of the open transaction said they did."""

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        self.said.clear()
        with super()._transaction():
            yield

    def commit(self, connection: sqlite3.Connection) -> None:
        faults, world = self._world.faults, self._world
        if faults.fails_commit("before"):
            world.note(None, "commit", "fails before its effect")
            raise sqlite3.OperationalError("simulated: disk I/O error before the commit")
        super().commit(connection)
        world.after_commit(connection, self.said)
        if faults.fails_commit("after"):
            world.note(None, "commit", "fails after its effect")
            raise sqlite3.OperationalError("simulated: disk I/O error after the commit")
