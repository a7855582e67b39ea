"""Routes that submit jobs, and those of one job."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, asgi, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from observatory.contracts.wire import BatchAnswer, BatchItem
from observatory.core import limits
from observatory.core.errors import ObservatoryError, Refused
from observatory.core.strict_json import decode
from observatory.edge.access import Access, RouteRule
from observatory.edge.asgi import Head, RawHeaders, Receive, Scope, Send, answer, head_of
from observatory.edge.body import JSON_MEDIA_TYPE, NDJSON_MEDIA_TYPE, media_type_of, read_body
from observatory.edge.http import RULE, head_in, receive_of
from observatory.edge.http.calls import json_answer
from observatory.edge.problem import problem_of
from observatory.gateway.batch import documents_of_array, documents_of_lines
from observatory.gateway.gateway import Gateway
from observatory.gateway.http.calls import TRACED, accepted, context_of
from observatory.gateway.metrics import GatewayMetrics
from observatory.job_store.port import Submitted

_SUBMIT: Final = RouteRule(
    access=Access.WRITE,
    body="job-request",
    answers={200: "job", 201: "job"},
    problems=(409,),
    headers=TRACED,
    operations={
        "POST": (
            "submitJob",
            "Accept a job; 200 when the idempotency key is known; `Job-Warning` names members that mean nothing",
        )
    },
)
_BATCH: Final = RouteRule(
    access=Access.WRITE,
    body="job-batch-request",
    body_media_types=(JSON_MEDIA_TYPE, NDJSON_MEDIA_TYPE),
    answers={200: "job-batch-response"},
    headers=("traceparent",),
)
_CANCEL: Final = RouteRule(access=Access.WRITE, answers={200: "job", 202: "job"}, problems=(409,))
_RETRY: Final = RouteRule(access=Access.WRITE, answers={200: "job", 201: "job"}, problems=(409,), headers=TRACED)
_READ: Final = RouteRule(access=Access.READ, answers={200: "job"})


def submit_route(gateway: Gateway, metrics: GatewayMetrics) -> ControllerRouterHandler:
    """`POST /jobs`: most of all calls, so it reads and answers without the framework's request and response."""

    @asgi("/jobs", opt={RULE: _SUBMIT}, copy_scope=False)
    async def submit_job(scope: Scope, receive: Receive, send: Send) -> None:
        head = head_of(scope)
        try:
            media_type_of(head, (JSON_MEDIA_TYPE,))
            document: Any = decode(await read_body(head, receive, bytes_max=limits.BODY_BYTES_MAX))
            submitted = await gateway.submit(document, context_of(head))
        except ObservatoryError as error:
            metrics.reject(error)
            raise
        metrics.count([submitted])
        status, headers = accepted(submitted, gateway.warning_about(submitted.job, document))
        await answer(send, status, msgspec.json.encode(submitted.job), headers=_raw(headers))

    return submit_job


def batch_route(gateway: Gateway, metrics: GatewayMetrics) -> ControllerRouterHandler:
    """`POST /jobs/batch`."""

    @post("/jobs/batch", opt={RULE: _BATCH}, status_code=200, operation_id="submitBatch", tags=["jobs"])
    async def submit_batch(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Accept up to a thousand jobs, each by itself, answered in order; an item's `warning` is its `Job-Warning`."""
        head = head_in(request)
        if head.get(b"idempotency-key") is not None:
            raise Refused("a batch takes no Idempotency-Key; give each job its idempotencyKey", code="key_on_batch")
        media_type = media_type_of(head, (JSON_MEDIA_TYPE, NDJSON_MEDIA_TYPE))
        body = await read_body(head, receive_of(request), bytes_max=limits.BATCH_BODY_BYTES_MAX)
        documents = documents_of_lines(body) if media_type == NDJSON_MEDIA_TYPE else documents_of_array(body)
        answers = await gateway.submit_batch(documents, context_of(head))
        metrics.count(answers)
        items = tuple(_item(*one, gateway, head) for one in zip(answers, documents, strict=True))
        return json_answer(BatchAnswer(items=items))

    return submit_batch


def job_routes(gateway: Gateway, metrics: GatewayMetrics) -> list[ControllerRouterHandler]:
    """The routes of one job."""

    @get("/jobs/{job_id:uuid}", opt={RULE: _READ}, operation_id="jobAtGateway", tags=["jobs"])
    async def job_by_id(job_id: FromPath[UUID]) -> Response[bytes]:
        """The job as it is now; `Location` of a submit leads here."""
        return json_answer(await gateway.job(str(job_id)))

    @post("/jobs/{job_id:uuid}/cancel", opt={RULE: _CANCEL}, operation_id="cancelJob", tags=["jobs"])
    async def cancel(job_id: FromPath[UUID]) -> Response[bytes]:
        """Cancel a waiting job (200), or ask the running attempt to stop (202)."""
        cancelled = await gateway.cancel(str(job_id))
        return json_answer(cancelled.job, status=200 if cancelled.is_done else 202)

    @post("/jobs/{job_id:uuid}/retry", opt={RULE: _RETRY}, operation_id="retryJob", tags=["jobs"])
    async def retry(request: Request[Any, Any, Any], job_id: FromPath[UUID]) -> Response[bytes]:
        """Accept a new job that does again what this final one did."""
        submitted = await gateway.retry(str(job_id), context_of(head_in(request)))
        metrics.count([submitted])
        status, headers = accepted(submitted, gateway.warning_about(submitted.job))
        return json_answer(submitted.job, status=status, headers=headers)

    return [job_by_id, cancel, retry]


def _raw(headers: dict[str, str]) -> RawHeaders:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _item(one: Submitted | ObservatoryError, document: Any, gateway: Gateway, head: Head) -> BatchItem:
    if isinstance(one, Submitted):
        return BatchItem(job=one.job, warning=gateway.warning_about(one.job, document))
    return BatchItem(error=problem_of(one, correlation_id=head.correlation_id))
