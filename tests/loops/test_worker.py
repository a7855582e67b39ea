"""The processor with its real runner, real children and a real store."""

import asyncio
import contextlib
import errno
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from observatory.core.command import Cancel, Rescue, Start
from observatory.core.errors import LeaseLost, StoreUnavailable
from observatory.core.job import Job, JobStatus
from observatory.job_store.port import Order
from observatory.job_store.sqlite import SqliteJobStore
from observatory.processor.context import StopReason
from tests import handlers
from tests.loops.place import Place, running_place

Opens = Callable[[], contextlib.AbstractAsyncContextManager[Place]]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place]:
    async with running_place(tmp_path, handlers.app.handlers) as place:
        yield place


async def test_a_job_takes_four_events_from_accepted_to_completed(place: Place) -> None:
    job_id = await place.submit("quick", {"n": 1})

    job = await place.final(job_id)

    assert job.status is JobStatus.COMPLETED
    assert job.result == {"n": 1}
    assert job.attempt == 1
    events = await place.log.of_job(job_id, count_max=100)
    assert [event.event_type for event in events] == ["job.created", "job.validated", "job.executed", "job.completed"]


@pytest.mark.parametrize(
    ("job_type", "payload", "error_type", "words"),
    [
        ("segfault.process", {}, "Crashed", "SIGSEGV"),
        ("exit.process", {}, "Crashed", "code 3"),
        ("forever.process", {}, "TimedOut", "0.5 s"),
        ("eat.memory", {"mib": 512}, "MemoryLimit", "memory_bytes_max"),
    ],
)
async def test_a_child_that_comes_to_grief_fails_its_own_job_and_says_how(
    place: Place, job_type: str, payload: dict[str, int], error_type: str, words: str
) -> None:
    bad = await place.submit(job_type, payload, max_attempts=2, timeout_seconds=0.5 if "forever" in job_type else 30)
    good = [await place.submit("quick.process", {"n": n}) for n in range(5)]

    others = [await place.final(job_id) for job_id in good]
    job = await place.final(bad)

    assert job.status is JobStatus.FAILED
    assert job.attempt == 2
    assert job.error is not None
    assert job.error.type == error_type
    assert words in job.error.message
    assert [other.status for other in others] == [JobStatus.COMPLETED] * 5


async def test_a_stuck_thread_is_abandoned_and_its_slot_is_shown_as_occupied(place: Place) -> None:
    job_id = place.ids.new_id()
    gate = handlers.gates[job_id] = handlers.Gate()
    await place.submit("stuck.thread", id=job_id, max_attempts=1, timeout_seconds=0.2)

    job = await place.final(job_id)

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.type == "Abandoned"
    assert place.runner.free_slots == 3
    await place.worker.heartbeats.run_once()
    (worker,) = await place.queries.processes()
    assert worker.abandoned == 1
    gate.opened.set()


async def test_a_payload_that_does_not_fit_is_refused_without_costing_an_attempt(place: Place) -> None:
    job_id = await place.submit("typed", {"path": 7})

    job = await place.final(job_id)

    assert job.status is JobStatus.FAILED
    assert job.attempt == 0
    assert job.error is not None
    assert "/payload/path" in job.error.message
    events = await place.log.of_job(job_id, count_max=100)
    assert events[-1].payload["reason"] == "invalid"


async def test_an_unknown_type_waits_and_costs_nothing(place: Place) -> None:
    unknown = await place.submit("nobody.knows")
    known = await place.submit("quick")

    await place.final(known)

    job = await place.job(unknown)
    assert job.status is JobStatus.PENDING
    assert job.attempt == 0


async def test_a_drain_gives_the_attempt_back_at_no_cost(tmp_path: Path) -> None:
    async with running_place(tmp_path, handlers.app.handlers) as place:
        job_id = await place.submit("wait")
        await place.until(job_id, "job.validated")

    async with running_place(tmp_path, {}) as place:
        job = await place.job(job_id)

        assert job.status is JobStatus.PENDING
        assert job.attempt == 0
        assert job.fence == 1
        events = await place.log.of_job(job_id, count_max=100)
        assert [event.payload.get("outcome") for event in events][-2:] == ["released", None]


