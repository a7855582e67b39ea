"""Routes of actions on many jobs, and of dead letters."""

from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from observatory.core import limits
from observatory.edge.access import Access, RouteRule
from observatory.edge.http import RULE, head_in
from observatory.edge.http.calls import document_in, json_answer
from observatory.edge.http.parameters import Cursor, JobType, Limit, Queue
from observatory.gateway.bulk import Bulk
from observatory.gateway.dead_letters import DeadLetters
from observatory.gateway.http.calls import context_of
from observatory.gateway.metrics import GatewayMetrics
from observatory.job_store.port import Submitted

_BULK: Final = RouteRule(access=Access.WRITE, body="bulk-request", answers={200: "bulk-response"})
_RETRY: Final = RouteRule(
    access=Access.WRITE, body="bulk-request", answers={200: "bulk-response"}, headers=("traceparent",)
)
_LIST: Final = RouteRule(access=Access.READ, answers={200: "job-list"})
_REDRIVE: Final = RouteRule(access=Access.WRITE, answers={201: "job"}, problems=(409,), headers=("traceparent",))

ErrorType = Annotated[str | None, QueryParameter(name="errorType", max_length=limits.ERROR_TYPE_CHARS_MAX)]


def bulk_routes(bulk: Bulk, metrics: GatewayMetrics) -> list[ControllerRouterHandler]:
    """`POST /jobs/cancel` and `POST /jobs/retry`."""

    @post("/jobs/cancel", opt={RULE: _BULK}, status_code=200, operation_id="cancelJobs", tags=["jobs"])
    async def cancel_jobs(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Cancel the jobs that match a filter, or count them; go on with `nextCursor` until it is null."""
        return json_answer(await bulk.cancel(await document_in(request)))

    @post("/jobs/retry", opt={RULE: _RETRY}, status_code=200, operation_id="retryJobs", tags=["jobs"])
    async def retry_jobs(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Accept a copy of each final job that matches a filter, or count them; each is copied once, however often."""
        document = await document_in(request)
        return json_answer(await bulk.retry(document, context_of(head_in(request)), note=metrics.count))

    return [cancel_jobs, retry_jobs]


def dead_letter_routes(dead_letters: DeadLetters, metrics: GatewayMetrics) -> list[ControllerRouterHandler]:
    """`GET /dead-letters` and the redrive of one."""

    @get("/dead-letters", opt={RULE: _LIST}, operation_id="deadLetters", tags=["dead letters"])
    async def list_dead_letters(
        *,
        type: JobType = None,
        queue: Queue = None,
        error_type: ErrorType = None,
        limit: Limit = limits.PAGE_ITEMS_DEFAULT,
        cursor: Cursor = None,
    ) -> Response[bytes]:
        """Jobs that ended FAILED and that no other job repeats, newest accepted first."""
        page = await dead_letters.list(type=type, queue=queue, error_type=error_type, cursor=cursor, count_max=limit)
        return json_answer(page)

    @post("/dead-letters/{job_id:uuid}/redrive", opt={RULE: _REDRIVE}, operation_id="redrive", tags=["dead letters"])
    async def redrive(request: Request[Any, Any, Any], job_id: FromPath[UUID]) -> Response[bytes]:
        """Accept a new job that does again what this dead one did; 409 names the one that does so already."""
        job = await dead_letters.redrive(str(job_id), context_of(head_in(request)))
        metrics.count([Submitted(job, is_replay=False)])
        return json_answer(job, status=201, headers={"Location": f"/jobs/{job.id}"})

    return [list_dead_letters, redrive]
