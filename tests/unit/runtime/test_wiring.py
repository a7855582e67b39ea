"""One wiring for `up`, which holds every service, and for `serve`, which holds one."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from observatory.core.explain.elsewhere import SHARED_LOOPS
from observatory.core.worker import Down
from observatory.runtime.ports import Ports
from observatory.runtime.ports.sqlite import open_file, sqlite_ports
from observatory.runtime.roles import Role
from observatory.runtime.services.place import Place, Urls, part_of
from observatory.runtime.services.presence import WORK_FOR_ALL
from observatory.runtime.services.processor import processor_service
from observatory.runtime.services.service import Service
from observatory.runtime.settings import Settings
from observatory.runtime.sources import system_sources
from observatory.runtime.supervisor import FAILURES_MAX, LoopState, Supervisor
from observatory.runtime.wiring import all_services, service_of


def place_in(folder: Path) -> Place:
    sources = system_sources()
    return Place(
        settings=Settings(data_dir=folder),
        sources=sources,
        supervisor=Supervisor(clock=sources.clock, randomness=sources.randomness),
        urls=Urls(gateway="http://127.0.0.1:3000", read_model="http://127.0.0.1:8080", web="http://127.0.0.1:8081"),
        token="t" * 43,
    )


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncGenerator[Ports]:
    file, _ = open_file(tmp_path / "observatory.db")
    ports = sqlite_ports(file, system_sources())
    yield ports
    await ports.close()


def told_of(service: Service) -> dict[str, Any]:
    """Everything of a service that two of the same kind have in common."""
    app: Any = service.app
    routes = [] if app is None else sorted((route.path, sorted(route.methods)) for route in app.litestar.routes)
    return {
        "role": service.role,
        "loops": [(type(loop), loop.name) for loop in service.loops],
        "checks": [(check.name, check.only_warns) for check in service.checks],
        "routes": routes,
        "steps": [step.__qualname__ for step in (service.begin, service.drain, service.close)],
    }


async def test_the_roles_together_are_what_one_process_holds(tmp_path: Path, ports: Ports) -> None:
    together = all_services(place_in(tmp_path), ports).all
    apart = [service_of(role, place_in(tmp_path), ports) for role in Role]

    assert sorted(map(told_of, together), key=lambda told: told["role"]) == sorted(
        map(told_of, apart), key=lambda told: told["role"]
    )


async def test_no_two_roles_run_the_same_loop(tmp_path: Path, ports: Ports) -> None:
    names = [loop.name for role in Role for loop in service_of(role, place_in(tmp_path), ports).loops]

    assert len(names) == len(set(names))
    assert {"relay", "metrics engine", "live events"} <= set(names)


async def test_the_loops_that_explanations_ask_about_are_those_that_work_for_all(tmp_path: Path, ports: Ports) -> None:
    services = [service_of(role, place_in(tmp_path), ports) for role in WORK_FOR_ALL]
    names = {part_of(loop) for service in services for loop in service.loops}

    assert names - {"pruning_watch"} == set(SHARED_LOOPS)


async def test_a_processor_tells_of_its_own_loops_that_do_not_work(tmp_path: Path, ports: Ports) -> None:
    place = place_in(tmp_path)
    worker = processor_service(place, ports).worker
    before = worker.info.down
    state = place.supervisor.states[worker.claims.name] = LoopState(worker.claims.name)
    state.failures = FAILURES_MAX

    assert before == ()
    assert worker.info.down == (Down(name="processor_claims", reason="loop_fails"),)


async def test_in_one_process_the_read_model_speaks_for_every_loop(tmp_path: Path, ports: Ports) -> None:
    services = all_services(place_in(tmp_path), ports)
    app: Any = services.read_model.app

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as client:
        answer = await client.get("http://127.0.0.1:8080/readyz")

    loops = {loop.name.replace(" ", "_") for service in services.all for loop in service.loops}
    assert {check["name"] for check in answer.json()["checks"]} == {
        "job_store",
        "event_log",
        "view_store",
        "pruning",
        *loops,
    }
