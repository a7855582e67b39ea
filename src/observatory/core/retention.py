"""How long final jobs are kept: pure rules. A job is pruned when its time is over, never before it is final."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from observatory.core import limits
from observatory.core.job import FINAL, JobStatus

NEVER = "never"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_DURATION = re.compile(r"(?P<count>[0-9]{1,9})(?P<unit>[smhdw])")
_WANTED = "a whole number of s, m, h, d or w such as 7d or 12h, or never"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that a job is kept after it became final, by its status; None means for ever."""

    completed_s: int | None = limits.KEPT_COMPLETED_S
    failed_s: int | None = limits.KEPT_FAILED_S
    cancelled_s: int | None = limits.KEPT_CANCELLED_S

    def of(self, status: JobStatus) -> int | None:
        """
        For a job of *status*.

        Args:
            status: A final one: nothing else is ever pruned.
        """
        assert status in FINAL, f"{status} is not final"
        return {
            JobStatus.COMPLETED: self.completed_s,
            JobStatus.FAILED: self.failed_s,
            JobStatus.CANCELLED: self.cancelled_s,
        }[status]


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept how long. A job of which another one is the retry expires by itself, as every other one."""

    kept: Kept = Kept()
    by_type: Mapping[str, Mapping[JobStatus, int | None]] = {}
    """What differs for the jobs of some types."""

    def kept_s(self, job_type: str, status: JobStatus) -> int | None:
        """Seconds; None for ever."""
        own = self.by_type.get(job_type, {})
        return own[status] if status in own else self.kept.of(status)

    def expires_before(self, job_type: str, status: JobStatus, now: datetime) -> datetime | None:
        """Jobs of this type and status that became final at or before this instant have expired; None for none."""
        kept_s = self.kept_s(job_type, status)
        return None if kept_s is None else now - timedelta(seconds=kept_s)

    @property
    def prunes(self) -> bool:
        """False when everything is kept for ever."""
        own = [kept_s for kept in self.by_type.values() for kept_s in kept.values()]
        return any(kept_s is not None for kept_s in [*(self.kept.of(status) for status in FINAL), *own])


def pages_to_give_back(*, free: int, pages: int, page_bytes: int) -> int:
    """How many of the *free* ones among *pages* of a file are beyond what stays there for the jobs to come."""
    return max(free - max(limits.FREE_BYTES_KEPT // page_bytes, int(pages * limits.FREE_SHARE_KEPT)), 0)


def duration_s(text: str) -> int | None:
    """
    The seconds of `90s`, `15m`, `12h`, `7d` or `4w`; None for `never`.

    Raises:
        ValueError: Something else, or outside `limits.KEPT_S_MIN` to `limits.KEPT_S_MAX`.
    """
    word = text.strip().lower()
    if word == NEVER:
        return None
    match = _DURATION.fullmatch(word)
    if match is None:
        raise ValueError(f"must be {_WANTED}; it is {text[: limits.ECHO_CHARS_MAX]!r}")
    seconds = int(match["count"]) * _UNITS[match["unit"]]
    if seconds < limits.KEPT_S_MIN:
        raise ValueError(
            f"must be at least {duration_text(limits.KEPT_S_MIN)}, so that who submitted a job can read how it ended; "
            f"it is {word!r}"
        )
    if seconds > limits.KEPT_S_MAX:
        raise ValueError(f"must be at most {duration_text(limits.KEPT_S_MAX)}, or never; it is {word!r}")
    return seconds


def duration_text(seconds: int | None) -> str:
    """As `duration_s` reads it, in the largest unit that gives a whole number."""
    if seconds is None:
        return NEVER
    unit = next(name for name in ("d", "h", "m", "s") if seconds % _UNITS[name] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def status_of_word(word: str) -> JobStatus:
    """
    The final status that settings call *word*.

    Raises:
        ValueError: Another word, or a status that is not final.
    """
    upper = word.strip().upper()
    for status in FINAL:
        if status == upper:
            return status
    known = ", ".join(sorted(status.lower() for status in FINAL))
    raise ValueError(
        f"only final jobs are pruned, so it must name {known}; {word[: limits.ECHO_CHARS_MAX]!r} is not one"
    )