async def test_a_claim_that_answers_during_the_drain_is_given_back(tmp_path: Path) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def claim_slowly(**asks: Any) -> list[Job]:
        jobs = await SqliteJobStore.claim(place.store, **asks)
        if jobs:
            asked.set()
            await may_answer.wait()
        return jobs

    async with running_place(tmp_path, handlers.app.handlers) as place:
        place.store.claim = claim_slowly  # pyright: ignore[reportAttributeAccessIssue] — the answer is late, not false
        job_id = await place.submit("quick", max_attempts=1)
        await asked.wait()
        draining = asyncio.create_task(place.worker.drain())
        await asyncio.sleep(0)
        may_answer.set()
        await draining

    async with running_place(tmp_path, {}) as place:
        job = await place.job(job_id)

        assert (job.status, job.attempt, job.worker) == (JobStatus.PENDING, 0, None)


@pytest.mark.parametrize(
    ("job_type", "where", "fault"),
    [
        ("quick.thread", "threading.Thread.start", RuntimeError("can't start new thread")),
        ("quick.process", "os.pipe", OSError(errno.EMFILE, "Too many open files")),
    ],
)
async def test_an_attempt_that_the_system_gives_nothing_to_run_in_ends_and_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch, job_type: str, where: str, fault: Exception
) -> None:
    def refuse(*args: object) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(f"observatory.processor.in_thread.{where}" if "thread" in where else where, refuse)
        job = await place.final(await place.submit(job_type, max_attempts=1))

    assert (job.status, job.attempt) == (JobStatus.FAILED, 1)
    assert job.error is not None
    assert str(fault.args[-1]) in job.error.message
    assert (await place.final(await place.submit(job_type))).status is JobStatus.COMPLETED


async def test_an_attempt_whose_task_is_cancelled_by_a_stranger_is_settled(place: Place) -> None:
    job_id = await place.submit("wait", max_attempts=1)
    await place.until(job_id, "job.validated")
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == f"attempt {job_id}"]

    task.cancel()

    job = await place.final(job_id)
    assert (job.status, job.attempt) == (JobStatus.FAILED, 1)
    assert job.error is not None
    assert job.error.type == "NotRun"


async def test_a_lost_lease_is_no_fault_of_ours(place: Place) -> None:
    job_id = await place.submit("wait")
    await place.until(job_id, "job.validated")
    (attempt,) = place.worker.attempts

    with structlog.testing.capture_logs() as logs:
        attempt.stop.ask(StopReason.LEASE_LOST)
        async with asyncio.timeout(10):
            while len(place.worker.attempts):  # noqa: ASYNC110 — nothing tells of it
                await asyncio.sleep(0)

    assert [(entry["log_level"], entry["event"]) for entry in logs] == [("warning", "lease lost, result dropped")]
    assert (await place.job(job_id)).status is JobStatus.EXECUTING


async def test_the_next_owner_of_the_data_rescues_at_once_and_the_old_fence_writes_no_more(tmp_path: Path) -> None:
    async with running_place(tmp_path, {}) as place:
        job_id = await place.submit("quick")
        (claimed,) = await place.store.claim(types=["quick"], worker="dead", count_max=1, lease_s=3_600)

    async with running_place(tmp_path, handlers.app.handlers) as place:
        job = await place.final(job_id)

        assert job.status is JobStatus.COMPLETED
        assert job.attempt == 2
        events = await place.log.of_job(job_id, count_max=100)
        assert "lease_lost" in [event.payload.get("outcome") for event in events]
        late = Order(job_id, Rescue(fence=claimed.fence, retry_in_s=0))
        assert isinstance((await place.store.apply([late]))[0], LeaseLost)


async def test_heartbeats_keep_a_lease_that_is_shorter_than_the_attempt(tmp_path: Path) -> None:
    async with running_place(tmp_path, handlers.app.handlers) as place:
        job_id = await place.submit("wait")
        await place.until(job_id, "job.validated")
        before = await place.job(job_id)

        await place.worker.heartbeats.run_once()

        after = await place.job(job_id)
        assert before.lease_expires_at is not None
        assert after.lease_expires_at is not None
        assert after.lease_expires_at > before.lease_expires_at
        assert after.sequence == before.sequence


async def test_retries_follow_the_policy_until_the_attempts_are_used_up(place: Place) -> None:
    job_id = await place.submit("raise", max_attempts=2)

    job = await place.final(job_id)

    assert job.status is JobStatus.FAILED
    assert job.attempt == 2
    types = await place.until(job_id, "job.failed")
    assert types.count("job.retried") == 1


