"""The read model over HTTP."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from observatory.core.sources import Clock, Ids
from observatory.edge.health import Check
from observatory.edge.http import ServiceApp, create_service_app, index_route
from observatory.edge.settings import EdgeSettings
from observatory.read_model.explaining import Explaining
from observatory.read_model.http.attempt_logs import attempt_log_routes
from observatory.read_model.http.events import event_routes
from observatory.read_model.http.explanations import explanation_routes
from observatory.read_model.http.jobs import job_routes
from observatory.read_model.http.numbers import number_routes
from observatory.read_model.http.parts import part_routes
from observatory.read_model.http.schedules import schedule_routes
from observatory.read_model.http.stream import stream_route
from observatory.read_model.metrics import StatsCollector, StreamsCollector
from observatory.read_model.read_model import ReadModel
from observatory.read_model.schedules import ScheduleReadModel
from observatory.read_model.stream import Streams


def create_read_model_app(
    read_model: ReadModel,
    schedules: ScheduleReadModel,
    explaining: Explaining,
    *,
    streams: Streams,
    edge: EdgeSettings,
    registry: CollectorRegistry,
    checks: Sequence[Check],
    clock: Clock,
    ids: Ids,
) -> ServiceApp:
    """
    The read model as an ASGI application.

    Args:
        streams: Those that `GET /stream` opens.
        registry: Of this service alone.
        checks: What `/readyz` and `/health` ask.
    """
    collector = StatsCollector(read_model, registry)
    registry.register(StreamsCollector(streams))
    return create_service_app(
        edge=edge,
        title="Task Observatory: read model",
        description="Answers questions about jobs, their history and the parts that run them. Changes nothing.",
        routes=[
            index_route(edge),
            *number_routes(read_model, edge, checks),
            *job_routes(read_model),
            *explanation_routes(explaining),
            *attempt_log_routes(read_model),
            *event_routes(read_model),
            stream_route(streams),
            *part_routes(read_model, edge),
            *schedule_routes(schedules),
        ],
        registry=registry,
        checks=checks,
        clock=clock,
        ids=ids,
        before_metrics=collector.refresh,
    )
