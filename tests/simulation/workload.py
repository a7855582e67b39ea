"""What clients ask for and what handlers do, drawn from the seed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from observatory.core.command import Cancel
from observatory.core.errors import IdempotencyConflict, InvalidJob, StoreUnavailable
from observatory.core.handler import Handler, Isolation
from observatory.core.job import JobStatus, NewJob
from observatory.core.retry import Discard, Retry, RetryPolicy, Snooze
from observatory.gateway.wakes import Wakes
from observatory.job_store.port import Applied, Order, Submitted
from observatory.processor.context import JobContext
from observatory.testing.factories import new_job
from observatory.testing.manual_sources import BEGINNING, SeededIds
from tests.simulation.checkers import Running, require
from tests.simulation.loop import NODE, Node
from tests.simulation.streams import Stream, Streams

if TYPE_CHECKING:
    from tests.simulation.world import World

UNSERVED = "unserved"
"""A type that no processor knows: its jobs wait, and cost nothing."""

SERVED = ("steady", "wild", "checked")
DEEDS = ("succeed", "succeed", "fail", "retry", "discard", "snooze", "ignore", "stop", "kill")
QUEUES = ("default", "paused at times", "limited at times")
CLIENTS = 2
SUBMITS_UNTIL_S = 35.0


# --- clients ---------------------------------------------------------------------------------------


class Task(msgspec.Struct, frozen=True):
    """One thing a client does."""

    at_s: float
    jobs: tuple[NewJob, ...] = ()
    """To be submitted; empty for a cancel."""
    cancels: float = 0.0
    """Which of the accepted jobs, as a share of their number."""


def plan_tasks(stream: Stream, queues: Stream, ids: SeededIds) -> list[list[Task]]:
    """The tasks of each client, by time. Some keys are used by both, some with another body."""
    plans: list[list[Task]] = [[] for _ in range(CLIENTS)]
    for number in range(stream.randint(4, 9)):
        at_s = stream.uniform(0.0, SUBMITS_UNTIL_S)
        jobs = tuple(
            _draw_job(stream, ids, f"key-{number}-{item}", queues.choice(QUEUES))
            for item in range(stream.choice((1, 1, 1, 2, 3)))
        )
        plans[number % CLIENTS].append(Task(at_s, jobs))
        if stream.random() < 0.3:
            plans[(number + 1) % CLIENTS].append(Task(at_s + stream.choice((0.0, 0.3, 9.0)), (_again(jobs[0], ids),)))
        if stream.random() < 0.2:
            plans[(number + 1) % CLIENTS].append(Task(at_s + stream.choice((0.0, 5.0)), (_other(jobs[0], ids),)))
        if stream.random() < 0.35:
            later_s = at_s + stream.choice((0.0, 0.5, 3.0, 10.0))
            plans[stream.randrange(CLIENTS)].append(Task(later_s, cancels=stream.random()))
    for plan in plans:
        plan.sort(key=lambda task: task.at_s)
    return plans


def _draw_job(stream: Stream, ids: SeededIds, key: str, queue: str) -> NewJob:
    kind = stream.choice((*SERVED, "wild", "wild", UNSERVED) if stream.random() < 0.3 else SERVED)
    is_delayed = stream.random() < 0.2
    run_at = BEGINNING + timedelta(seconds=stream.uniform(0.0, 60.0)) if is_delayed else None
    return new_job(
        ids,
        type=kind,
        payload={"number": stream.randrange(1_000), "bad": kind == "checked" and stream.random() < 0.3},
        idempotency_key=key if stream.random() < 0.7 else None,
        max_attempts=stream.choice((1, 2, 3, 4, 4)),
        timeout_seconds=stream.choice((5.0, 20.0, 60.0, 60.0)),
        priority=stream.choice((0, 5, 5, 9)),
        queue=queue,
        run_at=run_at,
    )


def _again(job: NewJob, ids: SeededIds) -> NewJob:
    """The same request from another caller."""
    return msgspec.structs.replace(job, id=ids.new_id(), event_id=ids.new_id())


def _other(job: NewJob, ids: SeededIds) -> NewJob:
    """Another request under the same key."""
    return msgspec.structs.replace(job, id=ids.new_id(), event_id=ids.new_id(), fingerprint="f" * 64)


async def until_answered(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until the store says something."""
    pause_s = 0.2
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, 5.0)


