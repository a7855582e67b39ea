"""When is an attempt not waited for any longer?"""

import asyncio

import pytest

from observatory.processor.context import StopReason
from observatory.processor.stopping import Patience, Stop, TimeLimits, until_over

LONG = TimeLimits(hard_s=60.0)
PATIENT = Patience(cancel_s=None, drain_s=60.0)


def future() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


async def test_the_end_of_the_attempt_ends_the_wait() -> None:
    done = future()
    done.set_result(None)

    assert await until_over(done, Stop(), LONG, PATIENT) is None


async def test_the_hard_time_out_ends_the_wait_and_the_soft_one_only_asks() -> None:
    heard: list[StopReason] = []

    reason = await until_over(future(), Stop(), TimeLimits(hard_s=0.02, soft_s=0.01), PATIENT, on_ask=heard.append)

    assert reason is StopReason.TIMEOUT
    assert heard == [StopReason.SOFT_TIMEOUT, StopReason.TIMEOUT]


@pytest.mark.parametrize("reason", [StopReason.CANCEL, StopReason.DRAIN, StopReason.LEASE_LOST])
async def test_patience_says_how_long_after_a_question(reason: StopReason) -> None:
    stop = Stop()
    stop.ask(reason)

    assert await until_over(future(), stop, LONG, Patience(cancel_s=0.0, drain_s=0.0)) is reason


async def test_every_question_is_heard_once_and_only_if_it_is_more_urgent() -> None:
    stop, heard = Stop(), list[StopReason]()
    waiting = asyncio.ensure_future(until_over(future(), stop, LONG, PATIENT, on_ask=heard.append))
    await asyncio.sleep(0)

    answers = [stop.ask(StopReason[name]) for name in ("CANCEL", "CANCEL", "SOFT_TIMEOUT", "DRAIN", "LEASE_LOST")]

    assert await waiting is StopReason.LEASE_LOST
    assert answers == [True, False, False, True, True]
    assert heard == [StopReason.CANCEL, StopReason.DRAIN, StopReason.LEASE_LOST]


async def test_an_attempt_that_ended_in_the_same_moment_counts_as_ended() -> None:
    done, stop = future(), Stop()
    waiting = asyncio.ensure_future(until_over(done, stop, LONG, PATIENT))
    await asyncio.sleep(0)
    done.set_result(None)
    stop.ask(StopReason.LEASE_LOST)

    assert await waiting is None


async def test_nothing_listens_after_the_wait() -> None:
    stop, heard = Stop(), list[StopReason]()
    done = future()
    done.set_result(None)
    await until_over(done, stop, LONG, PATIENT, on_ask=heard.append)

    stop.ask(StopReason.CANCEL)

    assert (stop.reason, heard) == (StopReason.CANCEL, [])
