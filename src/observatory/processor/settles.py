"""The settles of a processor: how the ends of its attempts reach the store, whatever the store makes of them."""

import asyncio
from collections.abc import Sequence

import structlog

from observatory.core import limits
from observatory.core.command import Fail, Settle
from observatory.core.errors import LeaseLost, Unavailable
from observatory.core.job import Job, JobError, Outcome
from observatory.job_store.port import Applied, JobStore, Order
from observatory.processor.attempts import Attempts

_log = structlog.get_logger("observatory.processor")


class Settles:
    """Hands the ends of attempts to the store, together as they come."""

    name = "processor settles"

    def __init__(self, store: JobStore, attempts: Attempts) -> None:
        self._store = store
        self._attempts = attempts
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
            self._attempts.remove(order.job_id, fence)
        return len(batch)

    async def _apply(self, batch: Sequence[Order]) -> list[object]:
        """One call for all; if a result turns out not to be storable, each alone and that one as a failure."""
        try:
            return list(await self._store.apply(batch))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 — one result must not keep the others from being settled
            if len(batch) > 1:
                return [answer for order in batch for answer in await self._apply([order])]
            _log.error("settle failed", job=batch[0].job_id, exc_info=error)
            failure = JobError(type="ResultNotStored", message=f"the store refused the result: {type(error).__name__}")
            command = Fail(fence=_fence_of(batch[0]), outcome=Outcome.FAILED, error=failure, retry_in_s=None)
            return list(await self._store.apply([Order(batch[0].job_id, command)]))

    async def wait(self) -> None:
        """Until something is offered."""
        await self._has_offer.wait()


def _fence_of(order: Order) -> int:
    assert isinstance(order.command, Settle), "only settles are offered"
    return order.command.fence
