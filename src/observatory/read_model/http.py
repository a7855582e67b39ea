"""The read model over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler
from prometheus_client import CollectorRegistry

from observatory.contracts.wire import JobList
from observatory.core import limits
from observatory.core.job import JobStatus
from observatory.core.sources import Clock, Ids
from observatory.edge.access import Access, RouteRule
from observatory.edge.health import Check, readiness_of
from observatory.edge.http import RULE, ServiceApp, create_service_app, index_route, readiness_answer
from observatory.edge.settings import EdgeSettings
from observatory.event_log.port import EventFilter
from observatory.job_store.port import JobFilter
from observatory.read_model import cloud_events
from observatory.read_model.metrics import StatsCollector
from observatory.read_model.read_model import ReadModel

_LIMIT = "Items on one page; fewer come when they are large."
Limit = Annotated[int, QueryParameter(ge=1, le=limits.PAGE_ITEMS_MAX, description=_LIMIT)]
Cursor = Annotated[
    str | None, QueryParameter(max_length=limits.CURSOR_CHARS_MAX, description="`nextCursor` of the page before.")
]
Status = Annotated[JobStatus | None, QueryParameter()]
JobType = Annotated[str | None, QueryParameter(max_length=limits.JOB_TYPE_CHARS_MAX)]
Queue = Annotated[str | None, QueryParameter(max_length=limits.QUEUE_NAME_CHARS_MAX)]
CorrelationId = Annotated[UUID | None, QueryParameter(name="correlationId")]
IdempotencyKey = Annotated[
    str | None, QueryParameter(name="idempotencyKey", max_length=limits.IDEMPOTENCY_KEY_CHARS_MAX)
]
EventTypeName = Annotated[str | None, QueryParameter(max_length=64, description="An event type such as job.completed.")]
JobIdQuery = Annotated[UUID | None, QueryParameter(name="jobId")]
After = Annotated[
    int | None, QueryParameter(ge=0, le=limits.JSON_INTEGER_MAX, description="Only events with a greater position.")
]
Format = Annotated[
    Literal["envelope", "cloudevents"], QueryParameter(name="format", description="cloudevents: a bare array of them.")
]


def create_read_model_app(
    read_model: ReadModel,
    *,
    edge: EdgeSettings,
    registry: CollectorRegistry,
    checks: Sequence[Check],
    clock: Clock,
    ids: Ids,
) -> ServiceApp:
    """
    The read model as an ASGI application.

    Args:
        registry: Of this service alone.
        checks: What `/readyz` and `/health` ask.
    """
    collector = StatsCollector(read_model, registry)
    return create_service_app(
        edge=edge,
        title="Task Observatory: read model",
        description="Answers questions about jobs, their history and the parts that run them. Changes nothing.",
        routes=[
            index_route(edge),
            *number_routes(read_model, edge, checks),
            *job_routes(read_model),
            *event_routes(read_model),
            *part_routes(read_model, edge),
        ],
        registry=registry,
        checks=checks,
        clock=clock,
        ids=ids,
        before_metrics=collector.refresh,
    )


def number_routes(read_model: ReadModel, edge: EdgeSettings, checks: Sequence[Check]) -> list[ControllerRouterHandler]:
    """`/stats` and `/health`."""

    @get("/stats", opt=_answers("stats"), operation_id="stats", tags=["numbers"])
    async def stats() -> Response[bytes]:
        """What the event history adds up to, with the position up to which it was added."""
        return _json(await read_model.stats())

    @get("/health", opt=_answers(None), operation_id="health", tags=["service"])
    async def health() -> Response[bytes]:
        """Whether every store behind this service answers; names the one that does not."""
        return readiness_answer(await readiness_of(checks, service=edge.service, version=edge.version))

    return [stats, health]


def job_routes(read_model: ReadModel) -> list[ControllerRouterHandler]:
    """Jobs, read from the truth."""

    @get("/jobs", opt=_answers("job-list"), operation_id="jobs", tags=["jobs"])
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
        return _json(await read_model.jobs(wanted, cursor=cursor, count_max=limit))

    @get("/jobs/recent", opt=_answers("job[]"), operation_id="recentJobs", tags=["jobs"])
    async def recent_jobs(limit: Limit = limits.PAGE_ITEMS_DEFAULT) -> Response[bytes]:
        """The jobs accepted last, newest first, as a bare array; fewer when large, or damaged (see `Job-Warning`)."""
        found = await read_model.recent_jobs(count_max=limit)
        return Response(msgspec.json.encode(found.items), media_type=_JSON, headers=_warning(found))

    @get("/jobs/{job_id:uuid}", opt=_answers("job"), operation_id="job", tags=["jobs"])
    async def job_by_id(job_id: FromPath[UUID]) -> Response[bytes]:
        """One job as it is now."""
        return _json(await read_model.job(str(job_id)))

    return [jobs, recent_jobs, job_by_id]


def event_routes(read_model: ReadModel) -> list[ControllerRouterHandler]:
    """Events, read from the history."""

    @get("/jobs/{job_id:uuid}/events", opt=_answers("event-list"), operation_id="eventsOfJob", tags=["events"])
    async def events_of_job(
        job_id: FromPath[UUID], limit: Limit = limits.PAGE_ITEMS_MAX, cursor: Cursor = None
    ) -> Response[bytes]:
        """The history of one job, in order."""
        return _json(await read_model.events_of_job(str(job_id), cursor=cursor, count_max=limit))

    @get("/events", opt=_answers("event-list"), operation_id="events", tags=["events"])
    async def events(
        *,
        job_id: JobIdQuery = None,
        type: EventTypeName = None,
        after: After = None,
        limit: Limit = limits.PAGE_ITEMS_DEFAULT,
        cursor: Cursor = None,
        format: Format = "envelope",
    ) -> Response[bytes]:
        """Events that match every filter given, in order of position."""
        wanted = EventFilter(job_id=None if job_id is None else str(job_id), event_type=type)
        page = await read_model.events(wanted, after=after, cursor=cursor, count_max=limit)
        if format == "envelope":
            return _json(page)
        filters = {"jobId": job_id, "type": type, "limit": limit, "format": format, "cursor": page.next_cursor}
        query = urlencode({name: value for name, value in filters.items() if value is not None})
        headers = {} if page.next_cursor is None else {"Link": f'</events?{query}>; rel="next"'}
        body = msgspec.json.encode([cloud_events.cloud_event(event) for event in page.items])
        return Response(body, media_type=cloud_events.MEDIA_TYPE, headers=headers)

    return [events_of_job, events]


def part_routes(read_model: ReadModel, edge: EdgeSettings) -> list[ControllerRouterHandler]:
    """What runs the jobs, and what can be looked at."""

    @get("/queues", opt=_answers("queue-list"), operation_id="queues", tags=["parts"])
    async def queues() -> Response[bytes]:
        """Queues that have a job which is not final."""
        return _json(await read_model.queues())

    @get("/workers", opt=_answers("worker-list"), operation_id="workers", tags=["parts"])
    async def workers() -> Response[bytes]:
        """Processors as they described themselves, and whether they were heard of lately."""
        return _json(await read_model.workers())

    @get("/types", opt=_answers("type-list"), operation_id="types", tags=["parts"])
    async def types() -> Response[bytes]:
        """Job types that some processor announced."""
        return _json(await read_model.types())

    @get("/ui-registry", opt=_answers("ui-registry"), operation_id="uiRegistry", tags=["parts"])
    async def ui_registry() -> Response[bytes]:
        """User interfaces that can be opened; the ports of this installation's own are its actual ones."""
        actual = {
            "web-dashboard": edge.web_port,
            "gateway-docs": edge.gateway_port,
            "read-model-docs": edge.read_model_port,
        }
        entries = tuple(
            msgspec.structs.replace(entry, port=actual.get(entry.id, entry.port)) for entry in read_model.uis.entries
        )
        return _json(msgspec.structs.replace(read_model.uis, entries=entries))

    return [queues, workers, types, ui_registry]


def _warning(found: JobList) -> dict[str, str]:
    """What a bare array has no place for."""
    if found.unreadable is msgspec.UNSET:
        return {}
    count, named = len(found.unreadable), ", ".join(found.unreadable[: limits.VIOLATIONS_NAMED_MAX])
    more = f" and {count - limits.VIOLATIONS_NAMED_MAX} more" if count > limits.VIOLATIONS_NAMED_MAX else ""
    return {"Job-Warning": f"row_unreadable: left out, because the stored row is damaged: {named}{more}"}


def _answers(contract: str | None) -> dict[str, Any]:
    return {RULE: RouteRule(access=Access.READ, answers={200: contract})}


def _json(value: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(value), media_type=_JSON)


_JSON: Final = "application/json"
