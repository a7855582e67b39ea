"""The questions, without HTTP. Every answer says when its store was read."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from observatory.contracts import UiRegistry
from observatory.contracts.wire import AttemptLogSeen, JobList, LogLineSeen, Page, QueueInfo, SeenType, Stats, stats_of
from observatory.core.errors import BadQuery, UnknownJob
from observatory.core.event import Event
from observatory.core.folds import STATS_VIEW, StatsView
from observatory.core.job import LEASED, Job
from observatory.core.queue import QueueSetting
from observatory.core.retention import RetentionPolicy
from observatory.core.sources import Clock
from observatory.core.worker import Down, WorkerInfo
from observatory.edge.cursor import Cursors
from observatory.edge.job_list import job_list_of
from observatory.event_log.port import EventFilter, EventLog
from observatory.job_store.attempt_logs import AttemptLogs
from observatory.job_store.port import JobFilter, JobQueries, QueueDepth
from observatory.job_store.pruning import Pruning
from observatory.job_store.queues import Queues
from observatory.view_store.port import ViewStore

T = TypeVar("T")


class WorkerSeen(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A processor, with what its last heartbeat says about now."""

    instance_id: str
    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_at: datetime | None
    heartbeat_age_seconds: float | None
    """None when it was never heard of."""
    is_alive: bool
    slots: int
    running: int
    buffered: int
    abandoned: int
    is_draining: bool
    down: tuple[Down, ...]
    types: tuple[str, ...]
    jobs: tuple[str, ...]


class StatsAt(msgspec.Struct, frozen=True):
    """The view with its place in the log."""

    view: StatsView
    position: int
    log_position: int
    lag_s: float | None
    """Age of the oldest event that the view lacks; None when it lacks none."""
    is_rebuilding: bool
    pruned_jobs: int
    as_of: datetime


