"""How the sentences of an explanation write times, counts and quotations."""

from datetime import UTC, datetime

from observatory.core import limits
from observatory.core.text import truncate_utf8


def duration(seconds: float) -> str:
    """As `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = whole // 60
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1_440} d {minutes % 1_440 // 60} h"


def instant(at: datetime) -> str:
    """To the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def counted(count: int, noun: str) -> str:
    """As `1 job`, `2 jobs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def kept(text: str | None) -> str | None:
    """As much of *text* as an explanation repeats."""
    return None if text is None else truncate_utf8(text, limits.EXPLAIN_TEXT_BYTES_MAX)


def quoted(text: str) -> str:
    """The first line of *text*, as much of it as a sentence bears."""
    return truncate_utf8(text.split("\n", 1)[0], limits.EXPLAIN_QUOTE_BYTES_MAX)
