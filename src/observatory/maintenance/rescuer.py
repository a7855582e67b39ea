"""
The rescuer: ends attempts whose lease expired, so that their jobs go on.

Expiry only permits a rescue. The list of candidates is a snapshot; whether a lease is still the
same and still expired is decided again by the store in the statement that changes the job. After
the store was unreachable, nobody could heartbeat, so nothing is rescued for one full lease period;
nor after the wall clock leapt, as when a machine wakes up, which ends leases that nobody neglected.
"""

import asyncio
from collections.abc import Sequence

from observatory.core import limits
from observatory.core.command import Rescue
from observatory.core.errors import StoreUnavailable
from observatory.core.retry import RetryPolicy
from observatory.core.sources import Clock, Randomness
from observatory.event_bus.port import EventBus
from observatory.job_store.port import Applied, ExpiredLease, JobQueries, JobStore, Order

LEAP_S = limits.LEASE_S - limits.HEARTBEAT_S - limits.SWEEP_S
"""A lease that was just about to be extended outlives a smaller leap."""


class Rescuer:
    """One loop. Running it on several nodes changes nothing but load."""

    name = "rescuer"

    def __init__(
        self,
        *,
        store: JobStore,
        queries: JobQueries,
        bus: EventBus,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._store = store
        self._queries = queries
        self._bus = bus
        self._clock = clock
        self._randomness = randomness
        self._quiet_until_s = clock.monotonic()
        self._wall_ahead_s = self._wall_minus_monotonic_s()

    async def run_once(self) -> int:
        """Rescue one batch; returns how many attempts were ended."""
        if self._has_leapt():
            self._be_quiet()
        try:
            # Also while it is quiet: that counts from the last time at which the store was away, not from the first.
            expired = await self._store.expired_leases(count_max=limits.RESCUE_BATCH_MAX)
            if not expired or self._clock.monotonic() < self._quiet_until_s:
                return 0
            return await self._rescue(expired)
        except StoreUnavailable:
            self._be_quiet()
            raise

    def _be_quiet(self) -> None:
        """For as long as a processor that lives needs to extend its leases, whatever was in its way."""
        self._quiet_until_s = self._clock.monotonic() + limits.LEASE_S

    def _has_leapt(self) -> bool:
        """
        True when the wall clock went ahead of the monotonic one since the last look by so much that a lease
        could end between two heartbeats.

        Concerns a store that runs by this process's clock; for another it costs one quiet period.
        """
        before_s, self._wall_ahead_s = self._wall_ahead_s, self._wall_minus_monotonic_s()
        return self._wall_ahead_s - before_s > LEAP_S

    def _wall_minus_monotonic_s(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    async def _rescue(self, expired: Sequence[ExpiredLease]) -> int:
        policies = {known.info.type: known.info.retry for known in await self._queries.types()}
        orders = [
            Order(candidate.lease.job_id, self._rescue_of(candidate, policies.get(candidate.type, RetryPolicy())))
            for candidate in expired
        ]
        answers = await self._store.apply(orders)
        count = sum(isinstance(answer, Applied) for answer in answers)
        if count:
            await self._bus.hint()
        return count

    def _rescue_of(self, candidate: ExpiredLease, policy: RetryPolicy) -> Rescue:
        retry_in_s = policy.delay_s(max(candidate.attempt, 1), self._randomness.random())
        return Rescue(fence=candidate.lease.fence, retry_in_s=retry_in_s)

    async def wait(self) -> None:
        """Until the next sweep."""
        await asyncio.sleep(limits.SWEEP_S)
