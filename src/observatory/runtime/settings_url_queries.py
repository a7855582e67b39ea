"""Queries of PostgreSQL's URLs: the parameters that the library takes, checked and shown without a password."""

import os
import re
from urllib.parse import parse_qsl, unquote_plus

from observatory.edge.hosts import PORT_MAX

ESCAPE = "in a password, @ / # ? and % are written %40 %2F %23 %3F %25"

_TLS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS,
    "ssl_max_protocol_version": _TLS,
    "target_session_attrs": ("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
    "gsslib": ("gssapi", "sspi"),
}
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_SECRET = ("password", "sslpassword")
_FREE = ("host", "port", "dbname", "database", "user", "passfile", "service", "krbsrvname")
_OF_THE_SERVER = ("application_name", "options")
_TAKEN = (*_CHOICES, *_FILES, *_SECRET, *_FREE, *_OF_THE_SERVER)
_OF_LIBPQ = (
    *("connect_timeout", "client_encoding", "channel_binding", "fallback_application_name", "gssdelegation"),
    *("gssencmode", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval"),
    *("load_balance_hosts", "replication", "require_auth", "requirepeer", "requiressl", "sslcertmode"),
    *("sslcompression", "sslcrldir", "sslsni", "tcp_user_timeout"),
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,62}")
_HOSTS = re.compile(r"(?:/[^,]*|[A-Za-z0-9_.:%\[\]-]+)(?:,(?:/[^,]*|[A-Za-z0-9_.:%\[\]-]+))*")


def check_query(query: str) -> None:
    """
    Return when the library can work with *query*, that of a URL of PostgreSQL; empty for none. Looks at named files.

    Raises:
        ValueError: With what is wrong. Of what may be the rest of a password nothing is said.
    """
    if not query:
        return
    if "@" in query:  # whoever means one writes %40
        raise ValueError(f"has a ? before an @; {ESCAPE}")
    try:
        parameters = parse_qsl(query, strict_parsing=True, keep_blank_values=True)
    except ValueError:
        raise ValueError(f"has a ? that no parameters follow, as name=value&name=value; {ESCAPE}") from None
    for name, value in parameters:
        _check_name(name)
        if value:  # the library leaves out the others
            _check_value(name, value)


def _check_name(name: str) -> None:
    if name in _OF_LIBPQ:
        raise ValueError(
            f"has the parameter {name}, which libpq takes and this program's driver does not; leave it out"
        )
    if name not in _TAKEN:
        which = f"the parameter {name}, which" if _NAME.fullmatch(name) else "a parameter that"
        raise ValueError(
            f"has {which} is none of a connection; a setting of the server is given as options=-c%20name%3Dvalue"
        )


def _check_value(name: str, value: str) -> None:
    choices = _CHOICES.get(name)
    if choices and value.replace("_", "-" if name == "sslmode" else "_") not in choices:
        raise ValueError(f"has a parameter {name} that is none of {', '.join(choices)}")
    if name == "port" and not all(_is_port(port) for port in value.split(",")):
        raise ValueError(f"has a parameter port that is no number from 1 to {PORT_MAX}")
    if name == "host" and not _HOSTS.fullmatch(value):
        raise ValueError("has a parameter host that names no host")
    if name in _FILES and not os.access(value, os.R_OK):
        raise ValueError(f"has {name}={value}, and there is no such file that may be read")


def _is_port(text: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", text) is not None and 1 <= int(text) <= PORT_MAX


def shown_query(query: str) -> str:
    """*query* for people: only of what cannot be a password the values, and only of what is known the names."""
    if not query or "@" in query:
        return query and "***"
    return "&".join(_shown_part(part) for part in query.split("&"))


def _shown_part(part: str) -> str:
    raw_name, equals, value = part.partition("=")
    name = unquote_plus(raw_name)
    if not equals or name not in (*_TAKEN, *_OF_LIBPQ):
        return "***"
    return f"{name}=***" if name in _SECRET else f"{name}={value}"
