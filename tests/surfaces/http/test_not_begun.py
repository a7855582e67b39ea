"""A service that has not begun: its health can be asked for, and nothing else is refused for good."""

from typing import Any

import pytest

from observatory.core.errors import StoreUnavailable
from observatory.edge.health import Check
from observatory.edge.http.health import Gate
from observatory.edge.settings import EdgeSettings
from observatory.testing.manual_sources import ManualClock, SeededIds
from tests.surfaces.http.services import client, problem


async def down() -> None:
    raise StoreUnavailable("gone")


@pytest.fixture
def gate() -> Gate:
    async def begun(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the gate is closed")

    return Gate(
        begun,
        edge=EdgeSettings(service="read-model", version="1", read_model_port=18080),
        checks=[Check("job_store", down)],
        clock=ManualClock(),
        ids=SeededIds(1),
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs"),
        ("GET", "/jobs?type=checksum&limit=500"),
        ("GET", "/jobs?limit=1&limit=2"),
        ("POST", "/jobs"),
        ("PUT", "/schedules/nightly?x=1"),
    ],
)
async def test_whatever_is_asked_for_is_to_be_asked_again_later(gate: Gate, method: str, path: str) -> None:
    async with client(gate) as http:
        answer = await http.request(method, path)

    assert answer.status_code == 503
    assert problem(answer)["code"] == "not_begun"
    assert "has not begun" in problem(answer)["detail"]
    assert int(answer.headers["Retry-After"]) >= 1


async def test_its_health_names_what_it_waits_for(gate: Gate) -> None:
    async with client(gate) as http:
        alive, ready = await http.get("/healthz"), await http.get("/readyz")

    assert (alive.status_code, ready.status_code) == (200, 503)
    assert [check["name"] for check in ready.json()["checks"] if not check["isUp"]] == ["job_store"]
