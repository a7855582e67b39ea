"""The settles of a processor: how the ends of its attempts reach the store, whatever the store makes of them."""

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec
import structlog

from observatory.core import limits
from observatory.core.command import Fail, Report, Settle
from observatory.core.errors import BusUnavailable, LeaseLost, Unavailable
from observatory.core.job import Job, JobError, Outcome
from observatory.event_bus.port import EventBus
from observatory.job_store.attempt_logs import AttemptLogs
from observatory.job_store.port import Applied, JobStore, Order
from observatory.processor.attempts import Attempts
from observatory.processor.said import Said

_log = structlog.get_logger("observatory.processor")


_OFFERS_MAX = limits.APPLY_BATCH_MAX // 2
"""Offers in one call: each is a settle, and perhaps the progress before it."""


class Offer(msgspec.Struct, frozen=True):
    """The end of one attempt, on its way to the store."""

    job: Job
    settle: Settle | None
    """None when the lease is lost: then only what it said is left."""
    said: Said | None
    """None for an attempt that never ran."""

    @property
    def orders(self) -> list[Order]:
        """Its last progress, if the store lacks it, and its settle."""
        if self.settle is None:
            return []
        settle = Order(self.job.id, self.settle)
        progress = None if self.said is None else self.said.progress.take()
        if progress is None:
            return [settle]
        return [Order(self.job.id, Report(fence=self.job.fence, progress=progress)), settle]


class Settles:
    """
    Hands the ends of attempts to the store, together as they come, and their logs beside them.

    A log that cannot be saved is lost, and costs the settle nothing.

    Args:
        logs: None means that logs are kept nowhere.
    """

    name = "processor settles"

    def __init__(self, store: JobStore, bus: EventBus, logs: AttemptLogs | None, attempts: Attempts) -> None:
        self._store = store
        self._bus = bus
        self._logs = logs
        self._attempts = attempts
        self._offered: list[Offer] = []
        self._has_offer = asyncio.Event()

    def offer(self, job: Job, command: Settle, said: Said | None = None) -> None:
        """Settle *job* as soon as possible, after what its attempt said."""
        self._offered.append(Offer(job, command, said))
        self._has_offer.set()

    def offer_log(self, job: Job, said: Said) -> None:
        """Save what the attempt of *job* said, though it is no longer ours to settle."""
        if said.log.written_bytes:
            self._offered.append(Offer(job, None, said))
            self._has_offer.set()

    async def run_once(self) -> int:
        """Settle what was offered; returns how many. What the store did not take is offered again."""
        self._has_offer.clear()
        batch = self._offered[:_OFFERS_MAX]
        if not batch:
            return 0
        # Taken out before the wait: the drain settles as well, and neither may remove what the other has not applied.
        del self._offered[: len(batch)]
        orders = [order for offer in batch for order in offer.orders]
        try:
            answers = await self._settle(orders, [offer for offer in batch if _has_log(offer)])
        except BaseException:
            self._offered[:0] = batch
            raise
        for order, answer in zip(orders, answers, strict=True):
            if isinstance(order.command, Settle):
                self._note(order.job_id, order.command.fence, answer)
        await self._tell_of_room(answers)
        return len(batch)

    async def _tell_of_room(self, answers: Sequence[object]) -> None:
        """A queue with a limit has a place again: its next job may be claimed here, or by another processor."""
        if any(isinstance(answer, Applied) and answer.makes_room for answer in answers):
            with contextlib.suppress(BusUnavailable):
                await self._bus.hint()

    def _note(self, job_id: str, fence: int, answer: object) -> None:
        if isinstance(answer, LeaseLost):
            _log.warning("settle refused, lease lost", job=job_id, fence=fence)
        elif not isinstance(answer, Applied):
            _log.error("settle refused", job=job_id, fence=fence, error=str(answer))
        self._attempts.remove(job_id, fence)

    async def _settle(self, orders: Sequence[Order], said: Sequence[Offer]) -> list[object]:
        """Both calls at once, so that one commit may take them."""
        if not said:
            return await self._apply(orders)
        answers, _ = await asyncio.gather(self._apply(orders), self._save(said))
        return answers

    async def _save(self, said: Sequence[Offer]) -> None:
        if self._logs is None:
            return
        try:
            await self._logs.save([one.said.log_of(one.job, is_complete=True) for one in said if one.said is not None])
        except Exception as error:  # noqa: BLE001 — whatever it is, the attempt has ended and is settled
            _log.warning("logs of attempts not saved", jobs=len(said), error=f"{type(error).__name__}: {error}")

    async def _apply(self, orders: Sequence[Order]) -> list[object]:
        """One call for all; if a result turns out not to be storable, each alone and that one as a failure."""
        if not orders:
            return []
        try:
            return list(await self._store.apply(orders))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 — one result must not keep the others from being settled
            if len(orders) > 1:
                return [answer for order in orders for answer in await self._apply([order])]
            return [await self._apply_less(orders[0], error)]

    async def _apply_less(self, order: Order, error: Exception) -> object:
        """What the store cannot hold: a result becomes a failure, a progress is left out."""
        _log.error("settle failed", job=order.job_id, exc_info=error)
        if not isinstance(order.command, Settle):
            return error
        failure = JobError(type="ResultNotStored", message=f"the store refused the result: {type(error).__name__}")
        command = Fail(fence=order.command.fence, outcome=Outcome.FAILED, error=failure, retry_in_s=None)
        return (await self._store.apply([Order(order.job_id, command)]))[0]

    async def wait(self) -> None:
        """Until something is offered."""
        await self._has_offer.wait()


def _has_log(offer: Offer) -> bool:
    return offer.said is not None and offer.said.log.written_bytes > 0
