"""Attempts in threads, which nobody can stop."""

import asyncio
import contextvars
import subprocess
import sys
from pathlib import Path

import pytest

from observatory import JobContext, Observatory
from observatory.core.job import Outcome
from observatory.processor.context import StopReason
from observatory.processor.stopping import Stop
from tests import handlers
from tests.unit.processor.jobs import JOB_ID, executing, run, runner_of

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="none")


@pytest.fixture
def gate() -> handlers.Gate:
    return handlers.gates.setdefault(JOB_ID, handlers.Gate())


@pytest.fixture(autouse=True)
def _open_gates():
    yield
    while handlers.gates:
        handlers.gates.popitem()[1].opened.set()


async def test_the_result_comes_back_from_the_thread() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "quick.thread", {"a": 1})

    assert (ended.outcome, ended.result) == (Outcome.SUCCEEDED, {"a": 1})


async def test_a_thread_past_its_time_out_keeps_its_slot_visibly_until_it_ends(gate: handlers.Gate) -> None:
    async with runner_of() as runner:
        ended = await run(runner, "stuck.thread", timeout_seconds=0.05)
        seen, free_before = runner.abandoned, runner.free_slots
        (held,) = runner._abandoned
        gate.opened.set()
        await held
        free_after = runner.free_slots

    assert ended.outcome is Outcome.ABANDONED
    assert ended.error is not None
    assert ended.error.message == (
        "it went past its time-out of 0.05 s; a thread cannot be stopped; it still runs and keeps its slot"
    )
    assert [(one.job_id, one.type, one.attempt) for one in seen] == [(JOB_ID, "stuck.thread", 2)]
    assert (free_before, free_after, runner.abandoned) == (1, 2, [])


async def test_a_cancel_is_only_shown_and_a_result_wins(gate: handlers.Gate) -> None:
    async with runner_of() as runner:
        stop = Stop()
        running = asyncio.ensure_future(run(runner, "obliging.thread", stop=stop))
        await asyncio.to_thread(gate.entered.wait)
        stop.ask(StopReason.CANCEL)
        ended = await running

    assert (ended.outcome, ended.result) == (Outcome.SUCCEEDED, "what was done so far")


@pytest.mark.parametrize(("reason", "outcome"), [(StopReason.DRAIN, "released"), (StopReason.LEASE_LOST, "lease_lost")])
async def test_a_thread_that_does_not_end_is_not_waited_for(
    gate: handlers.Gate, reason: StopReason, outcome: str
) -> None:
    async with runner_of(drain_s=0.02) as runner:
        stop = Stop()
        running = asyncio.ensure_future(run(runner, "stuck.thread", stop=stop))
        await asyncio.to_thread(gate.entered.wait)
        stop.ask(reason)
        ended = await running
        abandoned = runner.abandoned_count

    assert (ended.outcome, abandoned) == (outcome, 1)


async def test_a_soft_time_out_is_seen_in_the_thread() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "polite.thread")

    assert ended.outcome is Outcome.TIMED_OUT


async def test_the_callers_context_is_seen_in_the_thread() -> None:
    app = Observatory()

    @app.job("tell")
    def tell(ctx: JobContext) -> str:
        return request_id.get()

    request_id.set("r-1")
    async with runner_of() as runner:
        ended = await runner.run(app.handlers["tell"], executing("tell"), stop=Stop())

    assert ended.result == "r-1"


def test_a_stuck_thread_does_not_hold_up_the_end_of_the_process() -> None:
    code = """
import asyncio
from tests import handlers
from tests.unit.processor.jobs import JOB_ID, run, runner_of

async def main():
    handlers.gates[JOB_ID] = handlers.Gate()
    async with runner_of() as runner:
        ended = await run(runner, "stuck.thread", timeout_seconds=0.02)
    print(ended.outcome)

asyncio.run(main())
"""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["abandoned"]), done.stderr
