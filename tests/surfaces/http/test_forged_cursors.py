"""Whoever forges a cursor is told so, whatever place it names; the stores never see a number they cannot hold."""

from typing import Any

import msgspec
import pytest

from observatory.core import limits
from observatory.core.job import JobStatus
from observatory.event_log.port import EventFilter
from observatory.job_store.port import JobFilter
from observatory.job_store.selections import Selection
from tests.surfaces.http.services import World, client, problem, submit
from tests.unit.read_model.forged import forged_cursor

DEAD = Selection(statuses=(JobStatus.FAILED,), is_unretried=True)
LISTS = {
    "/jobs": f"jobs {msgspec.json.encode(JobFilter()).decode()}",
    "/events": f"events {msgspec.json.encode(EventFilter()).decode()}",
    "/jobs/{id}/events": "events of {id}",
    "/schedules": "schedules",
    "/schedules/nightly/ticks": "ticks of nightly",
    "/dead-letters": f"dead letters {msgspec.json.encode(DEAD).decode()}",
}


async def get(world: World, path: str, place: int) -> Any:
    job_id = (await submit(world.gateway()))["id"]
    async with client(world.gateway()) as http:
        await http.put("/schedules/nightly", json={"type": "report", "every": "1h"})
    of = LISTS[path].replace("{id}", job_id)
    async with client(world.gateway() if path == "/dead-letters" else world.read_model()) as http:
        return await http.get(path.replace("{id}", job_id), params={"cursor": forged_cursor(place, of=of)})


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("place", [0, limits.CURSOR_PLACE_MAX + 1, 2**64 - 1])
async def test_a_forged_place_that_no_store_has_is_refused(world: World, path: str, place: int) -> None:
    answer = await get(world, path, place)

    assert answer.status_code == 400
    assert problem(answer)["code"] == "bad_cursor"


@pytest.mark.parametrize("path", LISTS)
async def test_the_last_place_of_all_is_answered(world: World, path: str) -> None:
    answer = await get(world, path, limits.CURSOR_PLACE_MAX)

    assert answer.status_code == 200
