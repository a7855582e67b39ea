"""`serve` and `worker`."""

import asyncio
import os
from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter

from observatory.cli.exit_codes import ExitCode
from observatory.cli.long_running import run_until_stopped, say_for
from observatory.cli.options import FOLDER, Folder
from observatory.runtime.roles import Role
from observatory.runtime.settings import load


def serve(
    role: Annotated[Role, Parameter(name="ROLE")],
    /,
    *,
    host: str | None = None,
    gateway_port: int | None = None,
    read_model_port: int | None = None,
    web_port: int | None = None,
    health_port: int | None = None,
    slots: int | None = None,
    prefetch: int | None = None,
    app: str | None = None,
    postgres_url: str | None = None,
    log: str | None = None,
    folder: Folder = FOLDER,
) -> int:
    """
    Play one role in this process, over a database that it shares with others, and run until stopped.

    Any number of processes may play the same role. While the database is away the process waits for it and /readyz
    says so. A schema that does not go with this release is refused; `odd-dashboard migrate` brings it forward.

    Ctrl-C or SIGTERM stops it in order and ends with 0; a second one stops it at once.

    For example:

        export POSTGRES_URL=postgresql://ann@db/jobs
        odd-dashboard migrate
        odd-dashboard serve gateway
        odd-dashboard serve processor --app shop.jobs:app --slots 8 --health-port 9100

    Parameters
    ----------
    role
        gateway, processor, metrics-engine, read-model, web or maintenance.
    host
        Address to bind. Default: 127.0.0.1.
    gateway_port
        Port of the gateway. Default: 3000.
    read_model_port
        Port of the read model. Default: 8080.
    web_port
        Port of the dashboard. Default: 8081.
    health_port
        Where a processor, metrics engine or maintenance is asked for its health; 0 takes a free one. Default: 0.
    slots
        How many attempts a processor runs at the same time. Default: 4.
    prefetch
        How many jobs a processor claims beyond its free slots. Default: 0.
    app
        Application whose handlers a processor runs, as module:attribute.
    postgres_url
        Database that processes share. Others can read a flag: where it holds a password, set POSTGRES_URL instead.
    log
        Least level that is logged: debug, info, warning, error. Default: info.
    """
    flags = {
        "data_dir": folder.data_dir,
        "host": host,
        "gateway_port": gateway_port,
        "read_model_port": read_model_port,
        "web_port": web_port,
        "health_port": health_port,
        "slots": slots,
        "prefetch": prefetch,
        "app": app,
        "postgres_url": postgres_url,
        "log": log,
    }
    return _play(role, flags, is_json=folder.json)


def worker(
    *,
    app: str | None = None,
    slots: int | None = None,
    prefetch: int | None = None,
    health_port: int | None = None,
    postgres_url: str | None = None,
    log: str | None = None,
    folder: Folder = FOLDER,
) -> int:
    """
    Run the handlers of an application: `serve processor` in fewer words.

    For example:

        POSTGRES_URL=postgresql://ann@db/jobs odd-dashboard worker --app shop.jobs:app --slots 8

    Parameters
    ----------
    app
        Application whose handlers run, as module:attribute. Default: `ODD_APP`, else the built-in types alone.
    slots
        How many attempts run at the same time. Default: 4.
    prefetch
        How many jobs are claimed beyond the free slots and wait here. Default: 0.
    health_port
        Where it is asked for its health; 0 takes a free one. Default: 0.
    postgres_url
        Database that processes share. Others can read a flag: where it holds a password, set POSTGRES_URL instead.
    log
        Least level that is logged: debug, info, warning, error. Default: info.
    """
    flags = {
        "data_dir": folder.data_dir,
        "app": app,
        "slots": slots,
        "prefetch": prefetch,
        "health_port": health_port,
        "postgres_url": postgres_url,
        "log": log,
    }
    return _play(Role.PROCESSOR, flags, is_json=folder.json)


def _play(role: Role, flags: Mapping[str, Any], *, is_json: bool) -> int:
    from observatory.runtime.fleet.lifeline import hang_on
    from observatory.runtime.serving import run_role

    hang_on()
    settings = load(flags, os.environ)
    say = say_for(is_json=is_json)

    async def run(stop: asyncio.Event) -> None:
        await run_role(role, settings, say=say, stop=stop)

    run_until_stopped(run, settings, say)
    return ExitCode.DONE
