"""Many rows in one statement.

The interpreter gives up its lock around every row that SQLite steps over, and must win it back each time: beside a busy
event loop, rows written one by one wait far longer than they take. One statement for many rows gives it up once.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

ROWS_AT_ONCE = (256, 64, 16, 4, 1)
"""Rows of one statement, so that few different statements are prepared; 256 of 29 values stay below 32,766."""

Row = tuple[Any, ...]


def execute_rows(connection: sqlite3.Connection, sql: str, rows: Sequence[Row]) -> int:
    """
    Run *sql*, an INSERT or UPDATE whose `{rows}` stands for the rows of a VALUES clause, over all of *rows*.

    Returns how many rows it changed.

    Rows take effect in their order, but those of one statement do not see each other's effects.
    """
    changed = 0
    for piece in _pieces(rows):
        statement = _statement(sql, len(piece), len(piece[0]))
        changed += connection.execute(statement, tuple(chain.from_iterable(piece))).rowcount
    return changed


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    for size in ROWS_AT_ONCE:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


@cache
def _statement(sql: str, row_count: int, value_count: int) -> str:
    row = "(" + ", ".join("?" * value_count) + ")"
    return sql.replace("{rows}", ", ".join([row] * row_count))
