"""`AttemptLogs` over one `PostgresDatabase`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_arrays import columns_of, unnest
from observatory.engine.postgres_database import Connection, PostgresDatabase, Row, translated
from observatory.job_store.attempt_logs import AttemptLog, LogLine

SQL = load_queries(Path(__file__).with_suffix(".sql"))
_TYPES = ("text", "bigint", "integer", "boolean", "bigint", "bigint", "text")
_SAVE = SQL["save_logs"].replace("{given}", unnest(_TYPES))

_decode_lines = msgspec.json.Decoder(tuple[LogLine, ...]).decode


class PostgresAttemptLogs:
    """Implements `AttemptLogs`."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def save(self, logs: Sequence[AttemptLog]) -> None:
        if not logs:
            return
        # In one order for all callers, so that none of them waits for another one that waits for it.
        given = sorted(_last_of_each(logs), key=lambda log: (log.job_id, log.fence))
        columns = columns_of([_values(log) for log in given], len(_TYPES))

        async def unit(connection: Connection) -> None:
            await connection.execute(_SAVE, *columns)
            await connection.execute(SQL["forget_logs"], sorted(set(columns[0])), limits.ATTEMPT_LOGS_KEPT)

        with translated(StoreUnavailable):
            await self._database.write(unit)

    async def attempt_log(self, job_id: str, *, attempt: int | None = None) -> AttemptLog | None:
        given = (job_id, limits.ATTEMPT_LOGS_KEPT, attempt)
        with translated(StoreUnavailable):
            row = await self._database.read(lambda connection: connection.fetchrow(SQL["log_of_attempt"], *given))
        return None if row is None else _log_of(job_id, row)


def _last_of_each(logs: Sequence[AttemptLog]) -> list[AttemptLog]:
    """What saving *logs* one after the other would leave: one statement writes no row twice."""
    last: dict[tuple[str, int], AttemptLog] = {}
    for log in logs:
        before = last.get((log.job_id, log.fence))
        if before is None or before.is_complete <= log.is_complete:
            last[log.job_id, log.fence] = log
    return list(last.values())


def _values(log: AttemptLog) -> tuple[Any, ...]:
    """Of one row of `save_logs`."""
    return (
        log.job_id,
        log.fence,
        log.attempt,
        log.is_complete,
        log.dropped_lines,
        log.dropped_bytes,
        msgspec.json.encode(log.lines).decode(),
    )


def _log_of(job_id: str, row: Row) -> AttemptLog | None:
    """None for a row that is damaged: a log is no part of the truth, and the next save replaces it."""
    attempt, fence, is_complete, saved_at, dropped_lines, dropped_bytes, lines = row
    try:
        return AttemptLog(
            job_id=job_id,
            attempt=attempt,
            fence=fence,
            is_complete=is_complete,
            saved_at=saved_at,
            dropped_lines=dropped_lines,
            dropped_bytes=dropped_bytes,
            lines=_decode_lines(lines),
        )
    except (msgspec.MsgspecError, ValueError):
        return None
