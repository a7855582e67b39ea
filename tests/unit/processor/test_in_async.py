"""Attempts on the loop."""

import asyncio

import pytest

from observatory.core.job import Outcome
from observatory.processor.context import StopReason
from observatory.processor.ending import RetryWish
from observatory.processor.stopping import Stop
from tests import handlers
from tests.unit.processor.jobs import JOB_ID, run, runner_of


async def test_the_result_and_the_duration_come_back() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "quick", {"a": [1, "two"]})

    assert (ended.outcome, ended.result) == (Outcome.SUCCEEDED, {"a": [1, "two"]})
    assert ended.run_s > 0


async def test_a_payload_that_does_not_fit_is_refused_without_running() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "typed", {"path": 5})

    assert ended.is_refused
    assert ended.error is not None
    assert ended.error.message.startswith("/payload/path: ")


@pytest.mark.parametrize("type_name", ["raise", "raise.thread", "raise.process"])
@pytest.mark.parametrize("kind", ["", *handlers.EXIT])
async def test_whatever_a_handler_raises_is_a_failed_attempt_and_no_more(type_name: str, kind: str) -> None:
    async with runner_of() as runner:
        ended = await run(runner, type_name, {"kind": kind, "message": "it broke"})
        afterwards = await run(runner, "quick")

    python_replaces_it = (kind, type_name) == ("StopIteration", "raise")
    assert ended.outcome is Outcome.FAILED
    assert ended.error is not None
    assert ended.error.type == ("RuntimeError" if python_replaces_it else kind or "Broken")
    assert afterwards.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("isolation", ["", ".thread", ".process"])
async def test_a_handler_that_calls_itself_without_end_is_a_failed_attempt_and_no_more(isolation: str) -> None:
    async with runner_of() as runner:
        ended = await run(runner, f"recurse{isolation}")
        afterwards = await run(runner, f"quick{isolation}")

    assert ended.outcome is Outcome.FAILED
    assert ended.error is not None
    assert (ended.error.type, ended.error.frames[-1].function) == ("RecursionError", "call_itself")
    assert ended.error.frames_left_out > 0
    assert afterwards.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("type_name", ["hostile", "hostile.thread", "hostile.process"])
@pytest.mark.parametrize("number", range(len(handlers.HOSTILE)))
async def test_an_exception_that_does_not_let_itself_be_shown_is_a_failed_attempt_and_no_more(
    type_name: str, number: int
) -> None:
    async with runner_of() as runner:
        ended = await run(runner, type_name, {"number": number}, timeout_seconds=20.0)
        afterwards = await run(runner, "quick")
        free_slots = runner.free_slots

    assert ended.outcome is Outcome.FAILED
    assert ended.error is not None
    assert ended.error.type == type.__dict__["__name__"].__get__(handlers.HOSTILE[number])
    assert ended.error.message == "it broke"
    assert "in raise_hostile" in (ended.error.traceback or "")
    assert (afterwards.outcome, free_slots) == (Outcome.SUCCEEDED, 2)


@pytest.mark.parametrize("type_name", ["raise", "raise.thread", "raise.process"])
async def test_a_traceback_has_the_handlers_frames_and_no_variables(type_name: str) -> None:
    async with runner_of() as runner:
        ended = await run(runner, type_name)

    assert ended.error is not None
    trace = ended.error.traceback or ""
    assert trace.count("  File ") == 2
    assert "in raise_as_told" in trace
    assert "observatory/processor" not in trace
    assert "hunter2" not in trace.replace('secret = "hunter2 in a local variable"', "")


async def test_a_handlers_wishes_come_through() -> None:
    async with runner_of() as runner:
        snoozed = await run(runner, "snooze", {"in_s": 30})
        retried = await run(runner, "retry", {"in_s": 5.0})
        discarded = await run(runner, "discard")

    assert (snoozed.outcome, snoozed.wait_s) == (Outcome.SNOOZED, 30)
    assert (retried.outcome, retried.retry, retried.wait_s) == (Outcome.FAILED, RetryWish.AFTER, 5.0)
    assert (discarded.outcome, discarded.retry) == (Outcome.FAILED, RetryWish.NEVER)


async def test_a_handler_past_its_time_out_is_cancelled() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "wait", timeout_seconds=0.02)
        free_slots = runner.free_slots

    assert ended.outcome is Outcome.TIMED_OUT
    assert ended.error is not None
    assert ended.error.message == "it went past its time-out of 0.02 s; it was cancelled"
    assert free_slots == 2


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [(StopReason.CANCEL, "cancelled"), (StopReason.DRAIN, "released"), (StopReason.LEASE_LOST, "lease_lost")],
)
async def test_a_handler_that_was_asked_to_stop_is_cancelled(reason: StopReason, outcome: str) -> None:
    async with runner_of(drain_s=0.01) as runner:
        stop = Stop()
        running = asyncio.ensure_future(run(runner, "wait", stop=stop))
        await asyncio.sleep(0)
        stop.ask(reason)
        ended = await running

    assert ended.outcome == outcome


async def test_a_stop_that_was_asked_for_before_the_beginning_is_heard() -> None:
    async with runner_of() as runner:
        stop = Stop()
        stop.ask(StopReason.CANCEL)
        ended = await run(runner, "wait", stop=stop)

    assert ended.outcome is Outcome.CANCELLED


