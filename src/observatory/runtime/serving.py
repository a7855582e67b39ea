"""One role in a process of its own, over a database that others share, from start to stop."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import structlog
from prometheus_client import CollectorRegistry

from observatory.core import limits
from observatory.core.errors import BadSettings, Unavailable
from observatory.core.retry import RetryPolicy
from observatory.edge.health import Check
from observatory.edge.http.health import Gate, NotBegun, create_health_app
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.forks import close_in_forks
from observatory.runtime.http_server import HttpServer, bind, url_of
from observatory.runtime.ports import Ports
from observatory.runtime.ports.opening import open_shared, schema_of
from observatory.runtime.roles import Role
from observatory.runtime.services.life import run_loops
from observatory.runtime.services.place import Place, Urls
from observatory.runtime.services.presence import present
from observatory.runtime.services.service import Service
from observatory.runtime.services.web import web_service
from observatory.runtime.settings import Settings
from observatory.runtime.sources import Sources, system_sources
from observatory.runtime.step import Step
from observatory.runtime.supervisor import Supervisor
from observatory.runtime.wiring import service_of

_log = structlog.get_logger("observatory.serving")

Say: TypeAlias = Callable[[Step], None]

PAUSES = RetryPolicy(base_s=limits.BEGIN_PAUSE_S, cap_s=limits.BEGIN_PAUSE_S_MAX, factor=2.0, jitter=0.2)


async def run_role(role: Role, settings: Settings, *, say: Say, stop: asyncio.Event) -> None:
    """
    Play *role* until *stop* is set, then end within a few seconds without costing an attempt.

    While the database is away the process lives and says so: `/readyz` names `job_store`, everything else that it
    serves is answered with 503, and it begins by itself when the database comes.

    Raises:
        BadSettings: There is no database that processes could share, or a setting does not go with the role.
        CannotStart: The port is taken, the data folder cannot be used, or the schema is not one of this release.
    """
    check_role(role, settings)
    structlog.contextvars.bind_contextvars(service=role.value)
    sources = system_sources()
    began_s = sources.clock.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        ports = _ports(role, settings, sources, stack)
        listener = _listener(role, settings, stack)
        place = Place(
            settings=settings,
            sources=sources,
            supervisor=Supervisor(clock=sources.clock, randomness=sources.randomness),
            urls=_urls(role, settings, url_of(listener)),
            token=_token(settings, say),
        )
        service = web_service(place) if ports is None else present(service_of(role, place, ports), place, ports)
        gate = _gate(service, place, ports)
        server = HttpServer(gate, listener)
        await server.start()
        stack.push_async_callback(server.stop)
        say(Step(role.value, url_of(listener), _detail(role, settings)))
        if not await _begun(service, place, stop):
            return
        run_loops([service], place.supervisor, stack).append(server.stop)
        gate.open()
        say(Step("", f"ready in {sources.clock.monotonic() - began_s:.1f} s", kind="note"))
        await stop.wait()


def check_role(role: Role, settings: Settings) -> None:
    """
    Raises:
        BadSettings: As `run_role`.
    """
    if settings.postgres_url is None:
        raise BadSettings(
            "a role of its own needs a database that processes share, and POSTGRES_URL is not set: embedded data has "
            "one owner process",
            "set POSTGRES_URL, or run everything in one process:  odd-dashboard up",
        )
    if role is Role.WEB and not (settings.gateway_port and settings.read_model_port):
        raise BadSettings(
            "the page has to know where the others listen, and a port is 0, which takes a free one",
            "name the ports with ODD_GATEWAY_PORT and ODD_READ_MODEL_PORT",
        )


def _ports(role: Role, settings: Settings, sources: Sources, stack: contextlib.AsyncExitStack) -> Ports | None:
    """None for the page, which needs no database and shall cost it no connection."""
    if role is Role.WEB:
        return None
    ports = open_shared(settings, sources, role=role)
    stack.push_async_callback(ports.close)
    return ports


def _listener(role: Role, settings: Settings, stack: contextlib.AsyncExitStack) -> socket.socket:
    port, purpose, setting = {
        Role.GATEWAY: (settings.gateway_port, "gateway", "ODD_GATEWAY_PORT"),
        Role.READ_MODEL: (settings.read_model_port, "read model", "ODD_READ_MODEL_PORT"),
        Role.WEB: (settings.web_port, "dashboard", "ODD_WEB_PORT"),
    }.get(role, (settings.health_port, f"health of the {role.value}", "ODD_HEALTH_PORT"))
    listener = bind(settings.host, port, purpose=purpose, setting=setting)
    stack.callback(listener.close)
    close_in_forks(listener)
    return listener


def _urls(role: Role, settings: Settings, own: str) -> Urls:
    """The others are taken to listen on this host, at the ports that are set."""
    host = own.removeprefix("http://").rpartition(":")[0]
    return Urls(
        gateway=own if role is Role.GATEWAY else f"http://{host}:{settings.gateway_port}",
        read_model=own if role is Role.READ_MODEL else f"http://{host}:{settings.read_model_port}",
        web=own if role is Role.WEB else f"http://{host}:{settings.web_port}",
    )


def _token(settings: Settings, say: Say) -> str:
    """That of the data folder, which the roles of a host share and none of them owns."""
    folder = DataFolder(settings.data_dir)
    folder.make()
    token = folder.token()
    for warning in folder.warnings:
        say(Step("data", warning, kind="warn"))
    return token


def _detail(role: Role, settings: Settings) -> str:
    return f"{settings.slots} slots" if role is Role.PROCESSOR else ""


def _gate(service: Service, place: Place, ports: Ports | None) -> Gate:
    edge, clock, ids = place.edge(service.role), place.sources.clock, place.sources.ids
    app = service.app or create_health_app(
        edge=edge,
        registry=CollectorRegistry(),
        checks=[*service.checks, *place.loop_checks(service.loops)],
        clock=clock,
        ids=ids,
    )

    async def not_yet() -> None:
        if ports is not None:
            await ports.check()
        raise NotBegun("it has not begun yet")

    return Gate(app, edge=edge, checks=[Check("job_store", not_yet)], clock=clock, ids=ids)


async def _begun(service: Service, place: Place, stop: asyncio.Event) -> bool:
    """
    Try until the service has begun over a schema that it can work with; False when *stop* came first.

    Raises:
        CannotStart: The schema is not one of this release.
    """
    tries = 0
    while not stop.is_set():
        tries += 1
        try:
            await _unless(stop, _begin(service, place))
        except (Unavailable, TimeoutError) as error:
            pause_s = PAUSES.delay_s(tries, place.sources.randomness.random())
            _log.warning("the database is away, trying again", error=str(error), tries=tries, pause_s=round(pause_s, 2))
            await _unless(stop, asyncio.sleep(pause_s))
        else:
            return not stop.is_set()
    return False


async def _begin(service: Service, place: Place) -> None:
    async with asyncio.timeout(limits.BEGIN_TRY_S_MAX):
        if service.role is not Role.WEB:
            schema = await schema_of(place.settings)
            assert schema is not None, "a database that answers has a schema, be it none"
            schema.check()
        await service.begin()


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Await *work*, no longer than until *stop* is set. Raises what *work* raises."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
