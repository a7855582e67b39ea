"""A cancel reaches a running handler in every isolation, and what the handler makes of it is what is recorded."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from observatory.core.command import Cancel
from observatory.core.job import JobStatus
from observatory.job_store.port import Order
from tests import handlers
from tests.loops.place import Place, running_place

ISOLATIONS = ["async", "thread", "process"]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place]:
    async with running_place(tmp_path, handlers.app.handlers) as place:
        yield place


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize(
    ("then", "status", "outcome", "reason"),
    [
        ("stop", JobStatus.CANCELLED, "cancelled", None),
        ("raise", JobStatus.CANCELLED, "failed", None),
        ("succeed", JobStatus.COMPLETED, "succeeded", "succeeded_before_cancel"),
    ],
)
async def test_what_a_handler_makes_of_a_cancel_is_recorded(
    place: Place, *, isolation: str, then: str, status: JobStatus, outcome: str, reason: str | None
) -> None:
    job_id = await place.submit(f"heed.{isolation}", {"then": then}, max_attempts=3)
    await place.until(job_id, "job.progressed")

    await place.store.apply([Order(job_id, Cancel())])
    await place.worker.heartbeats.run_once()
    job = await place.final(job_id)

    events = await place.log.of_job(job_id, count_max=100)
    assert (job.status, job.attempt) == (status, 1)
    assert [event.payload.get("outcome") for event in events[-2:]] == [outcome, None]
    assert events[-1].payload.get("reason") == reason
    if then == "succeed":
        assert job.result == "2"
