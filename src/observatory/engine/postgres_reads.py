"""The rows of one read: never more than were asked for, and never more text than one answer may hold.

The server does the counting, so that what does not fit never travels. It knows how long a text is without reading it.
"""

from collections.abc import Sequence
from typing import Any

from observatory.core import limits
from observatory.engine.postgres_database import Connection, Row


def bounded(
    rows: str, *, columns: str, texts: Sequence[str], order: str, count_max: str = "$1", bytes_max: str = "$2"
) -> str:
    """
    SQL of the first ones of *rows*, each with the number of all of them, `found`, behind its columns.

    Args:
        rows: A SELECT of at least *columns* and what *order* names. It ends by itself, one row behind *count_max*.
        columns: Names, as they are to come.
        texts: Those of the columns whose bytes count.
        order: Of the answer; no two rows are equal in it.
        count_max: The parameter with the largest number of rows.
        bytes_max: The parameter with the largest number of bytes; the first row comes in any case.
    """
    octets = " + ".join(f"coalesce(octet_length({text}), 0)" for text in texts)
    return f"""
        SELECT {columns}, found FROM (
            SELECT rows.*, count(*) OVER () AS found, row_number() OVER in_order AS place,
                sum({octets}) OVER in_order AS octets
            FROM ({rows}) AS rows WINDOW in_order AS (ORDER BY {order} ROWS UNBOUNDED PRECEDING)
        ) AS counted
        WHERE place = 1 OR (place <= {count_max}::bigint AND octets <= {bytes_max}::bigint) ORDER BY place
    """  # noqa: S608 — our names


async def take(connection: Connection, sql: str, *values: Any, count_max: int) -> tuple[list[Row], bool]:
    """
    The first rows of *sql*, made by `bounded`, and whether there are more.

    At most *count_max*, with at most `limits.READ_BYTES_MAX` in the texts; but always the first. The parameters for
    *values* begin with `$3`.
    """
    rows = await connection.fetch(sql, count_max, limits.READ_BYTES_MAX, *values)
    return rows, has_more(rows)


def has_more(rows: Sequence[Row]) -> bool:
    """True when `bounded` left rows out behind these."""
    return bool(rows) and rows[0][-1] > len(rows)
