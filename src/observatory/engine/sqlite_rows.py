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


def update_rows(connection: sqlite3.Connection, sql: str, rows: Sequence[Row]) -> int:
    """
    Run *sql*, an UPDATE whose `{rows}` stands for the rows of a VALUES clause, over all of *rows*.

    Returns how many rows it changed.

    Rows take effect in their order, but those of one statement do not see each other's effects.
    """
    changed = 0
    for piece in _pieces(rows):
        statement = _statement(sql, len(piece), len(piece[0]))
        changed += connection.execute(statement, tuple(chain.from_iterable(piece))).rowcount
    return changed


def insert_rows(connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> int:
    """
    Insert *rows* of *columns* in their order; columns that are not named get their defaults.

    Returns the number of the last row; 0 if there is none.

    Args:
        columns: Those that may be NULL have no other default. One that is None in many rows in a row is left out: a
            value that is bound costs more than one that is not.
    """
    last: int | None = 0
    for piece in _pieces(rows):
        by_column = [(name, values) for name, values in zip(columns, zip(*piece, strict=True), strict=True)]
        given = [(name, values) for name, values in by_column if values.count(None) < len(values)]
        assert given, "a row has a value"
        names = tuple(name for name, _ in given)
        values = chain.from_iterable(zip(*(values for _, values in given), strict=True))
        last = connection.execute(_insert(table, names, len(piece)), tuple(values)).lastrowid
    assert last is not None, "an INSERT gives the number of its last row"
    return last


def select_in(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    """The rows of *sql*, whose `{values}` stands in an IN list, for any number of *values*, in pieces."""
    rows: list[Row] = []
    for start in range(0, len(values), _IN_VALUES_MAX):
        piece = values[start : start + _IN_VALUES_MAX]
        rows += connection.execute(_in_statement(sql, len(piece)), tuple(piece)).fetchall()
    return rows


_IN_VALUES_MAX = 500
"""Values in one IN list: far below SQLite's bound of 32,766 and few enough statements to keep prepared."""


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


@cache
def _in_statement(sql: str, count: int) -> str:
    return sql.replace("{values}", ", ".join("?" * count))


@cache
def _insert(table: str, columns: tuple[str, ...], row_count: int) -> str:
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {{rows}}"  # noqa: S608 — our names
    return _statement(sql, row_count, len(columns))
