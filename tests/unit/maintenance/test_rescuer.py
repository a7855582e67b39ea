"""The rescuer over a real store, with a clock that can leap."""

import contextlib
from collections.abc import Generator
from pathlib import Path

import pytest

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.job import Job, JobStatus
from observatory.core.retry import RetryPolicy
from observatory.event_bus.in_process import InProcessBus
from observatory.maintenance.rescuer import LEAP_S, Rescuer
from observatory.testing.factories import new_job, type_info
from tests.conformance.drivers import SQLITE_INLINE, Truth


class Chance:
    def random(self) -> float:
        return 0.5


@pytest.fixture
def truth(tmp_path: Path) -> Generator[Truth]:
    truth = SQLITE_INLINE.open_truth(tmp_path)
    yield truth
    truth.end()


def rescuer_of(truth: Truth) -> Rescuer:
    return Rescuer(store=truth.store, queries=truth.queries, bus=InProcessBus(), clock=truth.clock, randomness=Chance())


async def executing(truth: Truth, name: str = "example") -> Job:
    await truth.store.submit([new_job(truth.ids, type=name, max_attempts=3)])
    (job,) = await truth.store.claim(types=[name], worker="w", count_max=1, lease_s=limits.LEASE_S)
    return job


async def now(truth: Truth, job: Job) -> Job:
    found = await truth.queries.job(job.id)
    assert found is not None
    return found


async def test_an_expired_lease_is_ended_and_a_live_one_is_not(truth: Truth) -> None:
    job, rescuer = await executing(truth), rescuer_of(truth)

    truth.clock.advance(limits.LEASE_S - 0.001)
    assert await rescuer.run_once() == 0
    truth.clock.advance(0.001)
    assert await rescuer.run_once() == 1

    assert (await now(truth, job)).status is JobStatus.RETRYING


async def test_the_wait_after_a_rescue_follows_the_policy_of_the_type(truth: Truth) -> None:
    policy = RetryPolicy(base_s=600.0, cap_s=1_200.0)
    await truth.store.announce([type_info("slow", retry=policy)])
    slow, other, rescuer = await executing(truth, "slow"), await executing(truth, "other"), rescuer_of(truth)

    truth.clock.advance(limits.LEASE_S)
    assert await rescuer.run_once() == 2

    waits = [((await now(truth, job)).run_at - truth.clock.now()).total_seconds() for job in (slow, other)]
    assert waits == [300.0, 0.5 * limits.RETRY_BASE_S]


async def test_a_wall_clock_that_leaps_ahead_costs_no_attempt_of_a_processor_that_lives(truth: Truth) -> None:
    job, rescuer = await executing(truth), rescuer_of(truth)
    truth.clock.advance(limits.SWEEP_S)
    await rescuer.run_once()

    truth.clock.leap(3_600.0)
    assert await rescuer.run_once() == 0
    truth.clock.advance(limits.LEASE_S - 0.001)
    assert await rescuer.run_once() == 0
    truth.clock.advance(0.001)
    assert await rescuer.run_once() == 1, "whoever did not extend its lease in a whole period is gone"

    assert (await now(truth, job)).attempt == 1


@pytest.mark.parametrize("leap_s", [LEAP_S, -3_600.0])
async def test_a_leap_that_ends_no_extended_lease_changes_nothing(truth: Truth, leap_s: float) -> None:
    rescuer = rescuer_of(truth)
    await rescuer.run_once()

    truth.clock.leap(leap_s)
    await executing(truth)
    await rescuer.run_once()
    truth.clock.advance(limits.LEASE_S)

    assert await rescuer.run_once() == 1


async def test_after_the_store_was_away_nothing_is_rescued_for_one_lease(truth: Truth) -> None:
    await executing(truth)
    rescuer = rescuer_of(truth)
    truth.clock.advance(limits.LEASE_S)
    truth.faults.fail_call(1)
    with contextlib.suppress(Exception):
        await rescuer.run_once()
    assert truth.faults.has_fired

    assert await rescuer.run_once() == 0
    truth.clock.advance(limits.LEASE_S)

    assert await rescuer.run_once() == 1


async def test_nothing_is_rescued_for_one_lease_after_the_store_was_away_for_the_last_time(truth: Truth) -> None:
    job, rescuer = await executing(truth), rescuer_of(truth)
    truth.faults.fail_always(truth.faults.vendor_errors[0])
    for _ in range(4):  # an outage of several leases, at whose end a quiet time that began before would be over
        with pytest.raises(StoreUnavailable):
            await rescuer.run_once()
        truth.clock.advance(limits.LEASE_S - limits.SWEEP_S)
    with pytest.raises(StoreUnavailable):
        await rescuer.run_once()
    truth.faults.heal()

    truth.clock.advance(limits.LEASE_S - 0.001)
    assert await rescuer.run_once() == 0
    assert (await now(truth, job)).status is JobStatus.EXECUTING
    truth.clock.advance(0.001)
    assert await rescuer.run_once() == 1
