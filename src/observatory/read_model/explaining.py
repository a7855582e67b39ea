"""Why a job is where it is: looks up what surrounds it, through the ports, and has `core.explain` judge."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from observatory.core import limits
from observatory.core.errors import BadEnvelope, LogUnavailable, UnknownJob
from observatory.core.explain.elsewhere import down_elsewhere, relay_behind
from observatory.core.explain.explanation import Explanation
from observatory.core.explain.line import claimed_before, open_queues
from observatory.core.explain.precedence import explain
from observatory.core.explain.situation import LastEvent, Line, Situation
from observatory.core.job import DELAYED, LEASED, Job, JobStatus
from observatory.core.queue import QueueSetting
from observatory.core.worker import Down
from observatory.edge.health import Check, readiness_of
from observatory.event_log.port import EventLog
from observatory.job_store.port import JobFilter, JobQueries, Outbox
from observatory.job_store.queues import Queues
from observatory.job_store.schedules import Schedules
from observatory.job_store.selections import Selection, Selections

_replace = msgspec.structs.replace
_EVENT_LOG = "event_log"


class Explaining:
    """
    Explains jobs. Changes nothing.

    Each explanation is a handful of bounded reads. They are not one transaction: when the job changed meanwhile,
    everything is looked up again, so that the answer is about the job as it was before and after all of the reads.

    Args:
        schedules: Asked for nothing but the store's clock.
        loops: What else can be known to be down: the loops of this process. Named as on `/readyz`.
        here: Instance id of the processor of this process; None when it has none.
        is_alone: No other process runs loops. Otherwise their heartbeats say which of them work.
    """

    def __init__(
        self,
        queries: JobQueries,
        queues: Queues,
        selections: Selections,
        schedules: Schedules,
        log: EventLog,
        *,
        outbox: Outbox,
        loops: Sequence[Check] = (),
        here: str | None = None,
        is_alone: bool = True,
    ) -> None:
        self._queries = queries
        self._queues = queues
        self._selections = selections
        self._schedules = schedules
        self._log = log
        self._outbox = outbox
        self._loops = loops
        self._here = here
        self._is_alone = is_alone

    async def explanation(self, job_id: str) -> Explanation:
        """
        Why the job is where it is. An event log that does not answer is named in the evidence.

        Raises:
            UnknownJob: No such job.
            RowUnreadable: Its stored row is damaged.
            StoreUnavailable: Without the truth nothing can be explained.
        """
        job = await self._job(job_id)
        for _ in range(limits.EXPLAIN_TRIES_MAX - 1):
            seen = await self._situation(job)
            before, job = job, await self._job(job_id)
            if job.sequence == before.sequence:
                return explain(seen)
        return explain(await self._situation(job))

    async def _job(self, job_id: str) -> Job:
        job = await self._queries.job(job_id)
        if job is None:
            raise UnknownJob(f"no job has the id {job_id}")
        return job

    async def _situation(self, job: Job) -> Situation:
        """What the rules of the job's status ask for."""
        now = (await self._schedules.due()).at
        setting = QueueSetting(queue=job.queue)
        seen = Situation(now=now, job=job, setting=setting, down=await self._down(), here=self._here)
        if job.status is JobStatus.FAILED:
            seen = await self._with_event(seen)
        if job.status.is_final:
            return _replace(seen, retried_by=await self._selections.retry_of(job.id))
        settings = await self._queues.settings()
        seen = await self._with_processes(seen, settings)
        if job.status is JobStatus.PENDING:
            return await self._waiting(seen, settings)
        if job.status in DELAYED:
            return await self._with_event(seen)
        seen = await self._with_executing(seen)
        return seen if job.status is JobStatus.VALIDATED else _replace(seen, runs_s=await self._runs_s(job.type))

    # --- around the job -----------------------------------------------------------------------

    async def _down(self) -> tuple[Down, ...]:
        readiness = await readiness_of(self._loops, service="", version="")
        return tuple(Down(name=one.name, reason=one.reason or "failed") for one in readiness.checks if not one.is_up)

    async def _with_processes(self, seen: Situation, settings: Sequence[QueueSetting]) -> Situation:
        """Its queue's setting, the processors, what the other processes do, and whether its type is known."""
        found = {setting.queue: setting for setting in settings}
        known = {known.info.type: known.seen_at for known in await self._queries.types()}
        processes = await self._queries.processes()
        here = {loop.name for loop in self._loops}
        down = (*seen.down, *(() if self._is_alone else down_elsewhere(processes, seen.now, here=here)))
        behind = relay_behind(await self._outbox.waiting_since(), seen.now)
        if behind is not None and not any(one.name == behind.name for one in down):
            down = (*down, behind)
        return _replace(
            seen,
            setting=found.get(seen.job.queue, seen.setting),
            workers=tuple(one for one in processes if one.is_processor),
            type_seen_at=known.get(seen.job.type),
            down=down,
        )

    async def _with_executing(self, seen: Situation) -> Situation:
        """How many attempts run on each processor: the truth is younger than a heartbeat, where it can all be read."""
        page = await self._queries.jobs(
            JobFilter(status=JobStatus.EXECUTING), before=None, count_max=limits.PAGE_ITEMS_MAX
        )
        if page.next_before is not None or page.unreadable:
            return seen
        counts: dict[str, int] = {}
        for job in page.jobs:
            if job.worker is not None:
                counts[job.worker] = counts.get(job.worker, 0) + 1
        return _replace(seen, executing=counts)

    async def _waiting(self, seen: Situation, settings: Sequence[QueueSetting]) -> Situation:
        """What else waits, and what holds the slots of its queue, where the queue has a limit."""
        depths = {depth.queue: depth.by_status for depth in await self._queries.queue_depths()}
        leased = {queue: sum(counts.get(status, 0) for status in LEASED) for queue, counts in depths.items()}
        pending = {queue: counts.get(JobStatus.PENDING, 0) for queue, counts in depths.items()}
        named = () if seen.setting.concurrency_max is None else await self._leased_of(seen.job.queue)
        return _replace(
            await self._with_executing(seen),
            leased=leased.get(seen.job.queue, 0),
            leased_jobs=named,
            line=await self._line(seen, pending, settings, leased),
        )

    async def _leased_of(self, queue: str) -> tuple[str, ...]:
        selection = Selection(statuses=(JobStatus.VALIDATED, JobStatus.EXECUTING), queue=queue)
        page = await self._selections.select(selection, before=None, count_max=limits.EXPLAIN_NAMED_MAX)
        return tuple(one.job_id for one in page.jobs)

    async def _line(
        self, seen: Situation, pending: Mapping[str, int], settings: Sequence[QueueSetting], leased: Mapping[str, int]
    ) -> Line:
        """Not counted where so much waits that may be claimed before the job that it does not fit into one page."""
        count = sum(pending.values())
        waiting = await self._pending(
            open_queues(pending, settings=settings, leased=leased) | {seen.job.queue}, pending
        )
        if waiting is None:
            return Line(pending=count)
        types = frozenset(name for one in seen.claiming for name in one.types)
        ahead = claimed_before(seen.job, waiting, types=types, settings=settings, leased=leased)
        return Line(pending=count, ahead=len(ahead), first_ahead=ahead[0].id if ahead else None)

    async def _pending(self, queues: Collection[str], pending: Mapping[str, int]) -> list[Job] | None:
        """The PENDING jobs of *queues*; None when they are too many."""
        if sum(pending.values()) <= limits.PAGE_ITEMS_MAX:
            return await self._page(JobFilter(status=JobStatus.PENDING))
        if (
            len(queues) > limits.EXPLAIN_NAMED_MAX
            or sum(pending.get(name, 0) for name in queues) > limits.PAGE_ITEMS_MAX
        ):
            return None
        jobs: list[Job] = []
        for queue in queues:
            page = await self._page(JobFilter(status=JobStatus.PENDING, queue=queue))
            if page is None:
                return None
            jobs += page
        return jobs

    async def _page(self, filter: JobFilter) -> list[Job] | None:
        """All jobs that match; None when they do not fit into one page."""
        page = await self._queries.jobs(filter, before=None, count_max=limits.PAGE_ITEMS_MAX)
        return None if page.next_before is not None else page.jobs

    async def _runs_s(self, job_type: str) -> tuple[float, ...]:
        """How long the last attempts of the completed jobs of *job_type* took that were accepted last."""
        page = await self._queries.jobs(
            JobFilter(status=JobStatus.COMPLETED, type=job_type), before=None, count_max=limits.EXPLAIN_RUNS_MAX
        )
        return tuple(
            max((job.finished_at - job.started_at).total_seconds(), 0.0)
            for job in page.jobs
            if job.started_at is not None and job.finished_at is not None
        )

    async def _with_event(self, seen: Situation) -> Situation:
        """Its newest event, which says why; the log may lag behind the truth, or be away."""
        try:
            events = await self._log.of_job(seen.job.id, after_sequence=seen.job.sequence - 1, count_max=1)
        except LogUnavailable as error:
            return _replace(seen, down=(*seen.down, Down(name=_EVENT_LOG, reason=error.code)))
        except BadEnvelope:
            return seen
        if not events:
            return seen
        reason = events[0].payload.get("reason")
        return _replace(seen, last_event=LastEvent(reason=reason if isinstance(reason, str) else None))
