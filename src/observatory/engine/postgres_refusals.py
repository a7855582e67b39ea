"""What an error of PostgreSQL, or of the way to it, means to who runs it."""

import errno
import re

import asyncpg

_GUIDE = "in docs/operations.md"
_REFUSALS: tuple[tuple[type[Exception], str, str], ...] = (
    (asyncpg.InvalidAuthorizationSpecificationError, "", "the server refused the role or its password"),
    (asyncpg.InvalidCatalogNameError, "", "the server has no such database; make it, or correct the URL"),
    (asyncpg.InsufficientPrivilegeError, "", f"the role lacks a right; see Rights {_GUIDE}"),
    (asyncpg.TooManyConnectionsError, "", f"the server takes no more connections; see Sizing {_GUIDE}"),
    (asyncpg.ReadOnlySQLTransactionError, "", "this server is read-only (a standby)"),
    (asyncpg.ProtocolViolationError, "startup parameter", "behind PgBouncer set ODD_POSTGRES_STATEMENT_CACHE=0"),
    (ConnectionRefusedError, "", "nothing listens at the address of the database"),
    (TimeoutError, "", "no answer came in time"),
)
"""Class of the error, what its text holds, and what it means."""
_REFUSED = f"[Errno {errno.ECONNREFUSED}]"
_PLACE = re.compile(r"Connect call failed \('([^']+)', (\d+)")


def said(error: BaseException) -> str:
    """One line: what it means if that is known, the text, and the class. A text's further lines are for programmers."""
    text = str(error).strip().partition("\n")[0]
    words = [word for word in (_meaning(error, text), text) if word]
    return f"{': '.join(words)} [{type(error).__name__}]".lstrip()


def _meaning(error: BaseException, text: str) -> str:
    places = _PLACE.findall(text)
    if places and text.count(_REFUSED) == len(places):
        return "nothing listens at " + " or ".join(f"{host}:{port}" for host, port in places)
    for kind, part, meaning in _REFUSALS:
        if isinstance(error, kind) and part in text:
            return meaning
    return ""
