"""Jobs, read from the truth."""

from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from observatory.contracts.wire import JobList
from observatory.core import limits
from observatory.edge.body import JSON_MEDIA_TYPE
from observatory.edge.http.calls import json_answer
from observatory.edge.http.parameters import Cursor, JobType, Limit, Queue
from observatory.job_store.port import JobFilter
from observatory.read_model.http.answers import answers
from observatory.read_model.http.parameters import CorrelationId, IdempotencyKey, Status
from observatory.read_model.read_model import ReadModel


def job_routes(read_model: ReadModel) -> list[ControllerRouterHandler]:
    """Jobs, read from the truth."""

    @get("/jobs", opt=answers("job-list"), operation_id="jobs", tags=["jobs"])
    async def jobs(
        *,
        status: Status = None,
        type: JobType = None,
        queue: Queue = None,
        correlation_id: CorrelationId = None,
        idempotency_key: IdempotencyKey = None,
        limit: Limit = limits.PAGE_ITEMS_DEFAULT,
        cursor: Cursor = None,
    ) -> Response[bytes]:
        """Jobs that match every filter given, newest accepted first."""
        wanted = JobFilter(
            status=status,
            type=type,
            queue=queue,
            correlation_id=None if correlation_id is None else str(correlation_id),
            idempotency_key=idempotency_key,
        )
        return json_answer(await read_model.jobs(wanted, cursor=cursor, count_max=limit))

    @get("/jobs/recent", opt=answers("job[]"), operation_id="recentJobs", tags=["jobs"])
    async def recent_jobs(limit: Limit = limits.PAGE_ITEMS_DEFAULT) -> Response[bytes]:
        """The jobs accepted last, newest first, as a bare array; fewer when large, or damaged (see `Job-Warning`)."""
        found = await read_model.recent_jobs(count_max=limit)
        return Response(msgspec.json.encode(found.items), media_type=JSON_MEDIA_TYPE, headers=_warning(found))

    @get("/jobs/{job_id:uuid}", opt=answers("job"), operation_id="job", tags=["jobs"])
    async def job_by_id(job_id: FromPath[UUID]) -> Response[bytes]:
        """One job as it is now."""
        return json_answer(await read_model.job(str(job_id)))

    return [jobs, recent_jobs, job_by_id]


def _warning(found: JobList) -> dict[str, str]:
    """What a bare array has no place for."""
    if found.unreadable is msgspec.UNSET:
        return {}
    count, named = len(found.unreadable), ", ".join(found.unreadable[: limits.VIOLATIONS_NAMED_MAX])
    more = f" and {count - limits.VIOLATIONS_NAMED_MAX} more" if count > limits.VIOLATIONS_NAMED_MAX else ""
    return {"Job-Warning": f"row_unreadable: left out, because the stored row is damaged: {named}{more}"}
