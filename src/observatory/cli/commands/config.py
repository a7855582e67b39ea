"""`config show`."""

import os
from typing import Annotated

from cyclopts import App, Parameter

from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import Failure
from observatory.cli.options import FOLDER, Folder
from observatory.cli.output import Column, of_process
from observatory.core.job import JsonObject
from observatory.runtime.settings import read

config = App(name="config", help="Look at the settings.")


@config.command
def show(*, origin: Annotated[bool, Parameter(negative="")] = False, folder: Folder = FOLDER) -> int:
    """
    Show every setting as it stands; passwords are masked.

    Settings that cannot be used are shown too, and then named on standard error; the command ends with 2.

    Parameters
    ----------
    origin
        Show where each value comes from: flag, environment, file or default.
    """
    reading = read({"data_dir": folder.data_dir}, os.environ)
    out = of_process()
    if folder.json:
        out.json({"settings": reading.values, "problems": reading.problems})
    else:
        columns = [Column("SETTING", "variable"), Column("VALUE", "shown")]
        columns += [Column("ORIGIN", "origin")] if origin else []
        rows: list[JsonObject] = [
            {"variable": value.variable, "shown": value.shown, "origin": value.origin} for value in reading.values
        ]
        out.table(rows, columns)
        if reading.problems:
            problems = "\n".join(reading.problems)
            out.fail(Failure(exit_code=ExitCode.USAGE, code="bad_settings", what=problems))
    return ExitCode.USAGE if reading.problems else ExitCode.DONE
