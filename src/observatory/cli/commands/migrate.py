"""`migrate`."""

import asyncio
import os
from typing import Annotated

from cyclopts import Parameter

from observatory.cli.exit_codes import ExitCode
from observatory.cli.options import FOLDER, Folder
from observatory.cli.output import of_process
from observatory.runtime.settings import Settings, load


def migrate(
    *,
    status: Annotated[bool, Parameter(negative="")] = False,
    postgres_url: str | None = None,
    folder: Folder = FOLDER,
) -> int:
    """
    Bring the data to the schema of this release: that of POSTGRES_URL, else that of the data folder.

    What was applied is printed. Several at the same time do it once, also while others work; after a kill, run it
    again. `up` does the same when it starts; `serve` and `worker` refuse to run before it is done. An embedded file is
    copied first.

    For example:

        odd-dashboard migrate --status
        POSTGRES_URL=postgresql://ann@db/jobs odd-dashboard migrate

    Parameters
    ----------
    status
        Only say which schema the data has and which this release works with; ends with 1 when it must be migrated.
    postgres_url
        Database that processes share. Others can read a flag: where it holds a password, set POSTGRES_URL instead.
    """
    settings = load({"data_dir": folder.data_dir, "postgres_url": postgres_url}, os.environ)
    return _status(settings, is_json=folder.json) if status else _migrate(settings, is_json=folder.json)


def _status(settings: Settings, *, is_json: bool) -> int:
    from observatory.runtime.ports.opening import schema_of

    schema = asyncio.run(schema_of(settings))
    out = of_process()
    is_current = schema is not None and schema.number >= schema.newest
    if is_json:
        out.json(schema)
    elif schema is None:
        out.line("there is no data yet")
    else:
        has = f"schema {schema.number}" if schema.number else "no schema yet"
        out.line(f"{schema.place}: {has}; this release works with {schema.newest}")
    return ExitCode.DONE if is_current or schema is None else ExitCode.FAILED


def _migrate(settings: Settings, *, is_json: bool) -> int:
    from observatory.runtime.logging import configure_logging
    from observatory.runtime.ports.opening import migrate as bring_forward

    configure_logging(settings.log)  # it says what it waits for
    migrated = asyncio.run(bring_forward(settings))
    out = of_process()
    if is_json:
        out.json(migrated)
        return ExitCode.DONE
    for name in migrated.applied:
        out.line(f"applied {name}")
    if not migrated.applied:
        out.line("nothing to do: the data has the schema of this release")
    if migrated.copy is not None:
        out.mark("ok", f"the data as it was is kept in {migrated.copy}")
    return ExitCode.DONE
