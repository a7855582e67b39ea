"""When an interval fires: at whole multiples of its length from an anchor, so that nothing that restarts shifts it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from observatory.core import limits
from observatory.core.errors import InvalidSchedule

ANCHOR_DEFAULT: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""So that `1h` fires at every full hour, and `1d` at midnight in UTC."""

_INTERVAL: Final = re.compile("(?P<count>[1-9][0-9]{0,7})(?P<unit>[smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class IntervalTiming:
    """
    The instants *anchor* + k × *every_s*, for every whole k.

    Args:
        every_s: From `limits.INTERVAL_S_MIN` to `limits.INTERVAL_S_MAX`.
    """

    def __init__(self, every_s: int, anchor: datetime = ANCHOR_DEFAULT) -> None:
        self.every = timedelta(seconds=every_s)
        self._anchor = anchor

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Every one of them after *instant*, in order, without end."""
        following = self.last_until(instant) + self.every
        while True:
            yield following
            following += self.every

    def last_until(self, instant: datetime) -> datetime:
        """The newest one that is not after *instant*."""
        return self._anchor + (instant - self._anchor) // self.every * self.every

    def count_between(self, after: datetime, until: datetime) -> int:
        """How many there are after *after* that are not after *until*."""
        return max((self.last_until(until) - self.last_until(after)) // self.every, 0)


def interval_s(text: str) -> int:
    """
    The seconds of an interval such as `10s`, `5m`, `2h` or `1d`.

    Raises:
        InvalidSchedule: Not an interval, or not from a second to a year.
    """
    match = _INTERVAL.fullmatch(text)
    if match is None:
        detail = "an interval is a whole number and a unit, from 1s to 366d: 10s, 5m, 2h or 1d"
        raise InvalidSchedule(detail, code="bad_interval", pointer="/every")
    seconds = int(match["count"]) * _SECONDS[match["unit"]]
    if not limits.INTERVAL_S_MIN <= seconds <= limits.INTERVAL_S_MAX:
        raise InvalidSchedule("an interval is from 1s to 366d", code="bad_interval", pointer="/every")
    return seconds
