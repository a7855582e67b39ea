"""URLs of engines as settings: checked without being shown, because they may hold a password."""

import re
from typing import Any
from urllib.parse import urlsplit

from observatory.core import limits
from observatory.edge.hosts import PORT_MAX
from observatory.runtime.settings_url_queries import ESCAPE, check_query, shown_query
from observatory.runtime.settings_values import integer, shown

POSTGRES_URL_CHARS_MAX = 2_000
_SCHEMES = ("postgresql", "postgres")
_WANTED = "a URL such as postgresql://user:password@host:5432/database"
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.%-]*)(?::(?P<port>[0-9]{1,5}))?")

_PARTS = re.compile(r"([a-z0-9+]+://[^?#\s]*)(?:\?([^#\s]*))?(#\S*)?")
"""What stands before a query, the query, and what stands after it."""


def postgres_url(raw: Any) -> str:
    """The URL as it was given. What is wrong with it is said without a part of it."""
    text = raw.strip() if isinstance(raw, str) else ""
    scheme, colon, _ = text.partition("://")
    if not colon or scheme not in _SCHEMES:
        raise ValueError(f"must be {_WANTED}")
    if len(text) > POSTGRES_URL_CHARS_MAX or not text.isprintable() or " " in text:
        raise ValueError(f"must be {_WANTED}, in at most {POSTGRES_URL_CHARS_MAX} characters, without blanks")
    try:
        parts = urlsplit(text)
        _, at, rest = parts.netloc.partition("@")
        hosts = (rest if at else parts.netloc).split(",")
        are_hosts = all(_is_host(host) for host in hosts)
    except ValueError:
        are_hosts = False
    if not are_hosts:
        raise ValueError(f"does not name a host and port that can be understood: it must be {_WANTED}; {ESCAPE}")
    if "#" in text:
        raise ValueError(f"has a # that belongs to nothing; {ESCAPE}")
    check_query(text.partition("?")[2])
    return text


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and (match["port"] is None or 1 <= int(match["port"]) <= PORT_MAX)


def statement_cache(raw: Any) -> int:
    most = limits.POSTGRES_STATEMENT_CACHE_MAX
    return integer(raw, 0, most, f"a number from 0 to {most}; 0 behind a pooler that works by transaction")


def connections(raw: Any) -> int:
    return integer(raw, 1, limits.POSTGRES_CONNECTIONS_MAX, f"a number from 1 to {limits.POSTGRES_CONNECTIONS_MAX}")


def no_driver(raw: Any) -> None:
    """An engine that is named and that this release cannot use. Refused, so that nobody believes it was used."""
    raise ValueError("names an engine that this release has no driver for yet; unset it")


def not_asked(raw: Any) -> None:
    """As `no_driver`, for what is no engine of data."""
    raise ValueError("names a service that this release asks nothing yet; unset it")


def shown_url(raw: Any) -> str:
    """*raw* for people, without its password. Of what is no URL nothing is shown: who knows where its password is."""
    if raw is None:
        return ""
    parts = _PARTS.fullmatch(str(raw).strip())
    if parts is None:
        return "***"
    address, query, fragment = parts.groups(default="")
    # Of a password that holds a ? or # the first half stands before it.
    if "@" in query + fragment:
        return re.sub("://.*", "://***", address)
    return shown(address) + (f"?{shown_query(query)}" if query else "") + ("#***" if fragment else "")