async def test_a_drain_leaves_time_to_finish() -> None:
    async with runner_of(drain_s=60.0) as runner:
        stop = Stop()
        handlers.deaf_may_end[JOB_ID] = asyncio.Event()
        running = asyncio.ensure_future(run(runner, "deaf", stop=stop))
        await asyncio.sleep(0)
        stop.ask(StopReason.DRAIN)
        handlers.deaf_may_end[JOB_ID].set()
        ended = await running

    assert (ended.outcome, ended.result) == (Outcome.SUCCEEDED, "ended at last")


async def test_a_more_urgent_reason_replaces_a_patient_one() -> None:
    async with runner_of(drain_s=60.0) as runner:
        stop = Stop()
        running = asyncio.ensure_future(run(runner, "wait", stop=stop))
        await asyncio.sleep(0)
        stop.ask(StopReason.DRAIN)
        stop.ask(StopReason.CANCEL)
        stop.ask(StopReason.LEASE_LOST)
        ended = await running

    assert ended.outcome is Outcome.LEASE_LOST


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [(StopReason.CANCEL, "succeeded"), (StopReason.TIMEOUT, "timed_out"), (StopReason.LEASE_LOST, "lease_lost")],
)
async def test_a_result_in_answer_to_the_cancellation_counts_unless_it_is_too_late(
    reason: StopReason, outcome: str
) -> None:
    async with runner_of() as runner:
        stop = Stop()
        running = asyncio.ensure_future(run(runner, "rescue.own.result", stop=stop))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stop.ask(reason)
        ended = await running

    assert ended.outcome == outcome


async def test_a_failing_cleanup_does_not_hide_why_the_attempt_ended() -> None:
    async with runner_of(drain_s=0.01) as runner:
        stop = Stop()
        running = asyncio.ensure_future(run(runner, "bad.cleanup", stop=stop))
        await asyncio.sleep(0)
        stop.ask(StopReason.DRAIN)
        ended = await running

    assert ended.outcome is Outcome.RELEASED


async def test_a_handler_that_cancels_itself_failed() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "cancel.oneself")

    assert ended.outcome is Outcome.FAILED
    assert ended.error is not None
    assert ended.error.type == "CancelledError"


async def test_a_handler_that_ignores_its_cancellation_keeps_its_slot_visibly_until_it_ends() -> None:
    async with runner_of(grace_s=0.02) as runner:
        may_end = handlers.deaf_may_end[JOB_ID] = asyncio.Event()
        ended = await run(runner, "deaf", timeout_seconds=0.02)
        seen = runner.abandoned
        free_before = runner.free_slots
        (held,) = runner._abandoned
        may_end.set()
        await held
        free_after = runner.free_slots

    assert ended.outcome is Outcome.ABANDONED
    assert ended.error is not None
    assert "ignored its cancellation; it still runs and keeps its slot" in ended.error.message
    assert [(one.job_id, one.type, one.attempt) for one in seen] == [(JOB_ID, "deaf", 2)]
    assert (free_before, free_after, runner.abandoned) == (1, 2, [])


async def test_a_soft_time_out_only_asks() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "polite")

    assert ended.outcome is Outcome.TIMED_OUT
    assert ended.error is not None
    assert ended.error.message == "its soft time-out passed; it ended where it was asked to"


async def test_a_running_attempt_takes_a_slot() -> None:
    async with runner_of(slots=1) as runner:
        stop = Stop()
        running = asyncio.ensure_future(run(runner, "wait", stop=stop))
        await asyncio.sleep(0)
        during = runner.free_slots
        with pytest.raises(AssertionError, match="free slots"):
            await run(runner, "quick")
        stop.ask(StopReason.CANCEL)
        await running

    assert (during, runner.free_slots) == (0, 1)


async def test_cancelling_the_run_cancels_the_handler_and_frees_the_slot() -> None:
    async with runner_of() as runner:
        running = asyncio.ensure_future(run(runner, "wait"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert runner.free_slots == 2
        assert not [
            task for task in asyncio.all_tasks() if task.get_name().startswith("job-") and not task.cancelling()
        ]


@pytest.mark.parametrize("what", ["object", "nan", "infinity", "surrogate", "nul", "integer", "endless"])
@pytest.mark.parametrize("type_name", ["give", "give.process"])
async def test_a_result_that_is_not_json_fails_the_attempt(type_name: str, what: str) -> None:
    async with runner_of() as runner:
        ended = await run(runner, type_name, {"what": what})

    assert ended.outcome is Outcome.FAILED
    assert ended.error is not None
    assert ended.error.type == "ResultNotJson"


@pytest.mark.parametrize("type_name", ["give", "give.process"])
async def test_only_a_result_above_the_limit_is_too_large(type_name: str) -> None:
    async with runner_of() as runner:
        largest = await run(runner, type_name, {"what": "largest"})
        too_large = await run(runner, type_name, {"what": "too large"})

    assert largest.result == handlers.UNUSABLE["largest"]
    assert too_large.error is not None
    assert too_large.error.type == "ResultTooLarge"
