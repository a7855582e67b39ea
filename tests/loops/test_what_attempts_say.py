"""What a running attempt says reaches the store: its progress seldom and in order, its log at the end and before."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from observatory import JobContext, Observatory
from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.job import JobStatus, Progress
from observatory.processor.context import StopReason
from tests import handlers
from tests.loops.place import Place, running_place

ISOLATIONS = ["async", "thread", "process"]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place]:
    async with running_place(tmp_path, handlers.app.handlers) as place:
        yield place


async def progressed(place: Place, job_id: str) -> list[Any]:
    events = await place.log.of_job(job_id, count_max=100)
    return [event.payload["progress"] for event in events if event.event_type == "job.progressed"]


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_the_last_progress_is_recorded_before_the_end(place: Place, isolation: str) -> None:
    job_id = await place.submit(f"count.{isolation}", {"count": 1, "message": "all of it"})

    job = await place.final(job_id)

    assert job.status is JobStatus.COMPLETED
    assert job.progress == Progress(fraction=1.0, done=1, total=1, message="all of it")
    types = [event.event_type for event in await place.log.of_job(job_id, count_max=100)]
    assert types == ["job.created", "job.validated", "job.progressed", "job.executed", "job.completed"]


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_a_storm_of_progress_leaves_few_events_and_the_last_call(place: Place, isolation: str) -> None:
    job_id = await place.submit(f"count.{isolation}", {"count": 100_000})

    job = await place.final(job_id)

    assert job.result == 100_000
    assert job.progress == Progress(fraction=1.0, done=100_000, total=100_000, message="")
    assert job.started_at is not None
    assert job.finished_at is not None
    ran_s = (job.finished_at - job.started_at).total_seconds()
    assert 1 <= len(await progressed(place, job_id)) <= 2 + ran_s / limits.PROGRESS_EVERY_S


async def test_progress_that_comes_too_early_is_recorded_while_the_attempt_goes_on(tmp_path: Path) -> None:
    app, gate = Observatory(), asyncio.Event()

    @app.job("two")
    async def two(ctx: JobContext) -> None:
        ctx.progress(0.1)
        await asyncio.sleep(0)
        await place.until(ctx.job_id, "job.progressed")
        ctx.progress(0.2)
        await gate.wait()

    async with running_place(tmp_path, app.handlers) as place:
        job_id = await place.submit("two")
        async with asyncio.timeout(20):
            while len(await progressed(place, job_id)) < 2:  # noqa: ASYNC110 — an event of the log, not of this loop
                await asyncio.sleep(0.05)
        job = await place.job(job_id)
        gate.set()
        await place.final(job_id)

        assert job.progress == Progress(fraction=0.2)
        assert await progressed(place, job_id) == [{"fraction": 0.1}, {"fraction": 0.2}]


async def test_a_new_attempt_begins_without_the_progress_of_the_last(tmp_path: Path) -> None:
    app = Observatory()
    seen: list[Progress | None] = []

    @app.job("twice", max_attempts=2)
    async def twice(ctx: JobContext) -> None:
        seen.append((await place.job(ctx.job_id)).progress)
        ctx.progress(0.5)
        raise handlers.Retry(in_s=0.0)

    async with running_place(tmp_path, app.handlers) as place:
        job = await place.final(await place.submit("twice", max_attempts=2))

        assert seen == [None, None]
        assert job.progress == Progress(fraction=0.5)
        assert await progressed(place, job.id) == [{"fraction": 0.5}, {"fraction": 0.5}]


async def test_an_attempt_that_was_overtaken_reports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_PAUSE_S", 3_600.0)  # no heartbeat after the first gives the lease back
    app, gate = Observatory(), asyncio.Event()

    @app.job("slow")
    async def slow(ctx: JobContext) -> None:
        await gate.wait()
        ctx.progress(0.9)
        await asyncio.sleep(0)

    async with running_place(tmp_path, app.handlers) as place:
        job_id = await place.submit("slow")
        await place.until(job_id, "job.validated")
        await place.store.end_leases_of_others([])
        await place.until(job_id, "job.retried", "job.failed")
        gate.set()
        (attempt,) = [one for one in place.worker.attempts if one.job.fence == 1]
        attempt.stop.ask(StopReason.LEASE_LOST)
        async with asyncio.timeout(20):
            while any(one.job.fence == 1 for one in place.worker.attempts):  # noqa: ASYNC110 — nothing tells of it
                await asyncio.sleep(0.01)

        assert await progressed(place, job_id) == []


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_the_log_is_kept_with_the_end_of_the_attempt(place: Place, isolation: str) -> None:
    job_id = await place.submit(f"say.{isolation}", {"text": "hello"})

    await place.final(job_id)

    log = await place.logs.attempt_log(job_id)
    assert log is not None
    assert (log.attempt, log.is_complete) == (1, True)
    assert [line.text for line in log.lines][:2] == ["hello 0", "hello 0 to stderr"]


async def test_a_job_that_says_nothing_costs_no_log(place: Place) -> None:
    job_id = await place.submit("quick")

    await place.final(job_id)

    assert await place.logs.attempt_log(job_id) is None


async def test_the_log_of_a_running_attempt_can_be_read(tmp_path: Path) -> None:
    app, gate = Observatory(), asyncio.Event()

    @app.job("talks")
    async def talks(ctx: JobContext) -> None:
        print("so far")
        await gate.wait()
        print("and on")

    async with running_place(tmp_path, app.handlers) as place:
        job_id = await place.submit("talks")
        async with asyncio.timeout(20):
            while (log := await place.logs.attempt_log(job_id)) is None:  # noqa: ASYNC110 — nothing tells of it
                await asyncio.sleep(0.05)
        gate.set()
        await place.final(job_id)
        after = await place.logs.attempt_log(job_id)

        assert ([line.text for line in log.lines], log.is_complete) == (["so far"], False)
        assert after is not None
        assert ([line.text for line in after.lines], after.is_complete) == (["so far", "and on"], True)


async def test_a_log_that_cannot_be_saved_costs_nothing_else(place: Place) -> None:
    async def refuse(logs: Any) -> None:
        raise StoreUnavailable("no room for words")

    place.logs.save = refuse  # pyright: ignore[reportAttributeAccessIssue] — as a full disk does

    job = await place.final(await place.submit("say.async", {"text": "hello"}))

    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 1)


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize(
    ("kind", "attempts", "reason"),
    [
        ("fleeting", 2, "attempts_used_up"),
        ("wish", 2, "attempts_used_up"),
        ("lasting", 1, "discarded"),
        ("other", 1, "discarded"),
    ],
)
async def test_what_is_tried_again_is_decided_by_the_class(
    place: Place, isolation: str, kind: str, attempts: int, reason: str
) -> None:
    job = await place.final(await place.submit(f"declared.{isolation}", {"kind": kind}, max_attempts=2))

    assert (job.status, job.attempt) == (JobStatus.FAILED, attempts)
    events = await place.log.of_job(job.id, count_max=100)
    assert events[-1].payload["reason"] == reason
    assert job.error is not None
    assert job.error.qualified_type in {
        "tests.handlers.Fleeting",
        "tests.handlers.Lasting",
        "KeyError",
        "observatory.core.retry.Retry",
    }
