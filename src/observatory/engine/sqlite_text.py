"""Text that is not UTF-8: Python's driver fails the statement, whichever of its rows holds the text.

Decoding with care in Python costs a fifth of a read, so a connection begins with the driver's own
decoder, and changes for good when that fails. From then on only the row that holds the text is lost.
"""

import sqlite3
from typing import Any


class DamagedRow(tuple[Any, ...]):
    """A row with a text that is not UTF-8. What is wrong in it is escaped, so that its id can be named."""

    __slots__ = ()


def is_of_text(error: BaseException | None) -> bool:
    """True for the driver's error about a text that is not UTF-8. It has no code: SQLite did not raise it."""
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith("Could not decode to UTF-8")


def decode_with_care(connection: sqlite3.Connection) -> None:
    """From now on rows of *connection* with a text that is not UTF-8 are a `DamagedRow`; the others stay tuples."""
    connection.text_factory = _text
    connection.row_factory = _row


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _row(_cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
    shown = tuple(_shown(value) if isinstance(value, str) and not value.isascii() else value for value in row)
    return row if shown == row else DamagedRow(shown)


def _shown(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
