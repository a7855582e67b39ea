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
from observatory.cli.setting_options import (
    ADDRESSES,
    PROCESS,
    REPLICAS,
    RETENTION,
    WORK,
    Addresses,
    Process,
    Replicas,
    Retention,
    Work,
    flags_of,
)
from observatory.client.data_folder import read_running
from observatory.core import limits
from observatory.core.errors import BadSettings
from observatory.runtime.build_info import version
from observatory.runtime.settings import Settings, as_environment, load
from observatory.runtime.step import Step


def up(
    *,
    addresses: Addresses = ADDRESSES,
    work: Work = WORK,
    process: Process = PROCESS,
    replicas: Replicas = REPLICAS,
    retention: Retention = RETENTION,
    reload: Annotated[bool, Parameter(negative="")] = False,
    open: Annotated[Literal["yes", "no"], Parameter(name="--open")] = "no",
    folder: Folder = FOLDER,
) -> int:
    """
    Start the whole system and run until stopped.

    Everything runs in this process over one SQLite file. With POSTGRES_URL every role has a process of its own over
    that database; this one migrates it, begins them, and begins again what ends by itself.

    Ctrl-C or SIGTERM stops it in order and ends with 0; a second one stops it at once. When it already runs in this
    data folder over the same database, the command prints where and ends with 0.

    For example:

        odd-dashboard up
        odd-dashboard up --app shop.jobs:app --slots 8
        odd-dashboard up --app shop.jobs:app --reload
        POSTGRES_URL=postgresql://ann@db/jobs odd-dashboard up --processors 3
        odd-dashboard up --gateway-port 0 --read-model-port 0 --web-port 0 --json

    Parameters
    ----------
    reload
        For development: begin anew, on the same ports, whenever a source file of the application changes.
    open
        Open the dashboard in a web browser when it is ready.
    """
    flags = flags_of(folder, addresses, work, process, replicas, retention)
    settings = load(flags, os.environ)
    if reload:
        settings = _reloadable(settings)
    say = say_for(is_json=folder.json)
    if not folder.json:
        _say_what_begins(settings)
    if open == "yes":
        say = _opening(settings, say)
    if settings.postgres_url is not None:
        _run_supervised(settings, flags, say)
    else:
        _run_embedded(settings, say, is_reloading=reload)
    return ExitCode.DONE


def _say_what_begins(settings: Settings) -> None:
    is_embedded = settings.postgres_url is None
    kind = "embedded (one process, SQLite)" if is_embedded else "PostgreSQL (a process for each role)"
    of_process().say(f"  Distributed Task Observatory {version()} · {kind}", "bold")


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
