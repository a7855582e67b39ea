"""Time zones by name: which names are taken, and where each is found."""

import re
from typing import Final
from zoneinfo import ZoneInfo

from observatory.core import limits
from observatory.core.errors import InvalidSchedule
from observatory.core.text import truncate_utf8

UTC_NAME: Final = "UTC"

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
"""No dot, no leading slash: a name cannot lead out of the folders that hold the zones."""

_NOT_ZONES: Final = frozenset({"localtime", "posixrules", "Factory"})
_NOT_FOLDERS: Final = ("posix/", "right/")
"""What lies beside the zones: aliases of the machine, copies, and zones that count leap seconds."""


def zone_of(name: str) -> ZoneInfo:
    """
    The zone *name*, such as `Europe/Berlin`; the same one however often it is asked for.

    Raises:
        InvalidSchedule: No zone has this name on this machine (`unknown_timezone`).
    """
    is_name = len(name) <= limits.TIMEZONE_CHARS_MAX and _NAME.fullmatch(name) is not None
    if not is_name or name in _NOT_ZONES or name.startswith(_NOT_FOLDERS):
        raise _unknown(name)
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # not there; a folder or not readable; not the file of a zone
        raise _unknown(name) from None


def _unknown(name: str) -> InvalidSchedule:
    shown = truncate_utf8(name, limits.ECHO_CHARS_MAX)
    detail = f"no time zone is called {shown!r}; write one of the IANA names, such as Europe/Berlin or UTC"
    return InvalidSchedule(detail, code="unknown_timezone", pointer="/timezone")
