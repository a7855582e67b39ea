"""Many rows in one statement: an array for each column, which the server turns into rows by `unnest`."""

from collections.abc import Sequence
from typing import Any

from observatory.engine.postgres_database import Row


def columns_of(rows: Sequence[Row], count: int) -> list[list[Any]]:
    """
    The values of *rows*, each of *count* values, by column; empty where no row has a value.

    `unnest` fills what a column lacks with NULLs, so nothing is made ready, sent and read for it.
    """
    if not rows:
        return [[] for _ in range(count)]
    return [list(column) if column.count(None) < len(rows) else [] for column in zip(*rows, strict=True)]


def unnest(types: Sequence[str], *, first: int = 1) -> str:
    """`unnest(…)` over parameters of *types*, the first of which is `$first`; rows come in the order of the arrays."""
    marks = (f"${number}::{name}[]" for number, name in enumerate(types, start=first))
    return f"unnest({', '.join(marks)})"
