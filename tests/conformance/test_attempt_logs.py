"""Does every driver keep what attempts said, under the fence of each, and no more than it may?"""

import asyncio

import msgspec
import pytest

from observatory.core import limits
from observatory.core.command import Release
from observatory.core.errors import StoreUnavailable
from observatory.job_store.attempt_logs import AttemptLog, LogLine
from observatory.job_store.port import Order
from observatory.testing.factories import new_job
from observatory.testing.manual_sources import BEGINNING


@pytest.fixture
async def job(truth):
    """A job whose first attempt runs."""
    await truth.store.submit([new_job(truth.ids, type="t", max_attempts=5)])
    return await claim(truth)


async def claim(truth):
    [job] = await truth.store.claim(types=["t"], worker="w", count_max=1, lease_s=15.0)
    return job


def log_of(job, *texts, is_complete=True, **changes):
    log = AttemptLog(
        job_id=job.id,
        attempt=job.attempt,
        fence=job.fence,
        lines=tuple(LogLine(BEGINNING, text) for text in texts),
        is_complete=is_complete,
    )
    return msgspec.structs.replace(log, **changes)


async def kept(truth, job, attempt=None):
    found = await truth.attempt_logs.attempt_log(job.id, attempt=attempt)
    return None if found is None else [line.text for line in found.lines]


class TestRoundTrip:
    async def test_a_log_comes_back_as_it_was_with_the_time_of_the_store(self, truth, job):
        log = log_of(job, "ü \x1b[31m", "", dropped_lines=7, dropped_bytes=2**40)
        truth.clock.advance(5.0)

        await truth.attempt_logs.save([log])

        found = await truth.attempt_logs.attempt_log(job.id, attempt=1)
        assert found == msgspec.structs.replace(log, saved_at=truth.clock.now())

    async def test_nothing_is_kept_of_who_said_nothing(self, truth, job):
        await truth.attempt_logs.save([])

        assert await kept(truth, job) is None
        assert await kept(truth, job, attempt=1) is None

    async def test_it_survives_a_kill(self, truth, job):
        await truth.attempt_logs.save([log_of(job, "a")])

        truth.restart()

        assert await kept(truth, job) == ["a"]


class TestWhichOne:
    async def test_a_later_save_replaces_an_earlier_one_until_it_is_complete(self, truth, job):
        await truth.attempt_logs.save([log_of(job, "a", is_complete=False)])
        await truth.attempt_logs.save([log_of(job, "a", "b")])
        await truth.attempt_logs.save([log_of(job, "late", is_complete=False)])

        assert await kept(truth, job) == ["a", "b"]

    async def test_of_an_attempt_that_was_given_back_and_counted_again_the_newest_is_read(self, truth, job):
        await truth.attempt_logs.save([log_of(job, "first")])
        await truth.store.apply([Order(job.id, Release(fence=job.fence))])
        again = await claim(truth)
        await truth.attempt_logs.save([log_of(again, "second")])
        await truth.attempt_logs.save([log_of(job, "overtaken")])

        assert (job.attempt, again.attempt) == (1, 1)
        assert await kept(truth, job, attempt=1) == ["second"]

    async def test_a_fence_that_the_job_never_had_and_a_job_that_does_not_exist_leave_nothing(self, truth, job):
        await truth.attempt_logs.save(
            [log_of(job, "a", fence=job.fence + 1), log_of(job, "b", job_id=truth.ids.new_id())]
        )

        assert await kept(truth, job) is None


class TestConcurrency:
    async def test_those_who_save_the_same_logs_in_another_order_do_not_stand_in_each_others_way(self, truth):
        await truth.store.submit([new_job(truth.ids, type="t") for _ in range(30)])
        jobs = await truth.store.claim(types=["t"], worker="w", count_max=30, lease_s=15.0)
        logs = [log_of(job, "a", is_complete=False) for job in jobs]

        await asyncio.gather(*(truth.attempt_logs.save(one) for one in [logs, logs[::-1]] * 4))

        assert [await kept(truth, job) for job in jobs] == [["a"]] * 30

    async def test_of_two_saves_at_the_same_time_the_complete_one_stays(self, truth, job):
        for _ in range(5):
            await asyncio.gather(
                truth.attempt_logs.save([log_of(job, "half", is_complete=False)]),
                truth.attempt_logs.save([log_of(job, "whole")]),
                truth.attempt_logs.save([log_of(job, "half", is_complete=False)]),
            )

            assert await kept(truth, job) == ["whole"]

    async def test_one_call_with_two_logs_of_the_same_fence_leaves_what_two_calls_would(self, truth, job):
        whole, half = log_of(job, "whole"), log_of(job, "half", is_complete=False)

        await truth.attempt_logs.save([half, whole, half])

        assert await kept(truth, job) == ["whole"]


class TestBounds:
    async def test_the_newest_logs_of_a_job_are_kept(self, truth, job):
        for _ in range(limits.ATTEMPT_LOGS_KEPT + 2):
            await truth.attempt_logs.save([log_of(job, f"fence {job.fence}", attempt=job.fence)])
            await truth.store.apply([Order(job.id, Release(fence=job.fence))])
            job = await claim(truth)

        found = [await kept(truth, job, attempt=fence) for fence in range(1, limits.ATTEMPT_LOGS_KEPT + 3)]

        assert found[:2] == [None, None]
        assert found[2:] == [[f"fence {fence}"] for fence in range(3, limits.ATTEMPT_LOGS_KEPT + 3)]


class TestFailure:
    async def test_a_save_that_failed_before_or_after_its_effect_may_be_repeated(self, truth, job):
        for fail in (lambda: truth.faults.fail_call(1), truth.faults.lose_next_commit):
            fail()
            with pytest.raises(StoreUnavailable):
                await truth.attempt_logs.save([log_of(job, "a")])

            await truth.attempt_logs.save([log_of(job, "a")])

            assert await kept(truth, job) == ["a"]

    async def test_a_store_that_does_not_answer_says_so(self, truth, job):
        for error in truth.faults.vendor_errors:
            truth.faults.fail_always(error)
            with pytest.raises(StoreUnavailable):
                await kept(truth, job)
