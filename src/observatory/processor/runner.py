"""Runs one attempt at a time in each slot, in the isolation of its type, and says how it ended."""

import asyncio
from datetime import datetime
from typing import Any

import msgspec
import structlog

from observatory.core import limits
from observatory.core.errors import InvalidJob
from observatory.core.handler import Handler, Isolation
from observatory.core.job import Job
from observatory.core.sources import Clock
from observatory.processor.app_spec import BUILTIN_APP
from observatory.processor.call import Call, arguments_of
from observatory.processor.capture import CAPTURE
from observatory.processor.context import JobContext, facts_of
from observatory.processor.ending import Ended, raised, refused
from observatory.processor.in_async import run_in_loop
from observatory.processor.in_process import Children
from observatory.processor.in_thread import run_in_thread
from observatory.processor.loop_watch import LoopWatch
from observatory.processor.said import Said
from observatory.processor.stopping import Patience, Stop, TimeLimits

_log = structlog.get_logger("observatory.runner")


class AbandonedAttempt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An attempt that is over while its handler still runs, in a slot that nobody else can have."""

    job_id: str
    type: str
    attempt: int
    since: datetime


class Runner:
    """
    The slots of one processor.

    Belongs to one loop; `free_slots` and `abandoned` are true at every moment between two awaits.

    Args:
        slots: Attempts that may run at the same time.
        app_spec: `module:attribute` of the application, for child processes; None is the built-in one.
        drain_s: How long an attempt may go on after `StopReason.DRAIN`.
        grace_s: How long a child may go on after a cancel, and a coroutine after its cancellation.
        watches_loop: Whether to log what holds up the loop, from the first coroutine on until `stop`. Costs a
            thread; not for a loop whose time is simulated.
        captures: Whether the streams of this process belong to the handler that writes to them, until `stop`.
    """

    def __init__(
        self,
        *,
        slots: int,
        clock: Clock,
        app_spec: str | None,
        drain_s: float = limits.DRAIN_S,
        grace_s: float = limits.STOP_GRACE_S,
        watches_loop: bool = True,
        captures: bool = True,
    ) -> None:
        assert slots >= 1, "a processor without slots does nothing"
        self._slots = slots
        self._clock = clock
        self._grace_s = grace_s
        self._patience = {
            Isolation.ASYNC: Patience(cancel_s=0.0, drain_s=drain_s, awaited_s=grace_s),
            Isolation.THREAD: Patience(cancel_s=None, drain_s=drain_s),
            Isolation.PROCESS: Patience(cancel_s=grace_s, drain_s=drain_s),
        }
        self._children = Children(app=app_spec or BUILTIN_APP, clock=clock)
        self._watch = LoopWatch(clock) if watches_loop else None
        self._captures = captures
        self._is_capturing = False
        """From the first attempt that needs it: a runner that never ran anything has nothing to put back."""
        self._running = 0
        self._abandoned: dict[asyncio.Future[Any], AbandonedAttempt] = {}

    @property
    def free_slots(self) -> int:
        """How many attempts may begin now."""
        return self._slots - self._running - len(self._abandoned)

    @property
    def abandoned(self) -> list[AbandonedAttempt]:
        """Oldest first. One leaves the list, and its slot is free, when its handler really ends."""
        return list(self._abandoned.values())

    @property
    def abandoned_count(self) -> int:
        """Slots that are held by abandoned attempts."""
        return len(self._abandoned)

    @property
    def children(self) -> int:
        """Child processes that are alive."""
        return self._children.count

    async def run(self, handler: Handler, job: Job, *, stop: Stop, said: Said | None = None) -> Ended:
        """
        Run the current attempt of *job* in a free slot.

        Whatever the handler does, this returns, within the attempt's hard time-out and the grace.

        Args:
            said: Where what the handler says comes in, until this returns.
        """
        assert self.free_slots > 0, "the caller counts the free slots before it claims"
        self._running += 1
        began_s = self._clock.monotonic()
        said = said or Said(self._clock)
        try:
            ended = await self._run(handler, job, stop, said)
        finally:
            self._running -= 1
            said.log.is_closed = True
        if handler.runs_in is Isolation.PROCESS or ended.is_refused:
            return ended
        return msgspec.structs.replace(ended, run_s=self._clock.monotonic() - began_s)

    async def stop(self) -> None:
        """End the children and cancel what is abandoned on the loop. Threads end with the process."""
        if self._watch is not None:
            self._watch.stop()
        self._captures = False
        if self._is_capturing:
            self._is_capturing = False
            CAPTURE.end()
        await self._children.stop()
        tasks = {future for future in self._abandoned if isinstance(future, asyncio.Task)}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._grace_s)

    async def _run(self, handler: Handler, job: Job, stop: Stop, said: Said) -> Ended:
        attempt = facts_of(job)
        try:
            arguments = arguments_of(handler, job.payload)
        except InvalidJob as fault:
            return refused(fault)
        except Exception as error:  # noqa: BLE001 — a check may call code of the handler's author
            return raised(error, asked=None, timeout_s=attempt.timeout_s, handler=handler)
        wait = stop.wait if handler.runs_in is Isolation.ASYNC else None
        context = JobContext(
            attempt, clock=self._clock, stop=stop, report=said.progress.put, wait_for_stop=wait
        )  # fmt: skip
        call = Call(handler=handler, attempt=attempt, context=context, arguments=arguments, stop=stop, said=said)
        limit = TimeLimits(hard_s=attempt.timeout_s, soft_s=handler.soft_timeout_s)
        patience = self._patience[handler.runs_in]

        def abandon(held: asyncio.Future[Any]) -> None:
            self._abandon(held, job)

        if self._captures and handler.runs_in is not Isolation.PROCESS:
            self._capture()
        if handler.runs_in is Isolation.ASYNC:
            if self._watch is not None:
                self._watch.start()
            return await run_in_loop(
                call, stop, limit, patience, grace_s=self._grace_s, abandon=abandon, watch=self._watch
            )
        if handler.runs_in is Isolation.THREAD:
            return await run_in_thread(call, stop, limit, patience, abandon=abandon)
        return await self._children.run(call, job.payload, stop, limit, patience)

    def _capture(self) -> None:
        if not self._is_capturing:
            self._is_capturing = True
            CAPTURE.begin()
        CAPTURE.ensure()

    def _abandon(self, held: asyncio.Future[Any], job: Job) -> None:
        self._abandoned[held] = AbandonedAttempt(
            job_id=job.id, type=job.type, attempt=job.attempt, since=self._clock.now()
        )
        held.add_done_callback(self._abandoned.pop)
        _log.warning("attempt abandoned", job_id=job.id, job_type=job.type, attempt=job.attempt)
