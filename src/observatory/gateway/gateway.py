"""The gateway: what can be asked for, without HTTP."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from observatory.contracts.wire import JobRequest
from observatory.core.command import Cancel
from observatory.core.errors import (
    IllegalTransition,
    ObservatoryError,
    Refused,
    UnknownJob,
)
from observatory.core.job import Job, JobStatus, JsonObject, NewJob
from observatory.core.sources import Clock, Ids
from observatory.edge.problem import InvalidFields
from observatory.event_bus.port import EventBus
from observatory.gateway.advice import joined, unknown_members, unknown_type
from observatory.gateway.submit import (
    CallContext,
    CheckedRequest,
    checked_document,
    new_job,
    repeated_job,
)
from observatory.gateway.type_catalog import TypeCatalog
from observatory.gateway.wakes import Wakes
from observatory.job_store.port import JobFilter, JobQueries, JobStore, Order, Submitted


class Cancelled(msgspec.Struct, frozen=True):
    """What a cancel achieved."""

    job: Job
    is_done: bool
    """False while a running attempt has only been asked to stop."""


class Gateway:
    """
    Accepts, cancels and repeats jobs.

    What is accepted is durable before a method returns. Every method may raise `StoreUnavailable`; it is
    then not known whether the change took effect, and only a call with an idempotency key is safe to repeat.
    """

    def __init__(self, store: JobStore, queries: JobQueries, bus: EventBus, *, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._queries = queries
        self._bus = bus
        self._wakes = Wakes(bus)
        self._clock = clock
        self._ids = ids
        self.types = TypeCatalog(queries, clock)

    def warning_about(self, job: Job, document: JsonObject | None = None) -> str | None:
        """
        What somebody who just submitted *job* should know of it, in one ASCII line; None when all is well.

        Args:
            document: The request; None when the job repeats another one.
        """
        needs_no_processor = job.status.is_final or self.types.is_known(job.type)
        return joined(
            (
                None if needs_no_processor else unknown_type(job.type, "the job waits until one does"),
                None if document is None else unknown_members(document, JobRequest, "a job request"),
            )
        )

    async def submit(self, document: Any, context: CallContext) -> Submitted:
        """
        Accept the job that *document* asks for, or give the one that its idempotency key belongs to.

        A type may have changed what it takes since the first submit; the repetition still gives that job.

        Raises:
            Refused: Nothing was stored: `InvalidJob`, `IdempotencyConflict`.
        """
        return await self._submit_one(await self._prepared(checked_document(document, now=self._clock.now()), context))

    async def submit_batch(self, documents: Sequence[Any], context: CallContext) -> list[Submitted | ObservatoryError]:
        """
        Accept each of *documents* by itself; answers come in their order.

        Args:
            documents: At most `limits.BATCH_JOBS_MAX`. A `Refused` among them is its own answer.
        """
        now = self._clock.now()
        prepared = [await self._prepared_or_refusal(document, context, now) for document in documents]
        new_jobs = [item for item in prepared if isinstance(item, NewJob)]
        stored = iter(await self._stored(new_jobs) if new_jobs else [])
        answers = [next(stored) if isinstance(item, NewJob) else item for item in prepared]
        await self._hint(answers)
        return answers

    async def cancel(self, job_id: str) -> Cancelled:
        """
        Cancel a waiting job, or ask the running attempt to stop. A cancelled one stays cancelled.

        Raises:
            UnknownJob: No such job.
            IllegalTransition: It is COMPLETED or FAILED already.
        """
        [applied] = await self._store.apply([Order(job_id, Cancel())])
        await self._wakes.after([applied])
        job = await self.job(job_id)
        if isinstance(applied, ObservatoryError) and job.status is not JobStatus.CANCELLED:
            raise applied
        return Cancelled(job, is_done=job.status is JobStatus.CANCELLED)

    async def retry(self, job_id: str, context: CallContext) -> Submitted:
        """
        Accept a new job that does again what the final job *job_id* did.

        Raises:
            UnknownJob: No such job.
            IllegalTransition: It is not final (`job_not_final`).
            IdempotencyConflict: The key belongs to another job.
        """
        job = await self.job(job_id)
        if not job.status.is_final:
            detail = f"job {job_id} is {job.status}; only a final job can be retried"
            raise IllegalTransition(detail, code="job_not_final")
        await self.types.info(job.type)  # so that `warning_about` knows
        return await self._submit_one(repeated_job(job, context, ids=self._ids))

    async def job(self, job_id: str) -> Job:
        """
        The job as it is now.

        Raises:
            UnknownJob: No such job.
        """
        job = await self._queries.job(job_id)
        if job is None:
            raise UnknownJob(f"no job has the id {job_id}")
        return job

    async def _prepared(self, checked: CheckedRequest, context: CallContext) -> NewJob:
        info = await self.types.info(checked.request.type)
        job = new_job(checked, context, info=info, ids=self._ids)
        if info is not None:
            try:
                self.types.check_payload(info, job.payload)
            except InvalidFields:
                if not await self._is_key_in_use(job.idempotency_key):
                    raise
        return job

    async def _is_key_in_use(self, key: str | None) -> bool:
        """True when the store will answer a submit with *key* by a job that exists, or by a conflict."""
        if key is None:
            return False
        page = await self._queries.jobs(JobFilter(idempotency_key=key), before=None, count_max=1)
        return bool(page.jobs or page.unreadable)

    async def _prepared_or_refusal(self, document: Any, context: CallContext, now: datetime) -> NewJob | Refused:
        if isinstance(document, Refused):
            return document
        try:
            return await self._prepared(checked_document(document, now=now), context)
        except Refused as error:
            return error

    async def _submit_one(self, job: NewJob) -> Submitted:
        [answer] = await self._stored([job])
        if isinstance(answer, ObservatoryError):
            raise answer
        await self._hint([answer])
        return answer

    async def _stored(self, jobs: Sequence[NewJob]) -> list[Submitted | ObservatoryError]:
        """Submit them; an idle processor beside the store may claim them in the same commit."""
        if any(job.run_at is None for job in jobs):
            self._bus.hint_ahead()
        return await self._store.submit(jobs)

    async def _hint(self, answers: Sequence[Submitted | ObservatoryError]) -> None:
        """Wake the processors when something became ready. They look by themselves when the hint is lost."""
        is_ready = any(
            isinstance(one, Submitted) and not one.is_replay and one.job.status is JobStatus.PENDING for one in answers
        )
        if is_ready:
            await self._wakes.ready()
