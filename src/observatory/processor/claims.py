"""The claims of a processor: which jobs it takes, and what becomes of those that come too late."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Protocol

from observatory.core import limits
from observatory.core.command import Release, Start
from observatory.core.errors import IllegalTransition
from observatory.core.handler import Handler
from observatory.core.job import Job, JobStatus
from observatory.core.lifecycle import transition
from observatory.core.sources import Clock
from observatory.event_bus.port import EventBus, Hints
from observatory.job_store.port import Applied, JobStore, Order, WorkerInfo
from observatory.processor.attempts import Attempt, Attempts
from observatory.processor.call import refusal_of
from observatory.processor.settles import Settles


class ClaimsJobs(Protocol):
    """What the claims need of the worker that they fill."""

    store: JobStore
    bus: EventBus
    clock: Clock
    handlers: Mapping[str, Handler]
    prefetch: int
    lease_s: float
    attempts: Attempts
    is_draining: bool
    settles: Settles

    @property
    def free_slots(self) -> int: ...

    @property
    def info(self) -> WorkerInfo: ...

    def hold(self, job: Job, *, lease_ends_s: float) -> Attempt: ...

    def begin(self, attempt: Attempt) -> None: ...


class Claims:
    """Takes jobs for the free slots: when a hint comes, when a slot becomes free, and every few seconds anyway."""

    name = "processor claims"

    def __init__(self, worker: ClaimsJobs) -> None:
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
