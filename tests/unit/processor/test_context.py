"""What a handler is told."""

import logging
from datetime import timedelta

import pytest

from observatory.core.job import Progress
from observatory.processor.context import JobContext, Stopped, StopReason, facts_of
from observatory.processor.stopping import Stop
from observatory.testing.manual_sources import BEGINNING, ManualClock
from tests.unit.processor.jobs import CORRELATION_ID, JOB_ID, executing


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def context(clock: ManualClock, stop: Stop) -> JobContext:
    return JobContext(facts_of(executing(timeout_seconds=10.0)), clock=clock, stop=stop)


def test_the_time_that_is_left_shrinks_to_nothing(context: JobContext, clock: ManualClock) -> None:
    left = [context.seconds_left]
    clock.advance(4.0)
    left.append(context.seconds_left)
    clock.advance(20.0)
    left.append(context.seconds_left)

    assert left == [10.0, 6.0, 0.0]


@pytest.mark.parametrize("reason", list(StopReason))
def test_every_reason_is_one_to_stop(context: JobContext, stop: Stop, reason: StopReason) -> None:
    context.stop_if_asked()
    assert not context.should_stop

    stop.ask(reason)

    assert context.should_stop
    with pytest.raises(Stopped):
        context.stop_if_asked()


def test_a_broad_except_in_a_handler_does_not_take_the_stop_for_a_failure() -> None:
    assert not issubclass(Stopped, Exception)


def test_the_idempotency_key_is_that_of_the_job_and_not_of_the_attempt(stop: Stop, clock: ManualClock) -> None:
    keys = {
        JobContext(facts_of(executing(attempt=attempt, fence=attempt)), clock=clock, stop=stop).idempotency_key
        for attempt in (1, 2, 3)
    }

    assert keys == {JOB_ID}


def test_a_log_record_names_the_attempt(context: JobContext, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="observatory.job"):
        context.log.info("half way", extra={"rows": 5, "job_id": "forged"})

    (record,) = caplog.records
    assert record.getMessage() == "half way"
    said = [record.__dict__[name] for name in ("rows", "job_id", "job_type", "attempt", "correlation_id")]
    assert said == [5, JOB_ID, "quick", 2, CORRELATION_ID]


def test_the_deadline_is_an_instant_and_does_not_move(context: JobContext, clock: ManualClock) -> None:
    clock.advance(1.0)
    before = context.deadline
    clock.advance(4.0)

    assert before == context.deadline == BEGINNING + timedelta(seconds=10)


def test_the_reason_to_stop_is_told_and_a_weightier_one_replaces_it(context: JobContext, stop: Stop) -> None:
    reasons = [context.stop_reason]
    for reason in (StopReason.CANCEL, StopReason.SOFT_TIMEOUT, StopReason.TIMEOUT):
        stop.ask(reason)
        reasons.append(context.stop_reason)

    assert reasons == [None, StopReason.CANCEL, StopReason.CANCEL, StopReason.TIMEOUT]


async def test_only_what_runs_in_async_can_await_the_stop(context: JobContext) -> None:
    with pytest.raises(RuntimeError, match="should_stop"):
        await context.stopping()


def test_progress_is_handed_on_and_a_bad_value_is_not(clock: ManualClock, stop: Stop) -> None:
    reported: list[Progress] = []
    context = JobContext(facts_of(executing()), clock=clock, stop=stop, report=reported.append)

    context.progress(done=1, total=4)
    with pytest.raises(ValueError, match="fraction of progress"):
        context.progress(2.0)

    assert reported == [Progress(fraction=0.25, done=1, total=4)]
