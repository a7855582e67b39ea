"""The web server over HTTP: the page, and where it finds the others."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.types import ControllerRouterHandler
from prometheus_client import CollectorRegistry

from observatory.core.sources import Clock, Ids
from observatory.edge.access import Access, RouteRule
from observatory.edge.health import Check
from observatory.edge.http import RULE, ServiceApp, create_service_app, head_in, links_in, page_route
from observatory.edge.pages import Asset, load_assets, page_policy
from observatory.edge.settings import EdgeSettings

_FILES = ("index.html", "page.css", "page.js", "view.js", "icon.svg")


def create_web_app(
    *, edge: EdgeSettings, registry: CollectorRegistry, checks: Sequence[Check], clock: Clock, ids: Ids
) -> ServiceApp:
    """
    The web server as an ASGI application.

    Args:
        registry: Of this service alone.
        checks: What `/readyz` asks; the page itself needs nothing.
    """
    assets = load_assets("observatory.web_server", "page", _FILES)
    files = [page_route(f"/{name}", assets[name]) for name in _FILES if name != "index.html"]
    return create_service_app(
        edge=edge,
        title="Task Observatory: web",
        description="Serves the live page, which asks the read model.",
        routes=[index_page(assets["index.html"], edge), config_route(edge), *files],
        registry=registry,
        checks=checks,
        clock=clock,
        ids=ids,
    )


def index_page(asset: Asset, edge: EdgeSettings) -> ControllerRouterHandler:
    """The page. Its policy lets its scripts call the read model under the name the browser used, and nothing else."""

    @get("/", opt={RULE: RouteRule(access=Access.OPEN, answers={200: None})}, include_in_schema=False)
    async def index(request: Request[Any, Any, Any]) -> Response[bytes]:
        policy = page_policy(connect=(links_in(request, edge)["readModel"],))
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache", "ETag": asset.etag}
        if head_in(request).get(b"if-none-match") == asset.etag:
            return Response(b"", status_code=304, media_type=asset.media_type, headers=headers)
        return Response(asset.body, media_type=asset.media_type, headers=headers)

    return index


def config_route(edge: EdgeSettings) -> ControllerRouterHandler:
    """What the page has to know before it can ask."""

    @get(
        "/config.json",
        opt={RULE: RouteRule(access=Access.OPEN, answers={200: None})},
        operation_id="pageConfig",
        tags=["page"],
    )
    async def config(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """The version and the addresses of the other services, under the name the browser used."""
        return {"version": edge.version, "links": links_in(request, edge)}

    return config