async def test_priorities_decide_the_order_of_claims(tmp_path: Path) -> None:
    async with running_place(tmp_path, {}) as place:
        ids = [await place.submit("quick", priority=priority) for priority in (9, 0, 5)]

        claimed = await place.store.claim(types=["quick"], worker="w", count_max=3, lease_s=15)

        assert [job.id for job in claimed] == [ids[1], ids[2], ids[0]]


async def test_counters_follow_the_log(place: Place) -> None:
    for n in range(20):
        await place.final(await place.submit("quick", {"n": n}))

    head = await place.log.head()
    async with asyncio.timeout(10):
        while (stored := await place.views.load("stats")) is None or stored.checkpoint < head:
            await place.news.receive(timeout_s=0.05)
    assert b'"COMPLETED":20' in stored.document


# --- a prefetch buffer ----------------------------------------------------------------------------


async def test_a_job_that_waited_here_begins_when_a_slot_is_free(tmp_path: Path) -> None:
    async with running_place(tmp_path, handlers.app.handlers, slots=1, prefetch=1) as place:
        gate = handlers.gates["first"] = handlers.Gate()
        first = await place.submit("stuck.thread", id="first")
        await place.until(first, "job.validated")
        second = await place.submit("quick", {"n": 2})
        await place.until(second, "job.validated")
        third = await place.submit("quick", {"n": 3})

        waiting = [(await place.job(job_id)).status for job_id in (second, third)]
        gate.opened.set()
        jobs = [await place.final(job_id) for job_id in (first, second, third)]

        assert waiting == [JobStatus.VALIDATED, JobStatus.PENDING]
        assert [(job.status, job.attempt) for job in jobs] == [(JobStatus.COMPLETED, 1)] * 3
        events = [event.event_type for event in await place.log.of_job(second, count_max=100)]
        assert events == ["job.created", "job.validated", "job.started", "job.executed", "job.completed"]


@contextlib.asynccontextmanager
async def buffered(folder: Path, job_type: str, payload: dict[str, Any]) -> AsyncGenerator[tuple[Place, str]]:
    """A place whose only slot is taken, and a job of *job_type* that was claimed beyond it."""
    async with running_place(folder, handlers.app.handlers, slots=1, prefetch=1) as place:
        await place.until(await place.submit("wait"), "job.validated")
        job_id = await place.submit(job_type, payload)
        await place.until(job_id, "job.validated")
        yield place, job_id


async def test_a_payload_that_does_not_fit_is_refused_before_a_slot_is_free(tmp_path: Path) -> None:
    async with buffered(tmp_path, "typed", {"path": 7}) as (place, job_id):
        job = await place.final(job_id)

        assert (job.status, job.attempt) == (JobStatus.FAILED, 0)
        assert place.worker.free_slots == 0


async def test_a_drain_gives_back_what_waited_here(tmp_path: Path) -> None:
    async with buffered(tmp_path, "quick", {}) as (_, job_id):
        pass

    async with running_place(tmp_path, {}) as place:
        job = await place.job(job_id)
        events = await place.log.of_job(job_id, count_max=100)

        assert (job.status, job.attempt, job.worker) == (JobStatus.PENDING, 0, None)
        assert [event.event_type for event in events][-1] == "job.queued"


async def test_what_waited_here_and_was_cancelled_makes_room(tmp_path: Path) -> None:
    async with buffered(tmp_path, "quick", {}) as (place, job_id):
        assert place.worker.info.buffered == 1
        await place.store.apply([Order(job_id, Cancel())])

        await place.worker.heartbeats.run_once()

        assert (await place.job(job_id)).status is JobStatus.CANCELLED
        assert place.worker.info.buffered == 0


async def test_a_start_whose_answer_was_lost_begins_once(tmp_path: Path) -> None:
    async with buffered(tmp_path, "quick", {"n": 1}) as (place, job_id):
        lost = asyncio.Event()

        async def apply_and_lose(orders: Sequence[Order]) -> Any:
            answers = await SqliteJobStore.apply(place.store, orders)
            if not lost.is_set() and any(isinstance(order.command, Start) for order in orders):
                lost.set()
                raise StoreUnavailable("the answer was lost")
            return answers

        place.store.apply = apply_and_lose  # pyright: ignore[reportAttributeAccessIssue] — the answer is lost, not false
        for attempt in place.worker.attempts:
            if attempt.is_running:
                attempt.stop.ask(StopReason.CANCEL)

        job = await place.final(job_id)

        assert lost.is_set()
        assert (job.status, job.attempt, job.result) == (JobStatus.COMPLETED, 1, {"n": 1})
