"""Damaged rows stay first in line, so those behind them are reached by looking at more, whatever the driver."""

from observatory.core import limits


def look_further(looked_past: int, *, found: int, wanted: int, damaged: int) -> int | None:
    """
    By how many rows beyond *wanted* the next look goes; None when it would find no more, or enough was found.

    Args:
        looked_past: By how many the last look did; 0 at first. Never beyond `limits.UNREADABLE_ROWS_MAX`.
        found: Rows of the last look that can be read.
        damaged: The others of them. As many as were looked past, or fewer, are no reason to look again.
    """
    if found >= wanted or damaged <= looked_past or looked_past == limits.UNREADABLE_ROWS_MAX:
        return None
    return min(looked_past + damaged, limits.UNREADABLE_ROWS_MAX)
