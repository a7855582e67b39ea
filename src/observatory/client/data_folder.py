"""What a data folder tells the programs that want to talk to the process that owns it.

`running.json` and `token` are written by the process that runs the services and read by everybody
else. This module only reads, except for `Running`, whose encoded form is the file's contract.
"""

import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from observatory.client.errors import NotReachable
from observatory.core import limits
from observatory.core.errors import BadSettings

FOLDER_NAME = "odd-dashboard"
DATA_DIR_VARIABLE = "ODD_DATA_DIR"
GATEWAY_VARIABLE = "ODD_GATEWAY_URL"
TOKEN_VARIABLE = "ODD_TOKEN"  # noqa: S105  the name of a variable, not a token
RUNNING_FILE = "running.json"
TOKEN_FILE = "token"  # noqa: S105  the name of a file, not a token

_RUNNING_BYTES_MAX = 16 * 1024


class Running(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Who owns the data folder, and where it listens. The content of `running.json`."""

    pid: int
    instance_id: str
    version: str
    started_at: datetime
    gateway: str
    """URL without a slash at its end; as the two below."""
    read_model: str
    web: str | None = None
    """None when there is no dashboard."""
    database: str | None = None
    """Where the jobs are: `embedded`, or a URL without its password; None when an earlier release wrote the file."""


def default_data_dir(environ: Mapping[str, str], *, platform: str = sys.platform, home: Path | None = None) -> Path:
    """
    The user's own folder for this program, by the convention of the operating system.

    It is not created. A relative `XDG_DATA_HOME` is ignored, as the XDG specification demands.
    """
    home = Path.home() if home is None else home
    if platform == "win32":
        base = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        xdg = environ.get("XDG_DATA_HOME", "")
        base = Path(xdg) if xdg.startswith("/") else home / ".local" / "share"
    return base / FOLDER_NAME


def data_dir_of(named: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> Path:
    """
    The absolute data folder: *named*, else `ODD_DATA_DIR`, else the default.

    Raises:
        BadSettings: It lies in the home folder of a user who has none.
    """
    if named is None or not os.fspath(named):
        named = environ.get(DATA_DIR_VARIABLE)
    try:
        path = Path(named or default_data_dir(environ)).expanduser()
    except RuntimeError:
        wanted = f"{os.fspath(named)} cannot be found" if named else "this user has no folder for data"
        raise BadSettings(
            f"{wanted}: there is no such home folder", f"name a data folder: --data-dir or {DATA_DIR_VARIABLE}"
        ) from None
    return Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links


def read_running(data_dir: Path) -> Running | None:
    """
    The process that owns *data_dir*, as it described itself; None when none did.

    It may have ended since without removing the file.

    Raises:
        NotReachable: The file exists and cannot be understood.
    """
    path = data_dir / RUNNING_FILE
    try:
        content = _read_at_most(path, _RUNNING_BYTES_MAX)
        return None if content is None else msgspec.json.decode(content, type=Running)
    except (OSError, msgspec.DecodeError) as error:
        raise NotReachable(
            f"cannot tell where the services run: {path} cannot be read",
            why=str(error),
            remedy="start them again:  odd-dashboard up        or name the address:  --gateway URL",
        ) from None


def read_token(data_dir: Path) -> str | None:
    """
    The token that allows writes; None when the folder has none.

    Raises:
        NotReachable: The file exists and cannot be read, or holds something else.
    """
    path = data_dir / TOKEN_FILE
    try:
        content = _read_at_most(path, limits.TOKEN_CHARS_MAX)
    except OSError as error:
        raise NotReachable(
            f"the token cannot be read: {path}",
            why=error.strerror or str(error),
            remedy="use the account that started the services, or set ODD_TOKEN",
        ) from None
    return None if content is None else checked_token(content.decode("utf-8", "replace"), source=str(path))


def checked_token(text: str, *, source: str) -> str:
    """*text* without white space around it, as an HTTP header can carry it; *source* names it in the error."""
    token = text.strip()
    if (
        not token
        or len(token) > limits.TOKEN_CHARS_MAX
        or not token.isascii()
        or not token.isprintable()
        or " " in token
    ):
        raise NotReachable(
            f"{source} does not hold a token",
            why=f"a token is one word of at most {limits.TOKEN_CHARS_MAX} printable ASCII characters",
            remedy="start the services again, which writes a token:  odd-dashboard up",
        )
    return token


def _read_at_most(path: Path, bytes_max: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except FileNotFoundError:
        return None
    if len(content) > bytes_max:
        raise OSError(f"longer than {bytes_max} bytes")
    return content