class ReadModel:
    """
    Answers questions. Changes nothing.

    A store that does not answer raises (`StoreUnavailable`, `LogUnavailable`, `ViewsUnavailable`): never an
    empty list, never a zero.

    Args:
        policy: What is kept how long.
        source: What holds the views, as people know it: sqlite, postgres, redis.
        uis: What the launchers offer.
        attempt_logs: None when logs of attempts are kept nowhere.
    """

    def __init__(
        self,
        queries: JobQueries,
        queues: Queues,
        log: EventLog,
        views: ViewStore,
        pruning: Pruning,
        *,
        policy: RetentionPolicy,
        clock: Clock,
        source: str,
        uis: UiRegistry,
        attempt_logs: AttemptLogs | None = None,
    ) -> None:
        self._queries = queries
        self._queues = queues
        self._log = log
        self._views = views
        self._pruning = pruning
        self._policy = policy
        self._clock = clock
        self._source = source
        self._attempt_logs = attempt_logs
        self._generation: str | None = None
        """Of the view that was last seen complete, or first seen at all; empty when that one was not there."""
        self.uis = uis

    # --- numbers ------------------------------------------------------------------------------

    async def stats(self) -> Stats:
        """What the history adds up to, and how far behind the history that is."""
        found = await self.stats_at()
        return stats_of(
            found.view,
            as_of=found.as_of,
            position=found.position,
            log_position=found.log_position,
            source=self._source,
            is_rebuilding=found.is_rebuilding,
            lag_s=found.lag_s,
            pruned_jobs=found.pruned_jobs,
        )

    async def stats_at(self) -> StatsAt:
        """
        The stored view; the log is read after it, so that the lag is never too small.

        It is being rebuilt when it is behind the log and either does not exist or is not the one seen before.
        """
        stored = await self._views.load(STATS_VIEW)
        log_position = await self._log.head()
        as_of = self._clock.now()
        view = StatsView() if stored is None else msgspec.json.decode(stored.document, type=StatsView)
        position = 0 if stored is None else stored.checkpoint
        generation = None if stored is None else stored.generation
        is_behind = log_position > position
        if not is_behind or self._generation is None:
            self._generation = generation or ("" if is_behind else None)
        is_rebuilding = is_behind and (generation is None or generation != self._generation)
        return StatsAt(
            view=view,
            position=position,
            log_position=log_position,
            lag_s=await self._lag_s(position, as_of) if is_behind else None,
            is_rebuilding=is_rebuilding,
            pruned_jobs=(await self._pruning.rollup(STATS_VIEW)).jobs,
            as_of=as_of,
        )

    async def pruning_late_s(self) -> float:
        """By how much the job that waits longest to be pruned is overdue, in seconds."""
        since = (await self._pruning.overdue(self._policy)).since
        return 0.0 if since is None else max((self._clock.now() - since).total_seconds(), 0.0)

    async def _lag_s(self, position: int, now: datetime) -> float | None:
        oldest = await self._log.after(position, count_max=1)
        return max((now - oldest[0].occurred_at).total_seconds(), 0.0) if oldest else None

    # --- jobs ---------------------------------------------------------------------------------

    async def jobs(self, filter: JobFilter, *, cursor: str | None, count_max: int) -> JobList:
        """
        A page of the jobs that match, newest accepted first. Damaged ones are named beside the others.

        Raises:
            BadQuery: The cursor is not of this list with this filter (`bad_cursor`).
        """
        cursors = Cursors(f"jobs {msgspec.json.encode(filter).decode()}")
        page = await self._queries.jobs(filter, before=cursors.place(cursor), count_max=count_max)
        return job_list_of(page, cursors.cursor(page.next_before), as_of=self._clock.now())

    async def recent_jobs(self, *, count_max: int) -> JobList:
        """
        The jobs accepted last, newest first; fewer than *count_max* when they are large.

        Damaged ones are named beside the others.
        """
        page = await self._queries.jobs(JobFilter(), before=None, count_max=count_max)
        return job_list_of(page, None, as_of=self._clock.now())

    async def job(self, job_id: str) -> Job:
        """
        The job as it is now.

        Raises:
            UnknownJob: No such job.
            RowUnreadable: Its stored row is damaged.
        """
        job = await self._queries.job(job_id)
        if job is None:
            raise UnknownJob(f"no job has the id {job_id}")
        return job

    async def log_of_attempt(self, job_id: str, attempt: int | None) -> AttemptLogSeen:
        """
        What *attempt* of the job said, None being its last; without lines when nothing was said or kept.

        Raises:
            UnknownJob: No such job, or it had no such attempt yet (`unknown_attempt`).
        """
        job = await self.job(job_id)
        if attempt is not None and attempt > job.attempt:
            raise UnknownJob(f"job {job_id} has had {job.attempt} attempts", code="unknown_attempt")
        log = None if self._attempt_logs is None else await self._attempt_logs.attempt_log(job_id, attempt=attempt)
        as_of = self._clock.now()
        if log is None:
            number = job.attempt if attempt is None else attempt
            return AttemptLogSeen(
                job_id=job_id, attempt=number, lines=(), dropped_lines=0, dropped_bytes=0,
                is_complete=job.status.is_final or number < job.attempt, as_of=as_of,
            )  # fmt: skip
        return AttemptLogSeen(
            job_id=job_id,
            attempt=log.attempt,
            lines=tuple(LogLineSeen(at=line.at, text=line.text) for line in log.lines),
            dropped_lines=log.dropped_lines,
            dropped_bytes=log.dropped_bytes,
            # The log of an attempt whose processor died gets no last save.
            is_complete=log.is_complete or log.fence < job.fence or not job.status.is_leased,
            saved_at=log.saved_at,
            as_of=as_of,
        )

    # --- events -------------------------------------------------------------------------------

    async def events(
        self, filter: EventFilter, *, after: int | None, cursor: str | None, count_max: int
    ) -> Page[Event]:
        """
        A page of the events that match, in order of position.

        Args:
            after: A position; together with a cursor it is refused.

        Raises:
            BadQuery: `bad_cursor`, or both places are given.
        """
        if after is not None and cursor is not None:
            raise BadQuery("after and cursor both say where to begin; send one of them")
        cursors = Cursors(f"events {msgspec.json.encode(filter).decode()}")
        begin = cursors.place(cursor) or after or 0
        found = await self._log.after(begin, count_max=count_max, filter=filter)
        return self._page(found, cursors.cursor(found[-1].position if found.has_more else None))

    async def events_of_job(self, job_id: str, *, cursor: str | None, count_max: int) -> Page[Event]:
        """
        A page of the events of one job, in order.

        Raises:
            UnknownJob: No such job.
            BadQuery: `bad_cursor`.
        """
        cursors = Cursors(f"events of {job_id}")
        found = await self._log.of_job(job_id, after_sequence=cursors.place(cursor) or 0, count_max=count_max)
        if not found:
            await self.job(job_id)
        return self._page(found, cursors.cursor(found[-1].sequence if found.has_more else None))

    # --- the parts ----------------------------------------------------------------------------

    async def queues(self) -> Page[QueueInfo]:
        """Every queue with a job that is not final or with a setting, by name."""
        settings = {setting.queue: setting for setting in await self._queues.settings()}
        depths = {depth.queue: depth for depth in await self._queries.queue_depths()}
        names = sorted(settings | depths)
        return self._page([_queue_info(name, depths.get(name), settings.get(name)) for name in names])

    async def workers(self) -> Page[WorkerSeen]:
        """Every processor that was heard of, the newest heartbeat first."""
        now = self._clock.now()
        return self._page([_seen(one, now) for one in await self._queries.processes() if one.is_processor])

    async def types(self) -> Page[SeenType]:
        """Every announced type, by name."""
        known = await self._queries.types()
        return self._page([SeenType(**msgspec.structs.asdict(one.info), seen_at=one.seen_at) for one in known])

    def _page(self, items: Sequence[T], next_cursor: str | None = None) -> Page[T]:
        return Page(items=tuple(items), next_cursor=next_cursor, as_of=self._clock.now())


def _queue_info(queue: str, depth: QueueDepth | None, setting: QueueSetting | None) -> QueueInfo:
    depth = QueueDepth(queue=queue, by_status={}) if depth is None else depth
    setting = QueueSetting(queue=queue) if setting is None else setting
    return QueueInfo(
        queue=queue,
        by_status=depth.by_status,
        depth=sum(depth.by_status.values()),
        running=sum(depth.by_status.get(status, 0) for status in LEASED),
        oldest_pending_at=depth.oldest_pending_at,
        paused_at=setting.paused_at,
        paused_by=setting.paused_by,
        pause_reason=setting.pause_reason,
        concurrency_max=setting.concurrency_max,
    )


_SAID = tuple(name for name in WorkerSeen.__struct_fields__ if name in WorkerInfo.__struct_fields__)


def _seen(worker: WorkerInfo, now: datetime) -> WorkerSeen:
    return WorkerSeen(
        **{name: getattr(worker, name) for name in _SAID},
        heartbeat_age_seconds=worker.heartbeat_age_s(now),
        is_alive=worker.is_alive(now),
    )
