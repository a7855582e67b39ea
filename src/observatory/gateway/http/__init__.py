"""The gateway over HTTP."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from observatory.core.sources import Clock, Ids
from observatory.edge.health import Check
from observatory.edge.http import ServiceApp, create_service_app, index_route
from observatory.edge.settings import EdgeSettings
from observatory.gateway.bulk import Bulk
from observatory.gateway.dead_letters import DeadLetters
from observatory.gateway.gateway import Gateway
from observatory.gateway.http.bulk import bulk_routes, dead_letter_routes
from observatory.gateway.http.jobs import batch_route, job_routes, submit_route
from observatory.gateway.http.queues import queue_routes
from observatory.gateway.http.schedules import schedule_routes
from observatory.gateway.http.views import view_routes
from observatory.gateway.metrics import GatewayMetrics
from observatory.gateway.queue_control import QueueControl
from observatory.gateway.rebuilding import Rebuilding
from observatory.gateway.schedules import ScheduleGateway


def create_gateway_app(
    gateway: Gateway,
    schedules: ScheduleGateway,
    *,
    rebuilding: Rebuilding,
    queue_control: QueueControl,
    bulk: Bulk,
    dead_letters: DeadLetters,
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
            *schedule_routes(schedules),
            *view_routes(rebuilding),
            *bulk_routes(bulk, metrics),
            *dead_letter_routes(dead_letters, metrics),
            *queue_routes(queue_control),
        ],
        registry=registry,
        checks=checks,
        clock=clock,
        ids=ids,
    )
