"""The processor: claim → run → settle, under leases kept alive by heartbeats. Three loops over one set of attempts."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import structlog

from observatory.core import limits
from observatory.core.command import Fail, Release, Settle, Start
from observatory.core.errors import BusUnavailable, IllegalTransition, LeaseLost, StoreUnavailable, Unavailable
from observatory.core.handler import Handler, type_info_of
from observatory.core.job import Job, JobError, JobStatus, Outcome
from observatory.core.lifecycle import transition
from observatory.core.retry import RetryPolicy
from observatory.core.sources import Clock, Randomness
from observatory.event_bus.port import EventBus, Hints
from observatory.job_store.port import Applied, JobStore, Order, WorkerInfo
from observatory.processor.attempts import Attempt, Attempts
from observatory.processor.call import refusal_of
from observatory.processor.context import StopReason
from observatory.processor.ending import Ended, error_of, settle_command
from observatory.processor.stopping import Stop

_log = structlog.get_logger("observatory.processor")


class RunsAttempts(Protocol):
    """What the worker needs of `runner.Runner`."""

    @property
    def free_slots(self) -> int:
        """Attempts that could begin now."""
        ...

    @property
    def abandoned_count(self) -> int:
        """Slots held by threads past their hard time-out."""
        ...

    async def run(self, handler: Handler, job: Job, *, stop: Stop) -> Ended:
        """Run one attempt to its end, whatever its handler does. Raises when the system gives it nothing to run in."""
        ...


class Worker:
    """
    One processor instance.

    Args:
        handlers: By type. Jobs of other types are never claimed.
        info: Who it is; its counts are filled in at every heartbeat.
        prefetch: Jobs that it may hold beyond its slots, VALIDATED.
        lease_s: How long a claim holds without a heartbeat.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        bus: EventBus,
        runner: RunsAttempts,
        handlers: Mapping[str, Handler],
        info: WorkerInfo,
        clock: Clock,
        randomness: Randomness,
        prefetch: int = 0,
        lease_s: float = limits.LEASE_S,
    ) -> None:
        self.store = store
        self.bus = bus
        self.runner = runner
        self.handlers = handlers
        self.clock = clock
        self.randomness = randomness
        self.prefetch = prefetch
        self.lease_s = lease_s
        self.attempts = Attempts()
        self.is_draining = False
        self._info = info
        self._beginning = 0
        self.claims = Claims(self)
        self.settles = Settles(self)
        self.heartbeats = Heartbeats(self)

    @property
    def loops(self) -> "tuple[Claims, Settles, Heartbeats]":
        """To be run under a supervisor."""
        return self.claims, self.settles, self.heartbeats

    @property
    def free_slots(self) -> int:
        """Attempts that could begin now; those whose task has not run yet hold a slot already."""
        return self.runner.free_slots - self._beginning

    @property
    def info(self) -> WorkerInfo:
        """How it describes itself now."""
        running = [attempt.job.id for attempt in self.attempts if attempt.is_running]
        return msgspec.structs.replace(
            self._info,
            running=len(running),
            buffered=len(self.attempts.buffered),
            abandoned=self.runner.abandoned_count,
            is_draining=self.is_draining,
            types=tuple(sorted(self.handlers)),
            jobs=tuple(running[: self._info.slots]),
        )

    async def announce(self) -> None:
        """Make its types and itself known. Before the first claim."""
        await self.store.announce([type_info_of(handler) for handler in self.handlers.values()])
        await self.store.heartbeat(self.info, [], lease_s=self.lease_s)

    async def drain(self) -> None:
        """
        Claim nothing more, and ask the running attempts to end.

        Those that go on are left alone for `limits.DRAIN_S` and then given back, at no cost; so is what a
        claim brings that is under way. When it returns, every settle was offered to the store once more;
        what it did not take is rescued when its lease ends.
        """
        self.is_draining = True
        self.attempts.stop_all(StopReason.DRAIN)
        for attempt in self.attempts.buffered:
            self.settles.offer(attempt.job, Release(fence=attempt.job.fence))
        await asyncio.gather(
            self.claims.settled(timeout_s=limits.STOP_GRACE_S),
            self.attempts.wait_all(timeout_s=limits.DRAIN_S + limits.STOP_GRACE_S + limits.CHILD_END_S),
            self._say_draining(),
        )
        await self.settle_the_rest()

    async def _say_draining(self) -> None:
        """So that it is seen before the next heartbeat, which may come too late. A slow store holds up no stop."""
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(limits.STOP_GRACE_S):
                await self.store.heartbeat(self.info, [], lease_s=self.lease_s)

    async def settle_the_rest(self) -> None:
        """Offer the store once more what it has not taken: after the loops ended, nobody else does."""
        with contextlib.suppress(Unavailable):
            while await self.settles.run_once():
                pass

    def hold(self, job: Job, *, lease_ends_s: float) -> Attempt:
        """Keep the lease of a claimed job alive from now on."""
        attempt = Attempt(job, self.handlers[job.type], lease_ends_s=lease_ends_s)
        self.attempts.add(attempt)
        return attempt

    def begin(self, attempt: Attempt) -> None:
        """Run an attempt that the store says has begun."""
        attempt.is_running = True
        self._beginning += 1
        self.attempts.keep(asyncio.create_task(self._run(attempt), name=f"attempt {attempt.job.id}"))

    async def _run(self, attempt: Attempt) -> None:
        job = attempt.job
        self._beginning -= 1
        try:
            ended = await self.runner.run(attempt.handler, job, stop=attempt.stop)
            is_lost = attempt.stop.reason is StopReason.LEASE_LOST
            settle = None if is_lost else settle_command(ended, job, attempt.handler, self.randomness.random())
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 — else nobody settles it, and it is leased for ever
            settle = self._not_run(job, error)
        attempt.is_running = False
        self.claims.wake()
        if settle is None or attempt.stop.reason is StopReason.LEASE_LOST:
            _log.warning("lease lost, result dropped", job=job.id, attempt=job.attempt, fence=job.fence)
            self.attempts.remove(job.id, job.fence)
            return
        self.settles.offer(job, settle)

    def _not_run(self, job: Job, error: BaseException) -> Settle:
        """What ends an attempt that the processor itself could not run: the usual backoff, whatever its type says."""
        _log.error("attempt could not be run", job=job.id, attempt=job.attempt, exc_info=error)
        failure = error_of("NotRun", f"the processor could not run or settle it: {type(error).__name__}: {error}")
        retry_in_s = RetryPolicy().delay_s(job.attempt, self.randomness.random())
        return Fail(fence=job.fence, outcome=Outcome.CRASHED, error=failure, retry_in_s=retry_in_s)


