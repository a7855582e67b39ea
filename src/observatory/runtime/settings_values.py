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
from observatory.core.job import JobStatus
from observatory.core.retention import duration_s, status_of_word
from observatory.edge.hosts import PORT_MAX, allowed_host

Parse: TypeAlias = Callable[[Any], Any]

LOG_LEVELS = ("debug", "info", "warning", "error")
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")
_ORIGIN = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]{1,253})(?::[0-9]{1,5})?")
_APP = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_TYPE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{limits.JOB_TYPE_CHARS_MAX - 1}}}")
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
    return integer(raw, 0, PORT_MAX, "a port from 1 to 65535, or 0 for a free one")


def slots(raw: Any) -> int:
    return integer(raw, 1, limits.SLOTS_MAX, f"a number from 1 to {limits.SLOTS_MAX}")


def replicas(raw: Any) -> int:
    return integer(raw, 1, limits.REPLICAS_MAX, f"a number from 1 to {limits.REPLICAS_MAX}")


def prefetch(raw: Any) -> int:
    return integer(raw, 0, limits.PREFETCH_MAX, f"a number from 0 to {limits.PREFETCH_MAX}")


def integer(raw: Any, least: int, most: int, wanted: str) -> int:
    """A whole number from *least* to *most*, which *wanted* says in words."""
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


def kept(raw: Any) -> int | None:
    """Seconds that final jobs are kept; None for ever."""
    text = raw if isinstance(raw, str) else shown(raw)
    return duration_s(text)


def kept_by_type(raw: Any) -> dict[str, dict[JobStatus, int | None]]:
    """As `mail:completed=12h, mail:failed=never`, or a table of tables `[retention.types.mail]`."""
    entries = _entries_of_text(raw) if isinstance(raw, str) else _entries_of_table(raw)
    found: dict[str, dict[JobStatus, int | None]] = {}
    for job_type, word, duration in entries:
        if not _TYPE.fullmatch(job_type):
            raise ValueError(f"must name job types; {job_type[: limits.ECHO_CHARS_MAX]!r} is not one")
        of_type = found.setdefault(job_type, {})
        status = status_of_word(word)
        if status in of_type:
            raise ValueError(f"names {job_type}:{word} twice")
        try:
            of_type[status] = kept(duration)
        except ValueError as error:
            raise ValueError(f"has {job_type}:{word}, which {error}") from None
    if len(found) > limits.KEPT_TYPES_MAX:
        raise ValueError(f"must name at most {limits.KEPT_TYPES_MAX} types; it names {len(found)}")
    return found


def _entries_of_text(text: str) -> list[tuple[str, str, Any]]:
    entries: list[tuple[str, str, Any]] = []
    for part in (item.strip() for item in text.split(",") if item.strip()):
        place, equals, duration = part.partition("=")
        job_type, colon, word = place.partition(":")
        if not equals or not colon:
            raise ValueError(f"must be written type:status=duration; {part[: limits.ECHO_CHARS_MAX]!r} is not")
        entries.append((job_type.strip(), word.strip(), duration.strip()))
    return entries


def _entries_of_table(table: Any) -> list[tuple[str, str, Any]]:
    return [
        (job_type, word, duration)
        for job_type, kept_of_type in _table(table).items()
        for word, duration in _table(kept_of_type).items()
    ]


def _table(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        wanted = "a table for each type, such as [retention.types.mail]; quote a type that has a dot"
        raise ValueError(f"must be {wanted}")  # noqa: TRY004 — as every other wrong value
    return cast("dict[str, Any]", raw)


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


def shown(raw: Any) -> str:
    """*raw* for people: without the password of a URL; empty when there is no value."""
    if raw is None:
        return ""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, list | tuple):
        return ",".join(shown(item) for item in cast("list[Any]", raw))
    if isinstance(raw, dict):
        return _shown_table(cast("dict[str, Any]", raw))
    text = _PASSWORD_IN_URL.sub(r"\1:***@", str(raw))
    return _SECRET_BY_NAME.sub(r"\1***", text)


def _shown_table(table: dict[str, Any]) -> str:
    """As the same value is written in an environment variable."""
    parts: list[str] = []
    for name, inner in table.items():
        of_name = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {"": inner}
        parts += [f"{name}:{word}={shown(value)}" for word, value in of_name.items()]
    return ",".join(parts)
