"""
The rescuer: ends attempts whose lease expired, so that their jobs go on.

Expiry only permits a rescue. The list of candidates is a snapshot; whether a lease is still the
same and still expired is decided again by the store in the statement that changes the job. After
the store was unreachable, nobody could heartbeat, so nothing is rescued for one full lease period.
"""

import asyncio

from observatory.core import limits
from observatory.core.command import Rescue
from observatory.core.errors import StoreUnavailable
from observatory.core.retry import RetryPolicy
from observatory.core.sources import Clock, Randomness
from observatory.event_bus.port import EventBus
from observatory.job_store.port import Applied, JobStore, Order


class Rescuer:
    """One loop. Running it on several nodes changes nothing but load."""

    name = "rescuer"

    def __init__(
        self,
        *,
        store: JobStore,
        bus: EventBus,
        clock: Clock,
        randomness: Randomness,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._randomness = randomness
        self._policy = policy or RetryPolicy()
        self._quiet_until_s = clock.monotonic()

    async def run_once(self) -> int:
        """Rescue one batch; returns how many attempts were ended."""
        if self._clock.monotonic() < self._quiet_until_s:
            return 0
        try:
            return await self._rescue()
        except StoreUnavailable:
            self._quiet_until_s = self._clock.monotonic() + limits.LEASE_S
            raise

    async def _rescue(self) -> int:
        expired = await self._store.expired_leases(count_max=limits.RESCUE_BATCH_MAX)
        orders = [
            Order(
                candidate.lease.job_id,
                Rescue(
                    fence=candidate.lease.fence,
                    retry_in_s=self._policy.delay_s(max(candidate.attempt, 1), self._randomness.random()),
                ),
            )
            for candidate in expired
        ]
        answers = await self._store.apply(orders)
        count = sum(isinstance(answer, Applied) for answer in answers)
        if count:
            await self._bus.hint()
        return count

    async def wait(self) -> None:
        """Until the next sweep."""
        await asyncio.sleep(limits.SWEEP_S)
