"""`Pruning` over one `SqliteFile`: jobs, events, views and the rollup lie in the same file, so one transaction does."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.errors import CheckpointMoved, StoreUnavailable
from observatory.core.retention import RetentionPolicy, pages_to_give_back
from observatory.core.sources import Clock
from observatory.engine.instants import from_us, to_us
from observatory.engine.named_queries import load_queries
from observatory.engine.sqlite_events import EVENT_COLUMNS, event_of_row
from observatory.engine.sqlite_file import SqliteFile, translated
from observatory.job_store.expiry import Turn, turns
from observatory.job_store.pruning import (
    Expired,
    ExpiredJobs,
    Folded,
    Overdue,
    Pruned,
    Rollup,
    expired_of,
)
from observatory.job_store.rollups import rollup_of_row, rollup_values, with_pruned

SQL = load_queries(Path(__file__).with_suffix(".sql"))

TABLES_OF_A_JOB = ("events", "attempt_logs")
"""Every table with rows of one job besides its own, by their column `job_id`. All of them go with it."""

_INCREMENTAL = 2


class SqlitePruning:
    """
    Implements `Pruning`.

    Args:
        clock: The store's.
    """

    piece_s: float = limits.PRUNE_PIECE_S
    """Nobody else can write meanwhile."""

    def __init__(self, file: SqliteFile, *, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._last_type = ""
        """Where the last look ended: the next one begins behind it, so that no type waits for the others."""
        self._unreadable: set[int] = set()
        """Numbers of expired jobs that stay: they stand first in line for as long as they are there."""

    async def expired(self, policy: RetentionPolicy, *, until: int, count_max: int, events_max: int) -> ExpiredJobs:
        assert 1 <= count_max <= limits.PRUNE_JOBS_MAX, f"a piece of {count_max} jobs"

        def look(connection: Connection) -> list[Expired]:
            return self._expired(connection, policy, until, count_max, events_max)

        with translated(StoreUnavailable):
            jobs = await self._file.read(look)
        return ExpiredJobs(jobs, len(self._unreadable))

    def _expired(
        self, connection: Connection, policy: RetentionPolicy, until: int, count_max: int, events_max: int
    ) -> list[Expired]:
        found: list[Expired] = []
        events_left = events_max
        for turn in self._turns(connection, policy):
            given = (turn.type, str(turn.status), to_us(turn.before), count_max + len(self._unreadable))
            for row in connection.execute(SQL["finished"], given).fetchall():
                job = self._folded(connection, row, until)
                if job is None:
                    continue
                events_left -= job.events
                if found and (events_left < 0 or len(found) == count_max):
                    return found
                found.append(job)
                self._last_type = turn.type
        return found

    def _turns(self, connection: Connection, policy: RetentionPolicy) -> Iterator[Turn]:
        return turns(list(_types(connection)), policy, self._clock.now(), last_type=self._last_type)

    def _folded(self, connection: Connection, row: tuple[Any, ...], until: int) -> Expired | None:
        """The job with the fold of its events; None when it has to stay."""
        number, job_id, sequence = row
        if number in self._unreadable:
            return None
        last = connection.execute(SQL["last_position"], (job_id,)).fetchone()
        if last is not None and last[0] >= until:
            return None
        job = _fold(connection, job_id)
        if job is None or job.events != sequence:
            # One that another pruner has taken away meanwhile is not damaged.
            is_here = connection.execute(SQL["is_here"], (number,)).fetchone() is not None
            if is_here and len(self._unreadable) < limits.UNREADABLE_ROWS_MAX:
                self._unreadable.add(number)
            return None
        return job

    async def prune(self, jobs: Sequence[Expired], folded: Folded) -> Pruned:
        assert len(jobs) <= limits.PRUNE_JOBS_MAX, f"a piece of {len(jobs)} jobs"
        with translated(StoreUnavailable):
            return await self._file.write(lambda connection: self._prune(connection, jobs, folded))

    def _prune(self, connection: Connection, jobs: Sequence[Expired], folded: Folded) -> Pruned:
        began_s = self._clock.monotonic()
        view = connection.execute(SQL["view"], (folded.view,)).fetchone()
        if view is None or view[0] != folded.generation or view[1] < folded.until:
            raise CheckpointMoved(f"view {folded.view} stands at {view}, not at {folded.generation} {folded.until}")
        going = [job for job in jobs if _is_as_found(connection, job)]
        for table in TABLES_OF_A_JOB:
            sql = SQL["delete_of_job"].replace("{table}", table)
            connection.executemany(sql, [(job.job_id,) for job in going])
        _add_to_rollup(connection, going, folded)
        took_s = self._clock.monotonic() - began_s
        return Pruned(len(going), sum(job.events for job in going), took_s)

    async def rollup(self, view: str) -> Rollup:
        with translated(StoreUnavailable):
            return await self._file.read(lambda connection: _rollup(connection, view))

    async def overdue(self, policy: RetentionPolicy) -> Overdue:
        def look(connection: Connection) -> Overdue:
            waiting: list[datetime] = []
            for turn in self._turns(connection, policy):
                given = (turn.type, str(turn.status), to_us(turn.before))
                row = connection.execute(SQL["longest_finished"], given).fetchone()
                if row is not None:
                    waiting.append(turn.due_at(from_us(row[0])))
            return Overdue(min(waiting, default=None))

        with translated(StoreUnavailable):
            return await self._file.read(look)

    async def give_back(self, *, pages_max: int) -> int:
        with translated(StoreUnavailable):
            if not await self._file.read(_pages_to_give_back):
                return 0
            return await self._file.write(lambda connection: self._give_back(connection, pages_max))

    def _give_back(self, connection: Connection, pages_max: int) -> int:
        ends_at_s = self._clock.monotonic() + limits.PRUNE_PIECE_S
        wanted = min(pages_max, _pages_to_give_back(connection))
        for page in range(wanted):
            if self._clock.monotonic() > ends_at_s:
                return page
            connection.execute(SQL["give_back"]).fetchall()
        return wanted


def _types(connection: Connection) -> Iterator[str]:
    """Types of final jobs, in order; one whose text is damaged is left out."""
    row = connection.execute(SQL["next_type"], (b"",)).fetchone()
    while row is not None:
        with contextlib.suppress(UnicodeDecodeError):
            yield row[0].decode()
        row = connection.execute(SQL["next_type"], (row[0],)).fetchone()


def _fold(connection: Connection, job_id: str) -> Expired | None:
    """None when an event cannot be read or folded, or is missing."""
    rows = connection.execute(SQL["events_of_job"].replace("{columns}", EVENT_COLUMNS), (job_id,))
    try:
        return expired_of(job_id, map(event_of_row, rows))
    except (msgspec.MsgspecError, ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None
    finally:
        rows.close()


def _is_as_found(connection: Connection, job: Expired) -> bool:
    """True when the job's row could be deleted and its events are those that were folded."""
    if connection.execute(SQL["positions"], (job.job_id,)).fetchone() != (job.events, job.positions_sum):
        return False
    return connection.execute(SQL["delete_job"], (job.job_id,)).rowcount == 1


def _add_to_rollup(connection: Connection, jobs: Sequence[Expired], folded: Folded) -> None:
    after = with_pruned(_rollup(connection, folded.view), jobs, folded)
    connection.execute(SQL["save_rollup"], (folded.view, *rollup_values(after)))


def _rollup(connection: Connection, view: str) -> Rollup:
    return rollup_of_row(connection.execute(SQL["rollup"], (view,)).fetchone())


def _pages_to_give_back(connection: Connection) -> int:
    free, pages, page_bytes, mode = connection.execute(SQL["free_pages"]).fetchone()
    if mode != _INCREMENTAL:
        return 0
    return pages_to_give_back(free=free, pages=pages, page_bytes=page_bytes)
