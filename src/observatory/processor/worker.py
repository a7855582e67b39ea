"""The processor: claim → run → settle, under leases kept alive by heartbeats. Three loops over one set of attempts."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
import structlog

from observatory.core import limits
from observatory.core.command import Fail, Release, Settle
from observatory.core.errors import Unavailable
from observatory.core.handler import Handler, type_info_of
from observatory.core.job import Job, Outcome
from observatory.core.retry import RetryPolicy
from observatory.core.sources import Clock, Randomness
from observatory.core.worker import Down
from observatory.event_bus.port import EventBus
from observatory.job_store.attempt_logs import AttemptLogs
from observatory.job_store.port import JobStore, WorkerInfo
from observatory.processor.attempts import Attempt, Attempts
from observatory.processor.claims import Claims
from observatory.processor.context import StopReason
from observatory.processor.ending import Ended, error_of, settle_command
from observatory.processor.heartbeats import Heartbeats
from observatory.processor.reports import Reports
from observatory.processor.said import Said
from observatory.processor.settles import Settles
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

    async def run(self, handler: Handler, job: Job, *, stop: Stop, said: Said | None = None) -> Ended:
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
        logs: Where the logs of attempts are kept; None is nowhere.
        down: Which of its loops do not work; asked at every heartbeat.
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
        logs: AttemptLogs | None = None,
        down: Callable[[], tuple[Down, ...]] = tuple,
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
        self._down = down
        self._beginning = 0
        self.claims = Claims(self)
        self.settles = Settles(store, bus, logs, self.attempts)
        self.heartbeats = Heartbeats(self)
        self.reports = Reports(store, logs, self.attempts, clock)

    @property
    def loops(self) -> tuple[Claims, Settles, Heartbeats, Reports]:
        """To be run under a supervisor."""
        return self.claims, self.settles, self.heartbeats, self.reports

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
            down=self._down(),
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
        said = Said(self.clock)
        said.progress.on_news = self.reports.wake
        attempt = Attempt(job, self.handlers[job.type], lease_ends_s=lease_ends_s, said=said)
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
            ended = await self.runner.run(attempt.handler, job, stop=attempt.stop, said=attempt.said)
            is_lost = attempt.stop.reason is StopReason.LEASE_LOST
            settle = None if is_lost else settle_command(ended, job, attempt.handler, self.randomness.random())
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 — else nobody settles it, and it is leased for ever
            settle = self._not_run(job, error)
        attempt.is_running = False
        self.claims.wake()
        if settle is None or attempt.stop.reason is StopReason.LEASE_LOST:
            _log.warning("lease lost, result dropped", job=job.id, attempt=job.attempt, fence=job.fence)
            self.attempts.remove(job.id, job.fence)
            self.settles.offer_log(job, attempt.said)
            return
        self.settles.offer(job, settle, attempt.said)

    def _not_run(self, job: Job, error: BaseException) -> Settle:
        """What ends an attempt that the processor itself could not run: the usual backoff, whatever its type says."""
        _log.error("attempt could not be run", job=job.id, attempt=job.attempt, exc_info=error)
        failure = error_of("NotRun", f"the processor could not run or settle it: {type(error).__name__}: {error}")
        retry_in_s = RetryPolicy().delay_s(job.attempt, self.randomness.random())
        return Fail(fence=job.fence, outcome=Outcome.CRASHED, error=failure, retry_in_s=retry_in_s)
