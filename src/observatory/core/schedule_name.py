"""What a schedule can be called: names stand in addresses."""

import re
from typing import Final

from observatory.core import limits
from observatory.core.errors import InvalidSchedule

_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{limits.SCHEDULE_NAME_CHARS_MAX - 1}}}")


def checked_name(name: str) -> str:
    """
    *name*, when a schedule can have it.

    Raises:
        InvalidSchedule: It cannot (`bad_schedule_name`).
    """
    if _NAME.fullmatch(name) is None:
        rule = f"1 to {limits.SCHEDULE_NAME_CHARS_MAX} letters, digits, dots, underscores or hyphens"
        detail = f"the name of a schedule has {rule} and starts with a letter or digit"
        raise InvalidSchedule(detail, code="bad_schedule_name")
    return name
