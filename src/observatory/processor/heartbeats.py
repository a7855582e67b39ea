"""The heartbeats of a processor: what keeps its leases, and what stops an attempt whose lease cannot be kept."""

import asyncio
from typing import Protocol

import structlog

from observatory.core import limits
from observatory.core.errors import BusUnavailable, StoreUnavailable
from observatory.core.sources import Clock
from observatory.event_bus.port import EventBus, Hint, Hints
from observatory.job_store.port import JobStore, WorkerInfo
from observatory.processor.attempts import Attempts
from observatory.processor.context import StopReason

_log = structlog.get_logger("observatory.processor")


class KeepsLeases(Protocol):
    """What the heartbeats need of the worker whose leases they keep."""

    store: JobStore
    bus: EventBus
    clock: Clock
    lease_s: float
    attempts: Attempts

    @property
    def info(self) -> WorkerInfo: ...


class Heartbeats:
    """
    Keeps the leases of all attempts, and stops an attempt that must not go on.

    A heartbeat is also how a processor hears of a cancel: a hint brings the next one forward, and when it is lost,
    the cancel waits for the heartbeat that is due anyway.
    """

    name = "processor heartbeats"

    def __init__(self, worker: KeepsLeases) -> None:
        self._worker = worker
        self._pause_s = limits.HEARTBEAT_S
        self._hints: Hints | None = None

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
        """
        Until the next heartbeat is due, or somebody asks a running attempt to stop.

        However the bus behaves, no heartbeat is late for it.
        """
        end_s = self._worker.clock.monotonic() + self._pause_s
        # Many cancels one after the other are heard of together.
        await asyncio.sleep(limits.HEARTBEAT_PAUSE_S)
        try:
            async with asyncio.timeout(self._left_s(end_s)):
                await self._hint()
        except TimeoutError:
            pass
        except BusUnavailable:
            self._hints = None
            await asyncio.sleep(self._left_s(end_s))

    async def _hint(self) -> None:
        """Return when a hint came, or when the first one can come: what was asked before is for the next heartbeat."""
        if self._hints is None:
            self._hints = await self._worker.bus.listen(Hint.CANCEL)
        else:
            await self._hints.wait(timeout_s=limits.HEARTBEAT_S)

    def _left_s(self, end_s: float) -> float:
        return max(0.0, end_s - self._worker.clock.monotonic())
