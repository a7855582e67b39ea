"""A processor beside queues that are paused, resumed and limited, with its real runner and a real store."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from observatory.core import limits
from observatory.core.job import JobStatus
from observatory.gateway.queue_control import QueueControl
from observatory.job_store.sqlite import SqliteQueues
from observatory.runtime.sources import SystemClock
from tests import handlers
from tests.loops.place import Place, running_place


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Place]:
    """One in which processors look for work only when something wakes them."""
    monkeypatch.setattr(limits, "POLL_S", 3600.0)
    async with running_place(tmp_path, handlers.app.handlers) as place:
        yield place


def control(place: Place) -> QueueControl:
    return QueueControl(SqliteQueues(place.file, clock=SystemClock()), place.bus)


async def test_the_end_of_a_job_in_a_limited_queue_wakes_the_claim_of_the_next(place: Place) -> None:
    await control(place).set_concurrency("mail", {"concurrencyMax": 1})

    ids = [await place.submit("quick", {"n": n}, queue="mail") for n in range(12)]

    assert [(await place.final(job_id)).status for job_id in ids] == [JobStatus.COMPLETED] * 12


async def test_a_limited_queue_never_runs_more_than_its_limit(place: Place) -> None:
    await control(place).set_concurrency("mail", {"concurrencyMax": 2})
    await control(place).pause("mail", {})
    ids = [await place.submit("quick", {"n": n}, queue="mail") for n in range(12)]
    await control(place).resume("mail")
    for job_id in ids:
        await place.final(job_id)

    events = await place.log.after(0, count_max=1000)

    running = highest = 0
    for event in events:
        running += (event.event_type == "job.validated") - (event.event_type == "job.executed")
        highest = max(highest, running)
    assert highest == 2


@pytest.mark.parametrize("opens", ["resume", "lift", "raise"])
async def test_a_queue_that_opens_is_claimed_from_at_once(place: Place, opens: str) -> None:
    queue = control(place)
    await queue.set_concurrency("mail", {"concurrencyMax": 1})
    running = await place.submit("wait", queue="mail", timeout_seconds=60.0)
    await place.until(running, "job.validated")
    if opens == "resume":
        await queue.pause("mail", {})
        await queue.set_concurrency("mail", {"concurrencyMax": None})
    waiting = await place.submit("quick", queue="mail")
    assert await place.worker.claims.run_once() == 0

    if opens == "resume":
        await queue.resume("mail")
    else:
        await queue.set_concurrency("mail", {"concurrencyMax": 2 if opens == "raise" else None})

    assert (await place.final(waiting)).status is JobStatus.COMPLETED


async def test_a_processor_with_nothing_but_paused_work_writes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await control(place).pause("mail", {})
    await place.submit("quick", queue="mail")
    done = await place.submit("quick")
    await place.final(done)
    here, changes, write = asyncio.current_task(), list[int](), place.file.write

    def counted(unit: Callable[[Connection], Any]) -> Any:
        """Of this test's own units: the other loops may write meanwhile."""

        def run(connection: Connection) -> Any:
            before = connection.total_changes
            answer = unit(connection)
            changes.append(connection.total_changes - before)
            return answer

        return write(run if asyncio.current_task() is here else unit)

    monkeypatch.setattr(place.file, "write", counted)

    found = [await place.worker.claims.run_once() for _ in range(5)]

    assert found == [0] * 5
    assert changes == [0] * 5


async def busy(place: Place) -> asyncio.Event:
    """Have an attempt run that heeds nothing; it ends when what is returned is set."""
    job_id = place.ids.new_id()
    may_end = handlers.deaf_may_end[job_id] = asyncio.Event()
    await place.submit("deaf", id=job_id, timeout_seconds=60.0)
    await place.until(job_id, "job.validated")
    return may_end


async def test_a_drain_is_seen_before_it_ends(tmp_path: Path) -> None:
    async with running_place(tmp_path, handlers.app.handlers) as place:
        may_end = await busy(place)

        draining = asyncio.create_task(place.worker.drain())
        while not (await place.queries.processes())[0].is_draining:
            assert not draining.done(), "it ended unseen"
        may_end.set()
        await draining


async def test_a_drain_claims_nothing_more(tmp_path: Path) -> None:
    async with running_place(tmp_path, handlers.app.handlers) as place:
        may_end = await busy(place)

        draining = asyncio.create_task(place.worker.drain())
        await asyncio.sleep(0)
        late = await place.submit("quick")
        found = await place.worker.claims.run_once()
        is_draining = place.worker.is_draining
        may_end.set()
        await draining
        job = await place.job(late)

    assert (is_draining, found) == (True, 0)
    assert (job.status, job.fence, job.sequence) == (JobStatus.PENDING, 0, 1)
