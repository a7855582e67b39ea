"""`serve` and `worker`."""

import asyncio
import os
from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter

from observatory.cli.exit_codes import ExitCode
from observatory.cli.long_running import run_until_stopped, say_for
from observatory.cli.options import FOLDER, Folder
from observatory.cli.setting_options import (
    ADDRESSES,
    HEALTH,
    PROCESS,
    WORK,
    Addresses,
    Health,
    Process,
    Work,
    flags_of,
)
from observatory.runtime.roles import Role
from observatory.runtime.settings import load


def serve(
    role: Annotated[Role, Parameter(name="ROLE")],
    /,
    *,
    addresses: Addresses = ADDRESSES,
    health: Health = HEALTH,
    work: Work = WORK,
    process: Process = PROCESS,
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
    """
    return _play(role, flags_of(folder, addresses, health, work, process), is_json=folder.json)


def worker(*, work: Work = WORK, health: Health = HEALTH, process: Process = PROCESS, folder: Folder = FOLDER) -> int:
    """
    Run the handlers of an application: `serve processor` in fewer words.

    For example:

        POSTGRES_URL=postgresql://ann@db/jobs odd-dashboard worker --app shop.jobs:app --slots 8
    """
    return _play(Role.PROCESSOR, flags_of(folder, work, health, process), is_json=folder.json)


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
