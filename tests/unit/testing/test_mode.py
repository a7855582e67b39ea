"""The test mode: the rules of the real system in virtual time, when the test says so."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from observatory import Discard, JobContext, JobFailed, NotReachable, Observatory, Retry, RetryPolicy, Snooze
from observatory.testing import NothingRuns, NotOpen, RunsForEver, TestMode
from observatory.testing import mode as test_mode
from observatory.testing.manual_sources import BEGINNING

app = Observatory()
ran: list[Any] = []


@app.job("flaky", max_attempts=4, retry=RetryPolicy(base_s=1000.0))
def flaky(ctx: JobContext, *, fails: int) -> int:
    if ctx.attempt <= fails:
        raise ValueError(f"attempt {ctx.attempt}")
    return ctx.attempt


@app.job("note")
def note(ctx: JobContext, *, what: str) -> None:
    ran.append(what)


@app.job("wish")
def wish(ctx: JobContext, *, what: str) -> int:
    if what == "discard":
        raise Discard("never")
    if what == "retry" and ctx.attempt == 1:
        raise Retry(in_s=3600)
    if what == "snooze" and len(ran) < 3:
        ran.append(what)
        raise Snooze(in_s=60)
    if what == "for ever":
        raise Snooze(in_s=1)
    return ctx.attempt


@app.job("crash", runs_in="process", memory_bytes_max=2**30)
def crash(ctx: JobContext) -> str:
    return threading.current_thread().name


@app.job("nested")
def nested(ctx: JobContext, *, depth: int) -> int:
    return 1 + app.submit(nested, depth=depth - 1).result() if depth else 0


@app.job("itself")
def itself(ctx: JobContext) -> None:
    app.handle(ctx.job_id).result()


@app.job("loop")
async def loop(ctx: JobContext) -> bool:
    return asyncio.get_running_loop() is test_loop


@app.job("bad.result")
def bad_result(ctx: JobContext) -> Any:
    return object()


test_loop: asyncio.AbstractEventLoop | None = None


@pytest.fixture
def t() -> Generator[TestMode]:
    ran.clear()
    with TestMode(app) as mode:
        yield mode


def test_nothing_runs_until_the_test_says_so(t: TestMode) -> None:
    handle = app.submit(note, what="a")

    assert (ran, handle.status()) == ([], "PENDING")
    assert [job["id"] for job in t.run_all()] == [handle.id]
    assert (ran, handle.status()) == (["a"], "COMPLETED")


def test_jobs_run_one_at_a_time_in_the_order_of_claims(t: TestMode) -> None:
    for what in "ab":
        app.submit(note, what=what)
    app.options(priority=0).submit(note, what="first")

    assert t.run_next() is not None
    assert ran == ["first"]
    t.run_due()
    assert ran == ["first", "a", "b"]
    assert t.run_next() is None


def test_retries_follow_the_policy_of_the_type_in_virtual_time(t: TestMode) -> None:
    handle = app.submit(flaky, fails=3)

    attempts = t.run_all()

    assert [job["status"] for job in attempts] == ["RETRYING", "RETRYING", "RETRYING", "COMPLETED"]
    assert handle.result() == 4
    waits_s = [
        (datetime.fromisoformat(b["startedAt"]) - datetime.fromisoformat(a["updatedAt"])).total_seconds()
        for a, b in itertools.pairwise(attempts)
    ]
    assert all(0 <= wait_s <= 1000 * 2**n for n, wait_s in enumerate(waits_s))
    assert max(waits_s) > 60, "nobody has slept for this"


def test_a_job_out_of_attempts_fails_with_its_own_error(t: TestMode) -> None:
    with pytest.raises(JobFailed, match=r"on attempt 4 of 4: ValueError: attempt 4"):
        app.submit(flaky, fails=4).result(timeout_s=None)


@pytest.mark.parametrize(("what", "attempt", "passed_s"), [("retry", 2, 3600), ("snooze", 1, 180), ("at once", 1, 0)])
def test_a_handler_is_understood_as_in_the_real_system(t: TestMode, what: str, attempt: int, passed_s: int) -> None:
    handle = app.submit(wish, what=what)
    t.run_all()

    assert handle.result() == attempt
    assert t.clock.now() - BEGINNING == timedelta(seconds=passed_s)


def test_a_discarded_job_and_a_result_that_is_no_json_fail(t: TestMode) -> None:
    handles = [app.submit(wish, what="discard"), app.options(max_attempts=1).submit(bad_result)]
    t.run_all()

    errors = [handle.job()["error"]["type"] for handle in handles]
    assert errors == ["Discard", "ResultNotJson"]


def test_delayed_jobs_run_when_their_time_has_come(t: TestMode) -> None:
    app.options(delay_s=100).submit(note, what="late")
    app.options(run_at=BEGINNING + timedelta(seconds=50)).submit(note, what="early")

    t.run_due()
    assert ran == []
    t.advance(50)
    t.run_due()
    assert ran == ["early"]
    t.run_all()
    assert ran == ["early", "late"]
    assert t.clock.now() == BEGINNING + timedelta(seconds=100)


def test_a_job_that_never_ends_fails_the_test_instead_of_hanging_it(
    t: TestMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_mode.limits, "TEST_RUNS_MAX", 20)
    app.submit(wish, what="for ever")

    with pytest.raises(RunsForEver, match="20 attempts ran"):
        t.run_all()


def test_a_wait_that_nothing_can_end_is_said(t: TestMode) -> None:
    with pytest.raises(NothingRuns, match="no job of this test is due"):
        t.client.submit("somebody.elses").result()
    with pytest.raises(JobFailed, match="NothingRuns"):
        app.options(max_attempts=1).submit(itself).result()


def test_a_handler_may_wait_for_what_it_submits(t: TestMode) -> None:
    assert app.submit(nested, depth=5).result() == 5
    assert len({job["correlationId"] for job in t.jobs("nested")}) == 1


def test_a_process_handler_runs_in_a_thread_of_the_test(t: TestMode) -> None:
    assert app.submit(crash).result().startswith("job-")


def test_jobs_are_listed_oldest_first_by_type_and_status(t: TestMode) -> None:
    for what in "abc":
        t.submit(note, what=what)
    t.submit("crash")
    t.run_next()

    assert [job["payload"]["what"] for job in t.jobs("note")] == ["a", "b", "c"]
    assert [job["payload"]["what"] for job in t.jobs("note", status="PENDING")] == ["b", "c"]
    assert len(t.jobs()) == 4


def test_two_runs_are_the_same_to_the_last_id() -> None:
    def story() -> list[dict[str, Any]]:
        with TestMode(app) as t:
            app.submit(flaky, fails=3)
            app.submit(note, what="x")
            t.run_all()
            return [without_traceback(job) for job in t.jobs()]

    def without_traceback(job: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in job.items() if name != "error"}

    assert story() == story()


def test_another_beginning_and_seed_are_another_story() -> None:
    with TestMode(app, now=datetime(2030, 1, 1, tzinfo=UTC), seed="other") as t:
        job = app.submit(note, what="x").job()

    assert job["createdAt"].startswith("2030-01-01")
    assert t.clock.now() == datetime(2030, 1, 1, tzinfo=UTC)


async def test_coroutine_handlers_run_on_the_loop_of_the_test(t: TestMode) -> None:
    global test_loop  # noqa: PLW0603 — the handler has nowhere else to look
    test_loop = asyncio.get_running_loop()

    on_ours = await app.aio.submit(loop)
    await t.aio.run_all()
    on_another = app.submit(loop)
    t.run_all()

    assert await on_ours.result() is True
    assert on_another.result() is False
    assert (await t.aio.run_next(), await t.aio.run_due()) == (None, [])


def test_afterwards_the_application_is_as_it_was(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_DATA_DIR", str(tmp_path))
    threads = threading.active_count()
    with contextlib.suppress(ZeroDivisionError), TestMode(app):
        app.submit(note, what="a")
        _ = 1 / 0

    with pytest.raises(NotReachable, match="no observatory is running here"):
        app.submit(note, what="b")
    assert threading.active_count() == threads
    with TestMode(app) as again:
        assert again.jobs() == []


# --- outside of the block -------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["result", "run", "before"])
def test_what_is_used_outside_of_the_block_says_so(use: str) -> None:
    t = TestMode(app)
    if use != "before":
        with t:
            handle = app.submit(note, what="late")

    with pytest.raises(NotOpen, match="inside of its `with` block"):
        _ = handle.result(timeout_s=1) if use == "result" else t.run_all()
