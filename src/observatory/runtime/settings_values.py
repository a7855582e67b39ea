"""
The values that settings may have, and how they are shown.

A parser takes what a flag, an environment variable or a TOML file gives, and returns the value or
raises `ValueError` with the rest of a sentence that begins with the setting's name.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, cast

from observatory.core import limits
from observatory.edge.hosts import PORT_MAX, allowed_host

Parse: TypeAlias = Callable[[Any], Any]

LOG_LEVELS = ("debug", "info", "warning", "error")
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")
_ORIGIN = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]{1,253})(?::[0-9]{1,5})?")
_APP = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^:@\s]*):\S*@")
"""Up to the last @, because an unescaped password may hold a slash. Masks too much rather than too little."""
_SECRET_BY_NAME = re.compile(
    r"(?i)((?:^|[?&;,\s])[a-z_]*(?:password|passwd|pwd|secret|token|key)\s*=\s*)(?:'(?:[^'\\]|\\.)*'?|[^&;,\s]*)"
)
"""In the query of a URL, and in the `host=… password='…'` form that PostgreSQL's own tools take."""


def folder(raw: Any) -> Path:
    """Made absolute by the caller, who needs it before everything else."""
    return Path(raw)


def port(raw: Any) -> int:
    return _integer(raw, 0, PORT_MAX, "a port from 1 to 65535, or 0 for a free one")


def slots(raw: Any) -> int:
    return _integer(raw, 1, limits.SLOTS_MAX, f"a number from 1 to {limits.SLOTS_MAX}")


def prefetch(raw: Any) -> int:
    return _integer(raw, 0, limits.PREFETCH_MAX, f"a number from 0 to {limits.PREFETCH_MAX}")


def _integer(raw: Any, least: int, most: int, wanted: str) -> int:
    if isinstance(raw, str) and re.fullmatch(r"[0-9]{1,9}", raw.strip()):
        raw = int(raw)
    if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= most:
        raise ValueError(f"must be {wanted}; it is {shown(raw)!r}")
    return raw


def switch(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = raw.strip().lower() if isinstance(raw, str) else ""
    if word not in _TRUE | _FALSE:
        raise ValueError(f"must be true or false; it is {shown(raw)!r}")
    return word in _TRUE


def host(raw: Any) -> str:
    text = raw.strip() if isinstance(raw, str) else ""
    if not _is_ip_address(text) and (not _HOST_NAME.fullmatch(text) or re.fullmatch(r"[0-9.]+", text)):
        raise ValueError(f"must be an IP address or a host name, without scheme and port; it is {shown(raw)!r}")
    return text


def is_loopback(name: str) -> bool:
    """True when only this machine reaches *name*. A host name other than localhost may resolve to anything."""
    return ipaddress.ip_address(name).is_loopback if _is_ip_address(name) else name.lower() == "localhost"


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def app(raw: Any) -> str:
    text = raw.strip() if isinstance(raw, str) else ""
    if not _APP.fullmatch(text):
        raise ValueError(f"must be written module:attribute, for example shop.jobs:app; it is {shown(raw)!r}")
    return text


def log_level(raw: Any) -> str:
    word = raw.strip().lower() if isinstance(raw, str) else ""
    if word not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}; it is {shown(raw)!r}")
    return word


def host_list(raw: Any) -> tuple[str, ...]:
    def parse(part: str) -> str:
        return str(allowed_host(part))

    return _list(raw, parse, "a host such as jobs.example.org, *.example.org or 10.0.0.5:3000")


def origin_list(raw: Any) -> tuple[str, ...]:
    def parse(part: str) -> str:
        if not _ORIGIN.fullmatch(part):
            raise ValueError
        return part

    return _list(raw, parse, "an origin such as https://jobs.example.org, without a path")


def _list(raw: Any, parse: Callable[[str], str], wanted: str) -> tuple[str, ...]:
    """A comma list, or a TOML array of strings; doubles are dropped."""
    items = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in cast("list[Any]", items)):
        raise ValueError("must be a comma list, or in a file an array of strings")
    found: list[str] = []
    for part in (item.strip().lower() for item in cast("list[str]", items) if item.strip()):
        try:
            found.append(parse(part))
        except ValueError:
            raise ValueError(f"must name {wanted}; {part!r} is not one") from None
    return tuple(dict.fromkeys(found))


def unsupported_engine(raw: Any) -> None:
    """A URL of an engine that this release cannot use. Refused, so that nobody believes it was used."""
    raise ValueError("is not supported yet: this release runs embedded only (one process, one SQLite file); unset it")


def shown(raw: Any) -> str:
    """*raw* for people: without the password of a URL; empty when there is no value."""
    if raw is None:
        return ""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, list | tuple):
        return ",".join(shown(item) for item in cast("list[Any]", raw))
    text = _PASSWORD_IN_URL.sub(r"\1:***@", str(raw))
    return _SECRET_BY_NAME.sub(r"\1***", text)
