"""The rows of one read: never more than were asked for, and never more text than one answer may hold."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from observatory.core import limits

Row = tuple[Any, ...]


def take(rows: sqlite3.Cursor, *, texts: slice, count_max: int) -> tuple[list[Row], bool]:
    """
    The first of *rows*, and whether there are more. Closes the cursor: an open one holds up checkpoints.

    At most *count_max*, with at most `limits.READ_BYTES_MAX` in the columns *texts*; but always the first.
    """
    taken: list[Row] = []
    bytes_left = limits.READ_BYTES_MAX
    try:
        for row in rows:
            bytes_left -= _bytes_of(row[texts])
            if taken and (bytes_left < 0 or len(taken) == count_max):
                return taken, True
            taken.append(row)
    finally:
        rows.close()
    return taken, False


def _bytes_of(texts: Sequence[str | None]) -> int:
    """As UTF-8. Text knows whether it is ASCII, so that most is not looked at."""
    size = 0
    for text in texts:
        if text is not None:
            size += len(text) if text.isascii() else len(text.encode())
    return size
