"""A cancel reaches a running handler in every isolation, and what the handler makes of it is what is recorded."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from observatory.core import limits
from observatory.core.command import Cancel
from observatory.core.job import JobStatus
from observatory.gateway.bulk import Bulk
from observatory.gateway.gateway import Gateway
from observatory.job_store.port import Order
from observatory.job_store.sqlite import SqliteSelections
from observatory.runtime.sources import SystemClock
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


@pytest.fixture
async def unhurried_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Place]:
    """A place whose processor sends no second heartbeat by itself."""
    monkeypatch.setattr(limits, "HEARTBEAT_S", 3_600.0)
    async with running_place(tmp_path, handlers.app.handlers) as place:
        yield place


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("is_bulk", [False, True])
async def test_a_cancel_does_not_wait_for_the_next_heartbeat(
    unhurried_place: Place, *, isolation: str, is_bulk: bool
) -> None:
    place = unhurried_place
    job_id = await place.submit(f"heed.{isolation}", {"then": "stop"})
    await place.until(job_id, "job.progressed")

    if is_bulk:
        bulk = Bulk(place.store, SqliteSelections(place.file), place.bus, ids=place.ids)
        await bulk.cancel({"filter": {"type": f"heed.{isolation}"}})
    else:
        await Gateway(place.store, place.queries, place.bus, clock=SystemClock(), ids=place.ids).cancel(job_id)

    job = await place.final(job_id)
    events = await place.log.of_job(job_id, count_max=100)
    assert job.status is JobStatus.CANCELLED
    assert events[-2].payload["outcome"] == "cancelled"  # a rescue, much later, would say `lease_expired`
