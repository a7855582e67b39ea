"""`Pruning` over one `PostgresDatabase`: jobs, events, views and the rollup lie in it, so one transaction does."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from observatory.core import limits
from observatory.core.errors import CheckpointMoved, StoreUnavailable
from observatory.core.retention import RetentionPolicy
from observatory.core.sources import Clock
from observatory.engine.named_queries import load_queries
from observatory.engine.postgres_database import Connection, PostgresDatabase, translated
from observatory.job_store.expiry import Turn, turns
from observatory.job_store.postgres.job_folds import JobFold, folds_of
from observatory.job_store.pruning import Expired, ExpiredJobs, Folded, Overdue, Pruned, Rollup
from observatory.job_store.rollups import rollup_of_row, rollup_values, with_pruned

SQL = load_queries(Path(__file__).with_suffix(".sql"))

TABLES_OF_A_JOB = ("events", "attempt_logs")
"""Every table with rows of one job besides its own, by their column `job_id`. All of them go with it. What waits in the
outbox belongs to a job that stays."""

_NOTHING = JobFold(0, None)


class _Candidate(msgspec.Struct, frozen=True):
    """An expired job, as its row has it."""

    number: int
    job_id: str
    events: int


class PostgresPruning:
    """
    Implements `Pruning`.

    Several processes may prune at the same time. The server's own vacuum makes room for new rows out of what was
    pruned; `give_back` has nothing to do and always returns 0.

    Args:
        clock: Measures; the time is the server's.
    """

    piece_s: float = limits.PRUNE_SHARED_PIECE_S
    """Nobody waits for a piece but the next piece and whoever saves the view."""

    def __init__(self, database: PostgresDatabase, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._last_type = ""
        """Where the last look ended: the next one begins behind it, so that no type waits for the others."""
        self._unreadable: set[int] = set()
        """Numbers of expired jobs that stay: they are looked past."""

    async def expired(self, policy: RetentionPolicy, *, until: int, count_max: int, events_max: int) -> ExpiredJobs:
        assert 1 <= count_max <= limits.PRUNE_JOBS_MAX, f"a piece of {count_max} jobs"
        with translated(StoreUnavailable):
            jobs = await self._database.read(
                lambda connection: self._expired(connection, policy, until, count_max, events_max)
            )
        return ExpiredJobs(jobs, len(self._unreadable))

    async def _expired(
        self, connection: Connection, policy: RetentionPolicy, until: int, count_max: int, events_max: int
    ) -> list[Expired]:
        found: list[Expired] = []
        events_left = events_max
        for turn, since in await self._turns(connection, policy):
            if since is None:
                continue
            candidates = await self._candidates(connection, turn, until, count_max - len(found))
            fitting = _fitting(candidates, events_left, at_least=0 if found else 1)
            jobs = await self._whole(connection, fitting)
            if jobs:
                self._last_type = turn.type
            found += jobs
            events_left -= sum(job.events for job in jobs)
            if len(found) == count_max or len(fitting) < len(candidates):
                break
        return found

    async def _turns(self, connection: Connection, policy: RetentionPolicy) -> list[tuple[Turn, datetime | None]]:
        """Each with the instant at which the first of its jobs that have expired became final; None when none has."""
        ((at, types),) = await connection.fetch(SQL["types"])
        found = list(turns(types, policy, at, last_type=self._last_type))
        given = [turn.type for turn in found], [str(turn.status) for turn in found], [turn.before for turn in found]
        rows = await connection.fetch(SQL["longest_finished"], *given)
        return [(turn, since) for turn, (since,) in zip(found, rows, strict=True)]

    async def _candidates(self, connection: Connection, turn: Turn, until: int, count_max: int) -> list[_Candidate]:
        """Expired jobs without an event at or behind *until*."""
        given = (turn.type, str(turn.status), turn.before, list(self._unreadable), count_max)
        rows = await connection.fetch(SQL["finished"], *given)
        return [
            _Candidate(number, job_id, sequence)
            for number, job_id, sequence, last_position in rows
            if last_position is None or last_position < until
        ]

    async def _whole(self, connection: Connection, candidates: Sequence[_Candidate]) -> list[Expired]:
        """Those whose events can all be folded."""
        if not candidates:
            return []
        folds = await folds_of(connection, [one.job_id for one in candidates])
        found: list[Expired] = []
        incomplete: list[int] = []
        for one in candidates:
            fold = folds.get(one.job_id, _NOTHING)
            if fold.job is not None and fold.events == one.events:
                found.append(fold.job)
            elif fold.events < one.events:
                incomplete.append(one.number)
            else:
                self._look_past(one.number)
        if incomplete:
            for (number,) in await connection.fetch(SQL["incomplete"], incomplete):
                self._look_past(number)
        return found

    def _look_past(self, number: int) -> None:
        if len(self._unreadable) < limits.UNREADABLE_ROWS_MAX:
            self._unreadable.add(number)

    async def prune(self, jobs: Sequence[Expired], folded: Folded) -> Pruned:
        assert len(jobs) <= limits.PRUNE_JOBS_MAX, f"a piece of {len(jobs)} jobs"
        with translated(StoreUnavailable):
            return await self._database.write(lambda connection: self._prune(connection, jobs, folded))

    async def _prune(self, connection: Connection, jobs: Sequence[Expired], folded: Folded) -> Pruned:
        await connection.execute(SQL["lock"])
        began_s = self._clock.monotonic()
        going = await _prune(connection, jobs, folded)
        return Pruned(len(going), sum(job.events for job in going), self._clock.monotonic() - began_s)

    async def rollup(self, view: str) -> Rollup:
        with translated(StoreUnavailable):
            return await self._database.read(lambda connection: _rollup(connection, view))

    async def overdue(self, policy: RetentionPolicy) -> Overdue:
        with translated(StoreUnavailable):
            found = await self._database.read(lambda connection: self._turns(connection, policy))
        return Overdue(min((turn.due_at(since) for turn, since in found if since is not None), default=None))

    async def give_back(self, *, pages_max: int) -> int:
        return 0


def _fitting(candidates: Sequence[_Candidate], events_max: int, *, at_least: int) -> Sequence[_Candidate]:
    """The first ones with so many events together."""
    for place, one in enumerate(candidates):
        events_max -= one.events
        if events_max < 0 and place >= at_least:
            return candidates[:place]
    return candidates


async def _prune(connection: Connection, jobs: Sequence[Expired], folded: Folded) -> list[Expired]:
    """Those of *jobs* that were removed."""
    view = await connection.fetchrow(SQL["view"], folded.view)
    if view is None or view[0] != folded.generation or view[1] < folded.until:
        stands = None if view is None else tuple(view)
        raise CheckpointMoved(f"view {folded.view} stands at {stands}, not at {folded.generation} {folded.until}")
    going = await _going(connection, jobs)
    ids = [job.job_id for job in going]
    for table in TABLES_OF_A_JOB:
        await connection.execute(SQL["delete_of_jobs"].replace("{table}", table), ids)
    await connection.execute(SQL["delete_jobs"], ids)
    rollup = with_pruned(await _rollup(connection, folded.view), going, folded)
    await connection.execute(SQL["save_rollup"], folded.view, *rollup_values(rollup))
    return going


async def _going(connection: Connection, jobs: Sequence[Expired]) -> list[Expired]:
    """Those of *jobs* that are as they were found; locked in one order, whoever asks."""
    by_id = {job.job_id: job for job in sorted(jobs, key=lambda job: job.job_id)}
    given = list(by_id), [job.events for job in by_id.values()], [job.positions_sum for job in by_id.values()]
    return [by_id[job_id] for (job_id,) in await connection.fetch(SQL["going"], *given)]


async def _rollup(connection: Connection, view: str) -> Rollup:
    return rollup_of_row(await connection.fetchrow(SQL["rollup"], view))