class Client:
    """One submitter: it repeats what it does not know the outcome of, and remembers what it was told."""

    def __init__(self, world: "World", name: str, tasks: list[Task]) -> None:
        self._world = world
        self.name = name
        self._tasks = tasks
        self._next = 0

    @property
    def is_done(self) -> bool:
        return self._next >= len(self._tasks)

    async def run(self) -> None:
        """Do the tasks that are left; a task that a crash interrupted stays unfinished."""
        while not self.is_done:
            task = self._tasks[self._next]
            self._next += 1
            await asyncio.sleep(max(0.0, task.at_s - self._world.loop.time()))
            if task.jobs:
                await self._submit(task.jobs)
            else:
                await self._cancel(task.cancels)

    async def _submit(self, jobs: tuple[NewJob, ...]) -> None:
        world = self._world
        for new in jobs:
            world.submitted[new.id] = new
        answers = await until_answered(lambda: world.store.submit(jobs))
        for new, answer in zip(jobs, answers, strict=True):
            world.note(NODE.get(), "client", f"{new.idempotency_key} {type(answer).__name__}")
            if isinstance(answer, Submitted):
                world.promises.note_accepted(new, answer.job.id)
            else:
                assert isinstance(answer, IdempotencyConflict), answer
                world.promises.note_refused(new, answer)
        accepted = [answer.job.id for answer in answers if isinstance(answer, Submitted)]
        if accepted:
            job = await until_answered(lambda: world.queries.job(accepted[0]))
            is_there = job is not None or accepted[0] in world.history.pruned
            require(is_there, "A4", f"job {accepted[0]} was accepted and is absent")

    async def _cancel(self, share: float) -> None:
        world = self._world
        known = list(dict.fromkeys(world.promises.accepted.values()))
        if not known:
            return
        job_id = known[int(share * len(known))]
        (answer,) = await until_answered(lambda: world.store.apply([Order(job_id, Cancel())]))
        world.note(NODE.get(), "client", f"cancel {type(answer).__name__}")
        await Wakes(world.bus).after([answer])
        if isinstance(answer, Applied) and answer.status is JobStatus.CANCELLED:
            world.promises.note_cancelled(job_id)
        elif isinstance(answer, Applied):
            world.promises.cancel_requested.add(job_id)


# --- an operator -----------------------------------------------------------------------------------


class Wish(msgspec.Struct, frozen=True):
    """One thing that the operator wants of a queue."""

    at_s: float
    queue: str
    action: str
    """pause, resume or limit."""
    concurrency_max: int | None = None


def plan_wishes(stream: Stream, until_s: float) -> list[Wish]:
    """Pauses that end at some time, and limits that change, by time; none in every other run."""
    wishes: list[Wish] = []
    if stream.random() < 0.5:
        return wishes
    for _ in range(stream.randint(1, 4)):
        at_s = stream.uniform(0.0, until_s)
        queue = stream.choice(QUEUES)
        wishes += [Wish(at_s, queue, "pause"), Wish(at_s + stream.choice((0.0, 1.0, 8.0, 25.0)), queue, "resume")]
    for _ in range(stream.randint(0, 4)):
        most = stream.choice((1, 1, 2, 3, None))
        wishes.append(Wish(stream.uniform(0.0, until_s), stream.choice(QUEUES), "limit", most))
    return sorted(wishes, key=lambda wish: wish.at_s)


