"""`AttemptLogs` over one `SqliteFile`."""

from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.sources import Clock
from observatory.engine.instants import from_us, to_us
from observatory.engine.named_queries import load_queries
from observatory.engine.sqlite_file import SqliteFile, translated
from observatory.job_store.attempt_logs import AttemptLog, LogLine

SQL = load_queries(Path(__file__).with_suffix(".sql"))

_decode_lines = msgspec.json.Decoder(tuple[LogLine, ...]).decode


class SqliteAttemptLogs:
    """
    Implements `AttemptLogs`.

    Args:
        clock: The store's clock.
    """

    def __init__(self, file: SqliteFile, *, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    async def save(self, logs: Sequence[AttemptLog]) -> None:
        if not logs:
            return

        def unit(connection: Connection) -> None:
            saved_at = to_us(self._clock.now())
            for log, lines in texts:
                connection.execute(SQL["save_log"], _values(log, lines, saved_at))
                connection.execute(SQL["forget_logs"], (log.job_id, log.job_id, limits.ATTEMPT_LOGS_KEPT))

        texts = [(log, msgspec.json.encode(log.lines).decode()) for log in logs]  # not while the others wait
        with translated(StoreUnavailable):
            await self._file.write(unit)

    async def attempt_log(self, job_id: str, *, attempt: int | None = None) -> AttemptLog | None:
        query, values = ("last_log", (job_id,)) if attempt is None else ("log_of_attempt", (job_id, attempt))
        with translated(StoreUnavailable):
            row = await self._file.read(lambda connection: connection.execute(SQL[query], values).fetchone())
        return None if row is None else _log_of(job_id, row)


def _values(log: AttemptLog, lines: str, saved_at_us: int) -> tuple[Any, ...]:
    """Values of `save_log`."""
    return (
        log.job_id,
        log.fence,
        log.attempt,
        int(log.is_complete),
        saved_at_us,
        log.dropped_lines,
        log.dropped_bytes,
        lines,
        log.job_id,
        log.fence,
    )


def _log_of(job_id: str, row: tuple[Any, ...]) -> AttemptLog | None:
    """None for a row that is damaged: a log is no part of the truth, and the next save replaces it."""
    try:
        return AttemptLog(
            job_id=job_id,
            attempt=row[0],
            fence=row[1],
            is_complete=bool(row[2]),
            saved_at=from_us(row[3]),
            dropped_lines=row[4],
            dropped_bytes=row[5],
            lines=_decode_lines(row[6]),
        )
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError):
        return None
