"""The gateway over HTTP."""

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, asgi, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from prometheus_client import CollectorRegistry

from observatory.contracts.wire import BatchAnswer, BatchItem
from observatory.core import limits
from observatory.core.errors import ObservatoryError, Refused
from observatory.core.job import Job
from observatory.core.sources import Clock, Ids
from observatory.edge.access import Access, RouteRule
from observatory.edge.asgi import Head, RawHeaders, Receive, Scope, Send, answer, head_of
from observatory.edge.body import JSON_MEDIA_TYPE, NDJSON_MEDIA_TYPE, media_type_of, read_body
from observatory.edge.health import Check
from observatory.edge.http import RULE, ServiceApp, create_service_app, head_in, index_route, receive_of
from observatory.edge.problem import problem_of
from observatory.edge.settings import EdgeSettings
from observatory.gateway.batch import documents_of_array, documents_of_lines
from observatory.gateway.gateway import Gateway
from observatory.gateway.metrics import GatewayMetrics
from observatory.gateway.submit import CallContext
from observatory.job_store.port import Submitted

_KEY: Final = re.compile(rf"[A-Za-z0-9._:/-]{{1,{limits.IDEMPOTENCY_KEY_CHARS_MAX}}}")
_TRACEPARENT: Final = re.compile("[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACED: Final = ("Idempotency-Key", "traceparent")

_SUBMIT: Final = RouteRule(
    access=Access.WRITE,
    body="job-request",
    answers={200: "job", 201: "job"},
    problems=(409,),
    headers=_TRACED,
    operations={"POST": ("submitJob", "Accept a job; 200 when the idempotency key already belongs to it")},
)
_BATCH: Final = RouteRule(
    access=Access.WRITE,
    body="job-batch-request",
    body_media_types=(JSON_MEDIA_TYPE, NDJSON_MEDIA_TYPE),
    answers={200: "job-batch-response"},
    headers=("traceparent",),
)
_CANCEL: Final = RouteRule(access=Access.WRITE, answers={200: "job", 202: "job"}, problems=(409,))
_RETRY: Final = RouteRule(access=Access.WRITE, answers={200: "job", 201: "job"}, problems=(409,), headers=_TRACED)
_READ: Final = RouteRule(access=Access.READ, answers={200: "job"})


def create_gateway_app(
    gateway: Gateway,
    *,
    edge: EdgeSettings,
    registry: CollectorRegistry,
    checks: Sequence[Check],
    clock: Clock,
    ids: Ids,
) -> ServiceApp:
    """
    The gateway as an ASGI application.

    Args:
        registry: Of this service alone.
        checks: What `/readyz` asks.
    """
    metrics = GatewayMetrics(registry)
    return create_service_app(
        edge=edge,
        title="Task Observatory: gateway",
        description="Accepts jobs and carries out what callers want done with them. Questions go to the read model.",
        routes=[
            index_route(edge),
            submit_route(gateway, metrics),
            batch_route(gateway, metrics),
            *job_routes(gateway, metrics),
        ],
        registry=registry,
        checks=checks,
        clock=clock,
        ids=ids,
    )


def submit_route(gateway: Gateway, metrics: GatewayMetrics) -> ControllerRouterHandler:
    """`POST /jobs`: most of all calls, so it reads and answers without the framework's request and response."""

    @asgi("/jobs", opt={RULE: _SUBMIT}, copy_scope=False)
    async def submit_job(scope: Scope, receive: Receive, send: Send) -> None:
        head = head_of(scope)
        try:
            media_type_of(head, (JSON_MEDIA_TYPE,))
            body = await read_body(head, receive, bytes_max=limits.BODY_BYTES_MAX)
            submitted = await gateway.submit(body, context_of(head))
        except ObservatoryError as error:
            metrics.reject(error)
            raise
        metrics.count([submitted])
        status, headers = _accepted(submitted, gateway.warning_about(submitted.job))
        await answer(send, status, msgspec.json.encode(submitted.job), headers=_raw(headers))

    return submit_job


def batch_route(gateway: Gateway, metrics: GatewayMetrics) -> ControllerRouterHandler:
    """`POST /jobs/batch`."""

    @post("/jobs/batch", opt={RULE: _BATCH}, status_code=200, operation_id="submitBatch", tags=["jobs"])
    async def submit_batch(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Accept up to a thousand jobs, each by itself; answers come in the order of the request."""
        head = head_in(request)
        if head.get(b"idempotency-key") is not None:
            raise Refused("a batch takes no Idempotency-Key; give each job its idempotencyKey", code="key_on_batch")
        media_type = media_type_of(head, (JSON_MEDIA_TYPE, NDJSON_MEDIA_TYPE))
        body = await read_body(head, receive_of(request), bytes_max=limits.BATCH_BODY_BYTES_MAX)
        documents = documents_of_lines(body) if media_type == NDJSON_MEDIA_TYPE else documents_of_array(body)
        answers = await gateway.submit_batch(documents, context_of(head))
        metrics.count(answers)
        items = tuple(_item(one, gateway, head) for one in answers)
        return _json(BatchAnswer(items=items))

    return submit_batch


def job_routes(gateway: Gateway, metrics: GatewayMetrics) -> list[ControllerRouterHandler]:
    """The routes of one job."""

    @get("/jobs/{job_id:uuid}", opt={RULE: _READ}, operation_id="jobAtGateway", tags=["jobs"])
    async def job_by_id(job_id: FromPath[UUID]) -> Response[bytes]:
        """The job as it is now; `Location` of a submit leads here."""
        return _json(await gateway.job(str(job_id)))

    @post("/jobs/{job_id:uuid}/cancel", opt={RULE: _CANCEL}, operation_id="cancelJob", tags=["jobs"])
    async def cancel(job_id: FromPath[UUID]) -> Response[bytes]:
        """Cancel a waiting job (200), or ask the running attempt to stop (202)."""
        cancelled = await gateway.cancel(str(job_id))
        return _json(cancelled.job, status=200 if cancelled.is_done else 202)

    @post("/jobs/{job_id:uuid}/retry", opt={RULE: _RETRY}, operation_id="retryJob", tags=["jobs"])
    async def retry(request: Request[Any, Any, Any], job_id: FromPath[UUID]) -> Response[bytes]:
        """Accept a new job that does again what this final one did."""
        submitted = await gateway.retry(str(job_id), context_of(head_in(request)))
        metrics.count([submitted])
        status, headers = _accepted(submitted, gateway.warning_about(submitted.job))
        return _json(submitted.job, status=status, headers=headers)

    return [job_by_id, cancel, retry]


def context_of(head: Head) -> CallContext:
    """
    What the headers of a call say about the jobs that it submits.

    Raises:
        Refused: The idempotency key is not one (`bad_idempotency_key`).
    """
    key = head.get(b"idempotency-key")
    if key is not None and (_KEY.fullmatch(key) is None or b"idempotency-key" in head.repeated):
        detail = "Idempotency-Key must have 1 to 128 letters, digits, dots, underscores, colons, slashes or hyphens"
        raise Refused(detail, code="bad_idempotency_key")
    traceparent = head.get(b"traceparent")
    is_traced = traceparent is not None and _TRACEPARENT.fullmatch(traceparent) is not None
    return CallContext(
        correlation_id=head.correlation_id, idempotency_key=key, traceparent=traceparent if is_traced else None
    )


def _accepted(submitted: Submitted, warning: str | None) -> tuple[int, dict[str, str]]:
    headers = {"Location": f"/jobs/{submitted.job.id}"}
    if warning is not None:
        headers["Job-Warning"] = warning
    if submitted.is_replay:
        return 200, headers | {"Idempotency-Replayed": "true"}
    return 201, headers


def _raw(headers: dict[str, str]) -> RawHeaders:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _item(one: Submitted | ObservatoryError, gateway: Gateway, head: Head) -> BatchItem:
    if isinstance(one, Submitted):
        return BatchItem(job=one.job, warning=gateway.warning_about(one.job))
    return BatchItem(error=problem_of(one, correlation_id=head.correlation_id))


def _json(value: Job | BatchAnswer, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(msgspec.json.encode(value), status_code=status, media_type=JSON_MEDIA_TYPE, headers=headers)
