"""How a record of the standard library becomes a line: always, whatever its arguments do. In every isolation."""

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager

from observatory.core import limits
from observatory.processor.error_text import kind_of, message_of, plain

LINE = "%(levelname)s %(name)s: %(message)s"
"""How a log record is written into the log of an attempt."""


class _Nesting(threading.local):
    depth = 0


_nesting = _Nesting()


class ForgivingFormatter(logging.Formatter):
    """
    Formats as the class beside it does. A record that cannot be formatted costs itself and no more.

    In its place stands what was to be formatted and what went wrong. Only what is no `Exception` is let through,
    as by the standard library: it ends the attempt on purpose.
    """

    def format(self, record: logging.LogRecord) -> str:
        try:
            with _one_deeper():
                return super().format(record)
        except Exception as error:  # noqa: BLE001 — an argument is the handler's code
            return super().format(_repaired(record, error))


@contextmanager
def _one_deeper() -> Generator[None]:
    """An argument that logs itself when it is formatted would never end: each of several handlers formats it again."""
    if _nesting.depth >= limits.LOG_NESTING_MAX:
        raise RecursionError("logged again and again while it was formatted")
    _nesting.depth += 1
    try:
        yield
    finally:
        _nesting.depth -= 1


def _repaired(record: logging.LogRecord, error: Exception) -> logging.LogRecord:
    """A record without anything of the handler's in it but plain text."""
    fault = plain(f"{kind_of(error)}: {message_of(error)}", limits.LOG_FAULT_PART_BYTES_MAX)
    return logging.makeLogRecord(
        {
            "name": record.name,
            "levelno": record.levelno,
            "levelname": record.levelname,
            "msg": f"{_template(record.msg)} (could not be formatted: {fault})",
        }
    )


def _template(message: object) -> str:
    if isinstance(message, str):
        return plain(message, limits.LOG_FAULT_PART_BYTES_MAX)
    name: str = type.__dict__["__name__"].__get__(type(message))
    return plain(f"<{name}>", limits.LOG_FAULT_PART_BYTES_MAX)
