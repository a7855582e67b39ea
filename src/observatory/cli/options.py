"""Options that several commands share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

CONNECTION = Group("Connection", sort_key=90)
GENERAL = Group("General", sort_key=95)


@Parameter(name="*")
@dataclass(frozen=True)
class Printing:
    """How the answer is written."""

    json: Annotated[bool, Parameter(negative="", group=GENERAL)] = False
    """Print the data as JSON, one object per line."""


@Parameter(name="*")
@dataclass(frozen=True)
class Folder(Printing):
    """Which data folder is meant."""

    data_dir: Annotated[Path | None, Parameter(group=CONNECTION)] = None
    """Data folder. Default: `ODD_DATA_DIR`, else the user's data folder."""


@Parameter(name="*")
@dataclass(frozen=True)
class Target(Folder):
    """Which services are spoken to."""

    gateway: Annotated[str | None, Parameter(name=("--gateway", "--url"), group=CONNECTION)] = None
    """Address of the gateway. Default: `ODD_GATEWAY_URL`, else that of the process that runs in the data folder."""
    read_model: Annotated[str | None, Parameter(group=CONNECTION)] = None
    """Address of the read model. Default: what the gateway or the data folder says."""


PRINTING = Printing()
FOLDER = Folder()
TARGET = Target()