class Operator:
    """Pauses, resumes and limits queues, and repeats what it does not know the outcome of."""

    def __init__(self, world: "World", wishes: list[Wish]) -> None:
        self._world = world
        self._wishes = wishes

    async def run(self) -> None:
        """Carry out the wishes that are left; one that a crash interrupted stays unfinished."""
        while self._wishes:
            wish = self._wishes.pop(0)
            await asyncio.sleep(max(0.0, wish.at_s - self._world.loop.time()))
            if self._world.faults.are_on:
                await self._carry_out(wish)

    async def _carry_out(self, wish: Wish) -> None:
        world, promises = self._world, self._world.history.queues
        if wish.action == "pause":
            await until_answered(lambda: world.operated.pause(wish.queue))
            promises.note_paused(wish.queue)
        elif wish.action == "resume":
            promises.note_resume_sent(wish.queue)
            await until_answered(lambda: world.operated.resume(wish.queue))
            promises.note_resumed(wish.queue)
        else:
            await until_answered(lambda: world.operated.set_concurrency(wish.queue, wish.concurrency_max))
        world.note(NODE.get(), "operator", f"{wish.action} {wish.queue} {wish.concurrency_max or ''}")


# --- handlers --------------------------------------------------------------------------------------


class Deeds:
    """What the handlers of one node do: a virtual duration, then an ending, both drawn per attempt."""

    def __init__(self, world: "World", node: Node, streams: Streams) -> None:
        self._world = world
        self._node = node
        self._streams = streams

    def handlers(self) -> dict[str, Handler]:
        policy = RetryPolicy(base_s=0.5, factor=2.0, cap_s=8.0)
        made = {name: Handler(type=name, function=self._run, runs_in=Isolation.ASYNC, retry=policy) for name in SERVED}
        made["checked"] = msgspec.structs.replace(made["checked"], check_payload=_check_payload)
        return made

    async def _run(self, context: JobContext, *, number: int, bad: bool) -> dict[str, int]:
        world, fence = self._world, context.fence
        stream = self._streams.of(f"{context.job_id}/{fence}")
        deed = "succeed" if context.type == "steady" else stream.choice(DEEDS)
        running = Running(self._node, fence, begun_s=world.loop.time(), ignores_stop=deed == "ignore")
        world.note(self._node, "handler", f"begins {world.short(context.job_id)} fence {fence}")
        with world.judged():
            world.effects.note_start(
                context.job_id, running, world.history.lease_end(context.job_id, fence), world.clock.now()
            )
        is_success = False
        try:
            await self._work(context, deed, stream)
            is_success = True
        finally:
            if not self._node.is_crashed:
                world.note(self._node, "handler", f"ends {world.short(context.job_id)} fence {fence} {is_success}")
                world.effects.note_end(context.job_id, running, is_success=is_success)
        return {"number": number, "fence": fence}

    async def _work(self, context: JobContext, deed: str, stream: Stream) -> None:
        run_s = stream.choice((0.0, 0.05, 0.3, 1.0, 4.0, 12.0, 25.0, 25.0, 40.0, 40.0))
        for done in range(stream.choice((0, 0, 1, 20))):
            context.progress(done=done, total=20, message=deed)
        await self._spend(run_s / 4 if context.type == "steady" else run_s, ignores_stop=deed == "ignore")
        if stream.random() < 0.2:
            context.progress(1.0)
        if deed == "stop":
            context.stop_if_asked()
        if deed == "fail":
            raise ValueError("drawn to fail")
        if deed == "retry":
            raise Retry("drawn to be repeated", in_s=stream.uniform(0.0, 3.0))
        if deed == "discard":
            raise Discard("drawn to be discarded")
        if deed == "snooze" and context.fence < 4:
            raise Snooze(stream.uniform(1.0, 6.0))
        if deed == "kill" and self._world.faults.are_on:
            self._world.faults.note("handler kills its node", "world")
            await self._world.crash(self._node, "killed by its handler")

    async def _spend(self, seconds: float, *, ignores_stop: bool) -> None:
        loop = self._world.loop
        ends_s = loop.time() + seconds
        while loop.time() < ends_s:
            with contextlib.ExitStack() as stack:
                if ignores_stop and not self._world.is_over:
                    stack.enter_context(contextlib.suppress(asyncio.CancelledError))
                await asyncio.sleep(ends_s - loop.time())


def _check_payload(payload: dict[str, Any]) -> dict[str, Any]:
    if payload["bad"]:
        raise InvalidJob("drawn to be invalid", pointer="/bad")
    return payload
