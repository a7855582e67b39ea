"""`up`."""

import asyncio
import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from observatory.cli.exit_codes import ExitCode
from observatory.cli.long_running import Say, run_until_stopped, say_for
from observatory.cli.options import FOLDER, Folder
from observatory.cli.output import of_process
from observatory.client.data_folder import read_running
from observatory.core import limits
from observatory.core.errors import BadSettings
from observatory.runtime.build_info import version
from observatory.runtime.settings import Settings, as_environment, load
from observatory.runtime.step import Step


def up(
    *,
    host: str | None = None,
    gateway_port: int | None = None,
    read_model_port: int | None = None,
    web_port: int | None = None,
    slots: int | None = None,
    prefetch: int | None = None,
    app: str | None = None,
    postgres_url: str | None = None,
    gateways: int | None = None,
    processors: int | None = None,
    reload: Annotated[bool, Parameter(negative="")] = False,
    log: str | None = None,
    retention_completed: str | None = None,
    retention_failed: str | None = None,
    retention_cancelled: str | None = None,
    retention_types: str | None = None,
    open: Annotated[Literal["yes", "no"], Parameter(name="--open")] = "no",
    folder: Folder = FOLDER,
) -> int:
    """
    Start the whole system and run until stopped.

    Everything runs in this process over one SQLite file. With POSTGRES_URL every role has a process of its own over
    that database; this one migrates it, begins them, and begins again what ends by itself.

    Ctrl-C or SIGTERM stops it in order and ends with 0; a second one stops it at once. When it already runs in this
    data folder, the command prints where and ends with 0.

    For example:

        odd-dashboard up
        odd-dashboard up --app shop.jobs:app --slots 8
        odd-dashboard up --app shop.jobs:app --reload
        POSTGRES_URL=postgresql://ann@db/jobs odd-dashboard up --processors 3
        odd-dashboard up --gateway-port 0 --read-model-port 0 --web-port 0 --json

    Parameters
    ----------
    host
        Address to bind. Default: 127.0.0.1.
    gateway_port
        Port of the gateway; 0 takes a free one. Default: 3000.
    read_model_port
        Port of the read model; 0 takes a free one. Default: 8080.
    web_port
        Port of the dashboard; 0 takes a free one. Default: 8081.
    slots
        How many attempts run at the same time. Default: 4.
    prefetch
        How many jobs are claimed beyond the free slots and wait at this processor. Default: 0.
    app
        Application whose handlers run, as module:attribute.
    postgres_url
        Database that processes share. Others can read a flag: where it holds a password, set POSTGRES_URL instead.
    gateways
        With PostgreSQL: how many gateways run, each on the next free port. Default: 1.
    processors
        With PostgreSQL: how many processors run, each with as many slots. Default: 1.
    reload
        For development: begin anew, on the same ports, whenever a source file of the application changes.
    log
        Least level that is logged: debug, info, warning, error. Default: info.
    retention_completed
        How long COMPLETED jobs are kept: 12h, 7d, never. Default: 7d.
    retention_failed
        How long FAILED jobs are kept. Default: 30d.
    retention_cancelled
        How long CANCELLED jobs are kept. Default: 7d.
    retention_types
        What differs for some types, as type:status=duration, with commas between.
    open
        Open the dashboard in a web browser when it is ready.
    """
    flags = {
        "data_dir": folder.data_dir,
        "host": host,
        "gateway_port": gateway_port,
        "read_model_port": read_model_port,
        "web_port": web_port,
        "slots": slots,
        "prefetch": prefetch,
        "app": app,
        "postgres_url": postgres_url,
        "gateways": gateways,
        "processors": processors,
        "log": log,
        "retention_completed": retention_completed,
        "retention_failed": retention_failed,
        "retention_cancelled": retention_cancelled,
        "retention_types": retention_types,
    }
    settings = load(flags, os.environ)
    if reload:
        settings = _reloadable(settings)
    say = say_for(is_json=folder.json)
    is_shared = settings.postgres_url is not None
    if not folder.json:
        kind = "PostgreSQL (a process for each role)" if is_shared else "embedded (one process, SQLite)"
        of_process().say(f"  Distributed Task Observatory {version()} · {kind}", "bold")
    if open == "yes":
        say = _opening(settings, say)
    if is_shared:
        _run_supervised(settings, flags, say)
    else:
        _run_embedded(settings, say, is_reloading=reload)
    return ExitCode.DONE


def _reloadable(settings: Settings) -> Settings:
    from observatory.runtime.reloading import check_reload, with_last_ports

    if settings.postgres_url is not None:
        raise BadSettings("--reload works on embedded data alone, and POSTGRES_URL is set", "unset one of the two")
    check_reload(settings)
    return with_last_ports(settings)


def _run_embedded(settings: Settings, say: Say, *, is_reloading: bool) -> None:
    from observatory.runtime.embedded import run_embedded
    from observatory.runtime.reloading import begin_anew, run_reloading

    async def run(stop: asyncio.Event) -> bool:
        if is_reloading:
            return await run_reloading(settings, say=say, stop=stop)
        await run_embedded(settings, say=say, stop=stop)
        return False

    if run_until_stopped(run, settings, say, leaves=lambda is_changed: not is_changed):
        begin_anew()


def _run_supervised(settings: Settings, flags: Mapping[str, Any], say: Say) -> None:
    from observatory.runtime.supervised import run_supervised

    environ = {**os.environ, **as_environment({**flags, "data_dir": settings.data_dir})}

    async def run(stop: asyncio.Event) -> None:
        await run_supervised(settings, environ=environ, say=say, stop=stop)

    run_until_stopped(run, settings, say, stop_s_max=limits.FLEET_STOP_S_MAX)


def _opening(settings: Settings, say: Say) -> Say:
    """*say* that opens the dashboard once, as soon as the data folder says where it is."""
    is_open = False

    def say_and_open(step: Step) -> None:
        nonlocal is_open
        say(step)
        running = None if is_open else read_running(settings.data_dir)
        if running is not None and running.pid == os.getpid() and running.web:
            import webbrowser

            is_open = True
            webbrowser.open(running.web)

    return say_and_open
