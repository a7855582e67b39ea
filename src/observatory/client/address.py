"""Where the services are, and with which token they are spoken to."""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import msgspec

from observatory.client.data_folder import (
    GATEWAY_VARIABLE,
    TOKEN_VARIABLE,
    Running,
    checked_token,
    data_dir_of,
    read_running,
    read_token,
)
from observatory.client.errors import NotReachable
from observatory.core.errors import Refused

_HOST = re.compile(r"[\w.:%-]+")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Both services and the token."""

    gateway: str | None
    """URL without a slash at its end; None when only the read model was named."""
    read_model: str | None
    """As above; None when the gateway has to be asked for it."""
    token: str | None = None
    """None when there is none to send; then reads work and writes are refused."""
    known_from: str = ""
    """What named the addresses, for the message that nothing listens there."""

    def __repr__(self) -> str:
        token = "***" if self.token else None
        return f"Address(gateway={self.gateway!r}, read_model={self.read_model!r}, token={token!r})"


def find_address(
    *,
    gateway: str | None = None,
    read_model: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Address:
    """
    The address to use: as named, else `ODD_GATEWAY_URL`, else of the process that owns the data folder.

    The token is `ODD_TOKEN`, else that of the data folder. The folder's token is sent only to this
    machine or to where the folder's own process listens, so that a mistyped URL does not give it away.

    Args:
        gateway: Its URL; None means the one of the environment, unless a folder or a read model is named, else the
            one in the data folder.
        read_model: As *gateway*. When only the gateway is named, the gateway tells where it is.
        data_dir: None means `ODD_DATA_DIR`, else the default.
        environ: None means that of the process.

    Raises:
        Refused: An address is not a URL (`bad_address`).
        NotReachable: Nothing is named, and nothing runs in the data folder; or a file there that is needed is damaged.
    """
    environ = os.environ if environ is None else environ
    folder = data_dir_of(data_dir, environ)
    if gateway is None and read_model is None and data_dir is None:
        gateway = environ.get(GATEWAY_VARIABLE)
    gateway = checked_url(gateway) if gateway else None
    read_model = checked_url(read_model) if read_model else None
    if gateway is None and read_model is None:
        return _of_running(read_running(folder), folder, environ)
    running = _running_if_readable(folder)
    if running is not None and gateway == running.gateway:
        read_model = read_model or running.read_model
    return Address(
        gateway=gateway,
        read_model=read_model,
        token=_token_for([url for url in (gateway, read_model) if url], running, folder, environ),
    )


def _running_if_readable(folder: Path) -> Running | None:
    """As `read_running`, where an address is named: without the file only the folder's token stays on this machine."""
    try:
        return read_running(folder)
    except NotReachable:
        return None


def _of_running(running: Running | None, folder: Path, environ: Mapping[str, str]) -> Address:
    if running is None:
        raise NotReachable(
            "no observatory is running here",
            why=f"{folder} does not name one: it was never started with this data folder, or it was stopped",
            remedy="start it:  odd-dashboard up        or name another:  --gateway URL  or  --data-dir PATH",
        )
    return Address(
        gateway=running.gateway,
        read_model=running.read_model,
        token=_token_for([running.gateway, running.read_model], running, folder, environ),
        known_from=f"process {running.pid} of {folder}, started {running.started_at:%Y-%m-%d %H:%M:%SZ}",
    )


def _token_for(urls: list[str], running: Running | None, folder: Path, environ: Mapping[str, str]) -> str | None:
    if text := environ.get(TOKEN_VARIABLE):
        return checked_token(text, source=TOKEN_VARIABLE)
    ours = {running.gateway, running.read_model} if running else set[str]()
    if all(url in ours or is_loopback_url(url) for url in urls):
        return read_token(folder)
    return None


def checked_url(text: str) -> str:
    """
    *text* as scheme, host and port, without a slash at its end.

    Raises:
        Refused: It is something else (`bad_address`).
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or not _HOST.fullmatch(parts.hostname)
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise Refused(f"{text!r} is not an address; write it like http://127.0.0.1:3000", code="bad_address")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def is_loopback_url(url: str) -> bool:
    """True when the URL's host is this machine by its own word, without asking a name server."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
