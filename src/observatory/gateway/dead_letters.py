"""Dead letters: jobs that ended FAILED and that no other job repeats; `docs/decisions` says why these."""

import msgspec

from observatory.contracts.wire import JobList
from observatory.core.bulk import retry_key
from observatory.core.errors import IllegalTransition
from observatory.core.job import Job, JobStatus
from observatory.core.sources import Clock
from observatory.edge.cursor import Cursors
from observatory.edge.job_list import job_list_of
from observatory.gateway.gateway import Gateway
from observatory.gateway.submit import CallContext
from observatory.job_store.selections import Selection, Selections


class DeadLetters:
    """
    Lists them, and gives one another life.

    Every method may raise `StoreUnavailable` and may be repeated: a redrive takes effect once.
    """

    def __init__(self, gateway: Gateway, selections: Selections, *, clock: Clock) -> None:
        self._gateway = gateway
        self._selections = selections
        self._clock = clock

    async def list(
        self, *, type: str | None, queue: str | None, error_type: str | None, cursor: str | None, count_max: int
    ) -> JobList:
        """
        A page of them, newest accepted first. Damaged ones are named beside the others.

        Raises:
            BadQuery: The cursor is not of this list with this filter (`bad_cursor`).
        """
        selection = Selection(
            statuses=(JobStatus.FAILED,), type=type, queue=queue, error_type=error_type, is_unretried=True
        )
        cursors = Cursors(f"dead letters {msgspec.json.encode(selection).decode()}")
        page = await self._selections.page(selection, before=cursors.place(cursor), count_max=count_max)
        return job_list_of(page, cursors.cursor(page.next_before), as_of=self._clock.now())

    async def redrive(self, job_id: str, context: CallContext) -> Job:
        """
        Accept a new job that does again what the dead job *job_id* did; it is no longer listed.

        Raises:
            UnknownJob: No such job.
            IllegalTransition: It is not FAILED (`not_a_dead_letter`), or another job repeats it (`already_redriven`).
        """
        job = await self._gateway.job(job_id)
        if job.status is not JobStatus.FAILED:
            detail = f"job {job_id} is {job.status}; only a FAILED job is a dead letter"
            raise IllegalTransition(detail, code="not_a_dead_letter")
        earlier = await self._selections.retry_of(job_id)
        if earlier is not None:
            raise _already_redriven(job_id, earlier)
        # Two callers at once: the key lets one of them win.
        keyed = msgspec.structs.replace(context, idempotency_key=retry_key(job_id))
        submitted = await self._gateway.retry(job_id, keyed)
        if submitted.is_replay:
            raise _already_redriven(job_id, submitted.job.id)
        return submitted.job


def _already_redriven(job_id: str, by: str) -> IllegalTransition:
    return IllegalTransition(f"job {job_id} was redriven already: job {by} repeats it", code="already_redriven")
