"""The embedded observatory: every service in one process over one SQLite file, from start to stop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

from observatory.client.data_folder import Running
from observatory.core.errors import DataFolderInUse
from observatory.engine.sqlite_file import SqliteFile
from observatory.gateway.submit import CallContext
from observatory.runtime.data_folder import DataFolder, answering
from observatory.runtime.discovery import Say, publish, say_where_it_runs
from observatory.runtime.forks import close_in_forks
from observatory.runtime.http_server import HttpServer, bind, url_of
from observatory.runtime.ports.sqlite import open_file, sqlite_ports
from observatory.runtime.services.life import run_loops
from observatory.runtime.services.place import Place, Urls
from observatory.runtime.settings import Settings
from observatory.runtime.sources import SystemClock, system_sources
from observatory.runtime.step import Step
from observatory.runtime.supervisor import Supervisor
from observatory.runtime.wiring import Services, all_services


async def run_embedded(settings: Settings, *, say: Say, stop: asyncio.Event) -> None:
    """
    Run until *stop* is set, then end within a few seconds without costing an attempt.

    When another process owns the data folder already, its addresses are said and the call returns.

    Raises:
        DataFolderInUse: That process runs over another database, or does not say where it is.
        CannotStart: A port is taken, the data folder cannot be used, the data is newer than the release.
    """
    clock = SystemClock()
    began_s = clock.monotonic()
    folder = DataFolder(settings.data_dir)
    try:
        folder.open()
    except DataFolderInUse:
        if not await say_where_it_runs(settings, say):
            raise
        return
    folder.remove_running()  # of a process that was killed: its addresses are nobody's until ours are published
    try:
        async with contextlib.AsyncExitStack() as stack:
            with answering(folder.database):
                services, running = await stack.enter_async_context(_running(settings, folder, say))
                say(Step("", f"ready in {clock.monotonic() - began_s:.1f} s", kind="note"))
                await _submit_first_job(services, running, say)
            await stop.wait()
    finally:
        folder.close()


@contextlib.asynccontextmanager
async def _running(settings: Settings, folder: DataFolder, say: Say) -> AsyncGenerator[tuple[Services, Running]]:
    """Start in the order in which things depend on each other, stop in the reverse one."""
    sources = system_sources()
    async with contextlib.AsyncExitStack() as stack:
        file = await _open_data(folder, say, stack)
        gateway = _listener(settings.host, settings.gateway_port, "gateway", "ODD_GATEWAY_PORT", stack)
        read_model = _listener(settings.host, settings.read_model_port, "read model", "ODD_READ_MODEL_PORT", stack)
        web = _listener(settings.host, settings.web_port, "dashboard", "ODD_WEB_PORT", stack)
        urls = Urls(gateway=url_of(gateway), read_model=url_of(read_model), web=url_of(web))
        supervisor = Supervisor(clock=sources.clock, randomness=sources.randomness)
        token = folder.token()
        for warning in folder.warnings:
            say(Step("data", warning, kind="warn"))
        place = Place(settings=settings, sources=sources, supervisor=supervisor, urls=urls, token=token)
        services = all_services(place, sqlite_ports(file, sources))
        worker = services.processor.worker
        await worker.store.end_leases_of_others([])
        for service in services.all:
            await service.begin()
        ends = run_loops(services.all, supervisor, stack)
        say(Step("processor", f"{settings.slots} slots", f"{len(worker.handlers)} job types"))
        for name, app, listener, url in (
            ("gateway", services.gateway.app, gateway, urls.gateway),
            ("read model", services.read_model.app, read_model, urls.read_model),
            ("dashboard", services.web.app, web, urls.web),
        ):
            server = HttpServer(app, listener)
            await server.start()
            ends.append(server.stop)
            say(Step(name, url))
        running = publish(folder, settings, sources, urls, stack)
        yield services, running


def _listener(host: str, port: int, purpose: str, setting: str, stack: contextlib.AsyncExitStack) -> socket.socket:
    listener = bind(host, port, purpose=purpose, setting=setting)
    stack.callback(listener.close)
    close_in_forks(listener)
    return listener


async def _open_data(folder: DataFolder, say: Say, stack: contextlib.AsyncExitStack) -> SqliteFile:
    file, copy = open_file(folder.database)
    stack.push_async_callback(file.close)
    if copy is not None:
        say(Step("data", f"migrated; the data as it was is kept in {copy.name}", kind="warn"))
    say(Step("data", str(folder.path), f"SQLite, {folder.database.name}"))
    return file


async def _submit_first_job(services: Services, running: Running, say: Say) -> None:
    """Something to see at once: the checksum of the README."""
    request = {"type": "checksum", "payload": {"path": str(_readme())}, "metadata": {"first": True}}
    context = CallContext(correlation_id=running.instance_id, idempotency_key=f"first:{running.instance_id}")
    submitted = await services.gateway.gateway.submit(request, context)
    say(Step("", f"first job {submitted.job.id}  (checksum of {_readme().name})", kind="note"))
    say(Step("", f"see it:   curl -s {running.read_model}/jobs/{submitted.job.id}", kind="note"))


def _readme() -> Path:
    """The README of the checkout; an installed package checks its own first file instead."""
    package = Path(__file__).resolve().parents[1]
    readme = package.parents[1] / "README.md"
    return readme if readme.is_file() else package / "__init__.py"
