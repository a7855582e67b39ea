"""Services without routes of their own: those that nobody asks for anything but their health, and those not begun."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, route
from litestar.types import ControllerRouterHandler
from prometheus_client import CollectorRegistry

from observatory.core.errors import Unavailable
from observatory.core.sources import Clock, Ids
from observatory.edge.access import Access, RouteRule
from observatory.edge.asgi import AsgiApp, Receive, Scope, Send
from observatory.edge.health import Check
from observatory.edge.http import RULE, ServiceApp, create_service_app, index_route
from observatory.edge.settings import EdgeSettings


class NotBegun(Unavailable):
    """The service waits for something that it needs before its first work."""

    code = "not_begun"


def create_health_app(
    *, edge: EdgeSettings, registry: CollectorRegistry, checks: Sequence[Check], clock: Clock, ids: Ids
) -> ServiceApp:
    """
    The health of the service that *edge* names, as an ASGI application.

    Args:
        registry: Of this service alone.
    """
    return create_service_app(
        edge=edge,
        title=f"Task Observatory: {edge.service}",
        description="Says whether the service lives and whether it can work; it takes no requests.",
        routes=[index_route(edge)],
        registry=registry,
        checks=checks,
        clock=clock,
        ids=ids,
    )


class Gate:
    """
    Stands before *app* until the service has begun: its health can be asked for, everything else is answered with 503,
    whatever its query says: a caller who gets anything else gives up.

    Args:
        app: Takes over when the gate is opened. It hears of the beginning and the end of the process either way.
        checks: What is down while the gate is closed.
    """

    def __init__(self, app: AsgiApp, *, edge: EdgeSettings, checks: Sequence[Check], clock: Clock, ids: Ids) -> None:
        self._app = app
        self._closed = create_service_app(
            edge=edge,
            title=f"Task Observatory: {edge.service}",
            description="Has not begun.",
            routes=[_not_begun("/"), _not_begun("/{rest:path}")],
            registry=CollectorRegistry(),
            checks=checks,
            clock=clock,
            ids=ids,
        )
        self.is_open = False

    def open(self) -> None:
        """The service has begun."""
        self.is_open = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or what the server says about its own life."""
        if self.is_open or scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await self._closed(scope, receive, send)


def _not_begun(path: str) -> ControllerRouterHandler:
    rule = RouteRule(access=Access.OPEN, answers={503: None}, takes_any_query=True)

    @route(path, http_method=["GET", "POST", "PUT", "DELETE"], opt={RULE: rule}, include_in_schema=False)
    async def not_begun(request: Request[Any, Any, Any]) -> None:
        raise NotBegun("the service waits for its database")

    return not_begun