class Claims:
    """Takes jobs for the free slots: when a hint comes, when a slot becomes free, and every few seconds anyway."""

    name = "processor claims"

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._hints: Hints | None = None
        self._has_slot = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def wake(self) -> None:
        """A slot became free."""
        self._has_slot.set()

    async def settled(self, *, timeout_s: float) -> None:
        """Return when what a claim under way brings was begun or given back, or when the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._is_idle.wait()

    async def run_once(self) -> int:
        """
        Fill the free slots, first with what waits here and then with what can be claimed; returns how many jobs moved.

        What can no longer be begun is given back, at no cost: when half of the lease went by until the
        answer came, so that no time for a failed heartbeat is left, and when a drain began meanwhile.
        """
        worker = self._worker
        if self._hints is None:
            self._hints = await worker.bus.listen()
        self._has_slot.clear()
        if worker.is_draining:
            return 0
        self._is_idle.clear()
        try:
            started = await self._start_buffered()
            return started + await self._claim()
        finally:
            self._is_idle.set()

    async def _claim(self) -> int:
        worker = self._worker
        count_max = max(0, min(worker.free_slots, limits.CLAIM_BATCH_MAX - worker.prefetch))
        buffer_max = max(0, worker.prefetch - len(worker.attempts.buffered))
        if worker.is_draining or not count_max + buffer_max:
            return 0
        asked_s = worker.clock.monotonic()
        jobs = await worker.store.claim(
            types=sorted(worker.handlers),
            worker=worker.info.instance_id,
            count_max=count_max,
            buffer_max=buffer_max,
            lease_s=worker.lease_s,
        )
        for job in jobs:
            if worker.is_draining or self._is_too_late(asked_s):
                worker.settles.offer(job, Release(fence=job.fence))
                continue
            attempt = worker.hold(job, lease_ends_s=asked_s + worker.lease_s)
            if job.status is JobStatus.EXECUTING:
                worker.begin(attempt)
            else:
                self._refuse_or_buffer(attempt)
        return len(jobs)

    def _refuse_or_buffer(self, attempt: Attempt) -> None:
        """What waits here is checked now: a payload that cannot be run would only hold up others later."""
        attempt.is_running = False
        refusal = refusal_of(attempt.handler, attempt.job)
        if refusal is None:
            attempt.is_buffered = True
        else:
            self._worker.settles.offer(attempt.job, refusal)

    async def _start_buffered(self) -> int:
        """Begin as many of the jobs that wait here as there are free slots, in the order of their claims."""
        worker = self._worker
        now_s = worker.clock.monotonic()
        can_begin = [one for one in worker.attempts.buffered if one.lease_ends_s - now_s > limits.STOP_EARLY_S]
        chosen = can_begin[: max(0, worker.free_slots)]
        if not chosen:
            return 0
        answers = await worker.store.apply([Order(one.job.id, Start(fence=one.job.fence)) for one in chosen])
        for attempt, answer in zip(chosen, answers, strict=True):
            attempt.is_buffered = False
            if isinstance(answer, Applied | IllegalTransition):
                # Refused by its status alone, it was started by an earlier call whose answer did not come.
                attempt.job = transition(attempt.job, Start(fence=attempt.job.fence), worker.clock.now()).job
                self._begin_if_in_time(attempt)
            else:
                worker.attempts.remove(attempt.job.id, attempt.job.fence)
        return len(chosen)

    def _begin_if_in_time(self, attempt: Attempt) -> None:
        worker = self._worker
        left_s = attempt.lease_ends_s - worker.clock.monotonic()
        if worker.is_draining or left_s <= limits.STOP_EARLY_S:
            worker.settles.offer(attempt.job, Release(fence=attempt.job.fence))
        else:
            worker.begin(attempt)

    def _is_too_late(self, asked_s: float) -> bool:
        return self._worker.clock.monotonic() - asked_s > self._worker.lease_s / 2

    async def wait(self) -> None:
        """Until a hint, a free slot, or the next look."""
        assert self._hints is not None, "run_once comes first"
        tasks = [
            asyncio.ensure_future(self._hints.wait(timeout_s=limits.POLL_S)),
            asyncio.ensure_future(self._has_slot.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


class Settles:
    """Hands the ends of attempts to the store, together as they come."""

    name = "processor settles"

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._offered: list[Order] = []
        self._has_offer = asyncio.Event()

    def offer(self, job: Job, command: Settle) -> None:
        """Settle *job* as soon as possible."""
        self._offered.append(Order(job.id, command))
        self._has_offer.set()

    async def run_once(self) -> int:
        """Settle what was offered; returns how many. What the store did not take is offered again."""
        self._has_offer.clear()
        batch = self._offered[: limits.APPLY_BATCH_MAX]
        if not batch:
            return 0
        # Taken out before the wait: the drain settles as well, and neither may remove what the other has not applied.
        del self._offered[: len(batch)]
        try:
            answers = await self._apply(batch)
        except BaseException:
            self._offered[:0] = batch
            raise
        for order, answer in zip(batch, answers, strict=True):
            fence = _fence_of(order)
            if isinstance(answer, LeaseLost):
                _log.warning("settle refused, lease lost", job=order.job_id, fence=fence)
            elif not isinstance(answer, Applied):
                _log.error("settle refused", job=order.job_id, fence=fence, error=str(answer))
            self._worker.attempts.remove(order.job_id, fence)
        await self._tell_of_room(answers)
        return len(batch)

    async def _tell_of_room(self, answers: Sequence[object]) -> None:
        """A queue with a limit has a place again: its next job may be claimed here, or by another processor."""
        if any(isinstance(answer, Applied) and answer.makes_room for answer in answers):
            with contextlib.suppress(BusUnavailable):
                await self._worker.bus.hint()

    async def _apply(self, batch: Sequence[Order]) -> list[object]:
        """One call for all; if a result turns out not to be storable, each alone and that one as a failure."""
        try:
            return list(await self._worker.store.apply(batch))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 — one result must not keep the others from being settled
            if len(batch) > 1:
                return [answer for order in batch for answer in await self._apply([order])]
            _log.error("settle failed", job=batch[0].job_id, exc_info=error)
            failure = JobError(type="ResultNotStored", message=f"the store refused the result: {type(error).__name__}")
            command = Fail(fence=_fence_of(batch[0]), outcome=Outcome.FAILED, error=failure, retry_in_s=None)
            return list(await self._worker.store.apply([Order(batch[0].job_id, command)]))

    async def wait(self) -> None:
        """Until something is offered."""
        await self._has_offer.wait()


def _fence_of(order: Order) -> int:
    assert isinstance(order.command, Settle), "only settles are offered"
    return order.command.fence


class Heartbeats:
    """Keeps the leases of all attempts, and stops an attempt that must not go on."""

    name = "processor heartbeats"

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._pause_s = limits.HEARTBEAT_S

    async def run_once(self) -> int:
        """Send one heartbeat. When the store does not answer, stop what could outlive its lease. Returns 0."""
        worker = self._worker
        asked_s = worker.clock.monotonic()
        leases = [attempt.lease for attempt in worker.attempts]
        try:
            async with asyncio.timeout(self._patience_s(asked_s)):
                states = await worker.store.heartbeat(worker.info, leases, lease_s=worker.lease_s)
        except (StoreUnavailable, TimeoutError) as error:
            _log.warning("heartbeat failed", error=str(error) or "no answer in time")
            self._pause_s = limits.HEARTBEAT_RETRY_S
            self._stop_expiring()
            return 0
        self._pause_s = limits.HEARTBEAT_S
        for state in states:
            attempt = worker.attempts.find(state.lease)
            if attempt is None:
                continue
            if not state.is_held:
                attempt.stop.ask(StopReason.LEASE_LOST)
                if attempt.is_buffered:
                    worker.attempts.remove(attempt.job.id, attempt.job.fence)
                continue
            attempt.lease_ends_s = asked_s + worker.lease_s
            if state.is_cancel_requested:
                attempt.stop.ask(StopReason.CANCEL)
        return 0

    def _patience_s(self, now_s: float) -> float:
        """How long to wait for an answer: an attempt has to be stopped in time when none comes."""
        ends_s = min((attempt.lease_ends_s for attempt in self._worker.attempts if attempt.is_running), default=now_s)
        left_s = ends_s - limits.STOP_EARLY_S - now_s
        return min(left_s, limits.HEARTBEAT_S) if left_s > 0 else limits.HEARTBEAT_S

    def _stop_expiring(self) -> None:
        """An attempt stops by the processor's own clock before anybody may rescue it."""
        now_s = self._worker.clock.monotonic()
        for attempt in self._worker.attempts:
            if attempt.is_running and now_s >= attempt.lease_ends_s - limits.STOP_EARLY_S:
                attempt.stop.ask(StopReason.LEASE_LOST)

    async def wait(self) -> None:
        """Until the next heartbeat is due."""
        await asyncio.sleep(self._pause_s)
