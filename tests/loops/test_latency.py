"""How many commits lie between a submit and the first line of the handler?"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

import pytest

from observatory.core import limits
from observatory.core.event import Event
from observatory.core.folds import STATS_VIEW
from observatory.gateway.gateway import Gateway
from observatory.gateway.submit import CallContext
from observatory.runtime.sources import SystemClock
from tests import handlers
from tests.loops.place import Place, running_place


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Place]:
    """One whose processor looks for work only when something wakes it."""
    monkeypatch.setattr(limits, "POLL_S", 3600.0)
    async with running_place(tmp_path, handlers.app.handlers) as place:
        yield place


async def until_counted(place: Place) -> None:
    """Until the counters are saved: then nobody else writes."""
    async with asyncio.timeout(30.0):
        while True:
            view = await place.views.load(STATS_VIEW)
            if view is not None and view.checkpoint == await place.log.head():
                return
            await asyncio.sleep(0.01)


def positions_by_commit(place: Place, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Positions of the events of each commit from now on."""
    commits: list[list[int]] = []
    offer = place.file.recent_events.offer

    def noted(events: Iterable[tuple[Event, int]]) -> None:
        given = list(events)
        commits.append([event.position or 0 for event, _ in given])
        offer(given)

    monkeypatch.setattr(place.file.recent_events, "offer", noted)
    return commits


async def test_an_idle_processor_claims_a_job_in_the_commit_that_accepts_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(place.store, place.queries, place.bus, clock=SystemClock(), ids=place.ids)
    context = CallContext(correlation_id=place.ids.new_id())
    body = {"type": "quick", "payload": {"n": 1}}
    await place.final((await gateway.submit(body, context)).job.id)  # whatever begins with the first one has begun
    await until_counted(place)
    commits = positions_by_commit(place, monkeypatch)

    submitted = await gateway.submit(body, context)
    await place.final(submitted.job.id)

    assert [len(positions) for positions in commits if positions] == [2, 2], (
        "created and claimed, executed and completed"
    )
