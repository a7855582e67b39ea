"""
When a cron expression fires in a time zone. `docs/schedules.md` says it for people.

cronsim reads the expression and finds the local times that match it. What a local time is as an instant is
decided here, because zones skip and repeat local times:

* An expression whose minute or hour field begins with `*` means "every so often". It fires at each instant whose
  local time matches: not at all for local times that are skipped, twice for those that are repeated.
* Every other expression means "at this time". A local time that is skipped fires at the first instant after the
  gap, one that is repeated fires the first time only. Several that fall together are one tick.
"""

import heapq
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from cronsim import CronSim, CronSimError

from observatory.core import limits
from observatory.core.errors import InvalidSchedule

_FIELDS: Final = 5
_CHARACTERS: Final = re.compile(r"[0-9A-Za-z*,/#-]+( [0-9A-Za-z*,/#-]+)*")
_MINUTE: Final = timedelta(minutes=1)


class CronTiming:
    """
    The instants at which *expression* fires in *zone*: a function of these two alone.

    Args:
        expression: Five fields, as `normal_cron` gives them.

    Raises:
        InvalidSchedule: Not an expression, or one that no day of any year matches (`never_fires`).
    """

    def __init__(self, expression: str, zone: tzinfo) -> None:
        self._expression = expression
        self._zone = zone
        minute, hour, *_ = expression.split(" ")
        self._is_every_so_often = minute.startswith("*") or hour.startswith("*")
        self._local_times(datetime(2000, 1, 1))  # noqa: DTZ001 — a local time

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Every instant after *instant* at which it fires, in order, in UTC; ends after `limits.CRON_YEARS_MAX`."""
        waiting: list[datetime] = []
        last = instant
        for local in self._local_times(self._begin(instant)):
            instants = self._instants(local)
            # Later local times have no earlier instants than the first of this one, so what is before it is complete.
            while waiting and instants and waiting[0] < instants[0]:
                last = heapq.heappop(waiting)
                yield last
            for one in instants:
                if one <= last or one in waiting:
                    continue
                if len(instants) == 1 and not waiting:
                    last = one
                    yield one
                else:
                    heapq.heappush(waiting, one)
        while waiting:
            yield heapq.heappop(waiting)

    def _begin(self, instant: datetime) -> datetime:
        """A local time before which no local time has an instant after *instant*."""
        there = instant.astimezone(self._zone)
        again = there.replace(fold=1)
        # Before or while local times are repeated, earlier ones come once more.
        repeated = (there.replace(fold=0).utcoffset() or timedelta()) - (again.utcoffset() or timedelta())
        return there.replace(tzinfo=None, fold=0) - max(repeated, timedelta()) - _MINUTE

    def _local_times(self, begin: datetime) -> Iterator[datetime]:
        """Local times after *begin* that match, in order."""
        try:
            return CronSim(self._expression, begin)
        except (CronSimError, AssertionError, ValueError) as error:
            raise _refusal(self._expression, str(error)) from None

    def _instants(self, local: datetime) -> list[datetime]:
        """The instants at which *local* fires: none, one or two, in order."""
        first = local.replace(tzinfo=self._zone, fold=0)
        second = first.replace(fold=1)
        before, after = first.utcoffset(), second.utcoffset()
        assert before is not None
        assert after is not None
        if before == after:
            return [first.astimezone(UTC)]
        if before > after:
            return [one.astimezone(UTC) for one in ((first, second) if self._is_every_so_often else (first,))]
        return [] if self._is_every_so_often else [self._end_of_gap(local)]

    def _end_of_gap(self, local: datetime) -> datetime:
        """The first instant whose local time is after the skipped time *local*."""
        while _is_skipped(local := local + _MINUTE, self._zone):
            pass
        return local.replace(tzinfo=self._zone).astimezone(UTC)


def _is_skipped(local: datetime, zone: tzinfo) -> bool:
    before, after = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return before is not None and after is not None and before < after


def normal_cron(text: str) -> str:
    """
    *text* in the one form that we store: five fields in capitals, single spaces between them.

    Raises:
        InvalidSchedule: Not five fields of a cron expression, or one that never fires (`never_fires`).
    """
    if len(text) > limits.CRON_CHARS_MAX:
        raise _refusal("", f"an expression has at most {limits.CRON_CHARS_MAX} characters, this one has {len(text)}")
    if text.strip().startswith("@"):
        raise _refusal("", f"names such as @daily are not known; write five fields, for example {_EXAMPLE}")
    expression = re.sub("[ \t]+", " ", text).strip(" ").upper()
    if _CHARACTERS.fullmatch(expression) is None:
        raise _refusal("", f"write five fields of digits, names, * , - / and #, for example {_EXAMPLE}")
    count = expression.count(" ") + 1
    if count != _FIELDS:
        hint = "; for seconds use an interval such as every 10s" if count > _FIELDS else ""
        raise _refusal("", f"an expression has five fields, this one has {count}{hint}")
    _check_steps(expression)
    if next(CronTiming(expression, UTC).after(_SOME_DAY), None) is None:
        raise _never(expression)
    return expression


_EXAMPLE: Final = '"0 3 * * *" (daily at 03:00)'
_NAMES: Final = ("minute", "hour", "day-of-month", "month", "day-of-week")
_SPANS: Final = (60, 24, 31, 12, 7)
"""How many values each field has."""
_SOME_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)


def _check_steps(expression: str) -> None:
    """A longer step than its field starts anew all the same: `*/90` minutes would quietly be every hour."""
    for name, field, span in zip(_NAMES, expression.split(" "), _SPANS, strict=True):
        if any(int(step) > span for step in re.findall("/([0-9]+)", field)):
            detail = f"a step of the {name} field is at most {span}; for longer ones use an interval such as every 90m"
            raise InvalidSchedule(detail, code="bad_cron", pointer="/cron")


def _refusal(expression: str, reason: str) -> InvalidSchedule:
    if "day-of-month" in reason and _is_only_about_months(expression):
        return _never(expression)
    name = reason.removeprefix("Bad ")
    detail = f"the {name} field is wrong: {expression.split(' ')[_NAMES.index(name)]}" if name in _NAMES else reason
    return InvalidSchedule(detail, code="bad_cron", pointer="/cron")


def _is_only_about_months(expression: str) -> bool:
    """True when the day of month is fine by itself, and only no month has it."""
    fields = expression.split(" ")
    fields[_NAMES.index("month")] = "*"
    try:
        CronSim(" ".join(fields), datetime(2000, 1, 1))  # noqa: DTZ001 — a local time
    except (CronSimError, AssertionError, ValueError):
        return False
    return True


def _never(expression: str) -> InvalidSchedule:
    return InvalidSchedule(f"{expression} never fires: no such day exists", code="never_fires", pointer="/cron")
