"""Puts a service together: its routes and those that every service has, in Litestar, behind the door."""

import functools
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import structlog
from litestar import Litestar, Request, Response, get
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ControllerRouterHandler
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from observatory.contracts.violation import quoted
from observatory.contracts.wire import PROBLEM_MEDIA_TYPE
from observatory.core.errors import BadQuery, Unavailable
from observatory.core.job import JsonObject
from observatory.core.sources import Clock, Ids
from observatory.edge.access import Access, RouteRule, check_access
from observatory.edge.asgi import AsgiApp, Head, Receive, head_of
from observatory.edge.door import Door
from observatory.edge.health import Check, Readiness, readiness_of
from observatory.edge.http.query_words import query_fault, wire_name
from observatory.edge.links import links_of
from observatory.edge.metrics import HttpMetrics
from observatory.edge.openapi import completed
from observatory.edge.pages import Asset, load_assets, page_policy
from observatory.edge.problem import TYPE_PREFIX, HttpRefused, headers_of, problem_of
from observatory.edge.settings import EdgeSettings

_log = structlog.get_logger("observatory.edge")

RULE: Final = "rule"
"""Under this name a route keeps its `RouteRule`."""

_PROBE_RULE: Final = {RULE: RouteRule(access=Access.OPEN, answers={200: None}, problems=(503,))}
_PAGE_RULE: Final = {RULE: RouteRule(access=Access.OPEN, answers={200: None})}
_DOCS: Final = ("docs.html", "docs.js", "docs.css")

BeforeMetrics = Callable[[], Awaitable[None]]


class ServiceApp:
    """
    One service as an ASGI application.

    Attributes:
        litestar: The application behind the door, for tests that walk its routes.
    """

    def __init__(self, litestar: Litestar, door: Door, openapi: Callable[[], JsonObject]) -> None:
        self.litestar = litestar
        self._door = door
        self.openapi = openapi
        """Gives the OpenAPI document, as `/openapi.json` answers it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._door(scope, receive, send)


def create_service_app(
    *,
    edge: EdgeSettings,
    title: str,
    description: str,
    routes: Sequence[ControllerRouterHandler],
    registry: CollectorRegistry,
    checks: Sequence[Check],
    clock: Clock,
    ids: Ids,
    before_metrics: BeforeMetrics | None = None,
) -> ServiceApp:
    """
    The service that *edge* names.

    Args:
        routes: Each with its rule under `RULE`.
        registry: Of this service alone.
        before_metrics: Awaited before the registry is read.
    """

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        scope: Any = connection.scope
        if scope["method"] == "OPTIONS":
            raise _wrong_method(methods_of(litestar, scope["path_template"]))
        rule = rule_of(handler)
        check_method(scope["method"], rule)
        check_access(edge, rule.access, head_in(connection).get(b"authorization"))
        if not rule.takes_any_query:
            check_query(connection, handler)

    @functools.cache
    def openapi() -> JsonObject:
        config = OpenAPIConfig(title=title, version=edge.version, description=description, use_handler_docstrings=True)
        return document_of(every_route, config)

    every_route = [*routes, *_probes(edge, checks), _metrics_route(registry, before_metrics), *_documents(openapi)]
    litestar = Litestar(
        every_route,
        openapi_config=None,
        guards=[guard],
        exception_handlers={Exception: to_problem, HTTPException: to_problem},
        logging_config=None,
        request_max_body_size=None,
        debug=False,
    )
    door = Door(_as_asgi(litestar), settings=edge, metrics=HttpMetrics(registry, edge), clock=clock, ids=ids)
    return ServiceApp(litestar, door, openapi)


# The framework spells the types of ASGI more narrowly than we do; the objects are the same.


def _as_asgi(litestar: Litestar) -> AsgiApp:
    app: Any = litestar
    return app


def head_in(connection: ASGIConnection[Any, Any, Any, Any]) -> Head:
    """The head of the request that *connection* stands for."""
    scope: Any = connection.scope
    return head_of(scope)


def receive_of(request: Request[Any, Any, Any]) -> Receive:
    """What gives the body of *request*."""
    receive: Any = request.receive
    return receive


# --- rules --------------------------------------------------------------------------------------


def rule_of(handler: BaseRouteHandler) -> RouteRule:
    """The rule of *handler*. A route without one is a programmer's error and answers nobody."""
    rule = handler.opt.get(RULE)
    assert isinstance(rule, RouteRule), f"{handler} has no rule"
    return rule


def check_method(method: str, rule: RouteRule) -> None:
    """
    Hold a route that the framework hands every method to, to its own ones.

    Raises:
        HttpRefused: 405.
    """
    if rule.operations and method not in rule.operations:
        raise _wrong_method(rule.operations)


def methods_of(litestar: Litestar, path_template: str) -> list[str]:
    """The methods that the routes at *path_template* say they take."""
    handlers = [handler for path, handler in _handlers(litestar) if path == path_template and RULE in handler.opt]
    return [str(method) for handler in handlers for method in methods_of_handler(handler)]


def methods_of_handler(handler: BaseRouteHandler) -> Iterable[str]:
    """The methods of *handler*: those of its rule when the framework hands it every one."""
    return rule_of(handler).operations or sorted(getattr(handler, "http_methods", ()))


def _handlers(litestar: Litestar) -> Iterator[tuple[str, BaseRouteHandler]]:
    """Every handler with the template of its path; the framework adds one for OPTIONS to most paths, without a rule."""
    for route in litestar.routes:
        for handler in getattr(route, "route_handlers", None) or [getattr(route, "route_handler", None)]:
            if handler is not None:
                yield route.path_format, handler


def _wrong_method(allowed: Iterable[str]) -> HttpRefused:
    # The door turns HEAD into GET, and answers the only OPTIONS that there is: a preflight.
    known = [method for method in allowed if method != "OPTIONS"]
    names = ", ".join([*known, "HEAD"] if "GET" in known else known)
    detail = f"this address does not take that method; it takes {names}"
    return HttpRefused(405, "method_not_allowed", detail, headers=(("Allow", names),))


def check_query(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """
    A parameter that a route does not know would be ignored silently; refuse it.

    Raises:
        BadQuery: An unknown parameter, or one that is given twice.
    """
    query: bytes = connection.scope["query_string"]
    if not query:
        return
    known = query_names(handler)
    seen: set[str] = set()
    for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in known:
            raise BadQuery(f"unknown query parameter {quoted(name)}; known are: {', '.join(sorted(known)) or 'none'}")
        if name in seen:
            raise BadQuery(f"the query parameter {name} is given twice")
        seen.add(name)


def query_names(handler: BaseRouteHandler) -> set[str]:
    """The query parameters of *handler*, as they stand in the address."""
    if not isinstance(handler, HTTPRouteHandler):
        return set()
    in_path = {name for path in handler.paths for name in _PATH_PARAMETER.findall(path)}
    names: set[str] = set()
    for name, field in handler.parsed_fn_signature.parameters.items():
        if name in in_path or name in _NOT_QUERY:
            continue
        names.add(wire_name(name, field))
    return names


_PATH_PARAMETER: Final = re.compile(r"\{([a-z_]+):")
_NOT_QUERY: Final = frozenset({"request", "scope", "headers", "state", "data", "body"})


# --- errors -------------------------------------------------------------------------------------


def to_problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to any error of a route."""
    scope: Any = request.scope
    known = _translated(error, scope.get("route_handler"))
    head = head_in(request)
    problem = problem_of(known, correlation_id=head.correlation_id, is_read=scope["method"] == "GET")
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request failed", correlation_id=head.correlation_id, exc_info=error)
    elif isinstance(known, Unavailable):
        _log.warning("dependency unavailable", code=known.code, reason=str(known), correlation_id=head.correlation_id)
    body = msgspec.json.encode(problem)
    return Response(body, status_code=problem.status, media_type=PROBLEM_MEDIA_TYPE, headers=dict(headers_of(known)))


def _translated(error: Exception, handler: object) -> Exception:
    """An error of the framework, met on the way to *handler*, as one of ours; every other one as it is."""
    match error:
        case ValidationException():
            return BadQuery(_validation_detail(error, handler), code="bad_query")
        case NotFoundException():
            return HttpRefused(404, "not_found", "nothing is here; /openapi.json lists what is")
        case MethodNotAllowedException():
            return _wrong_method((error.headers or {}).get("allow", "").split(", "))
        case HTTPException() if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            return HttpRefused(error.status_code, "bad_request", HTTPStatus(error.status_code).phrase)
        case _:
            return error


def _validation_detail(error: ValidationException, handler: object) -> str:
    faults: list[Any] = error.extra if isinstance(error.extra, list) else []
    named = [query_fault(handler, str(fault["key"])) for fault in faults if "key" in fault]
    return "; ".join(named) or "a query parameter is wrong"


# --- the routes of every service ------------------------------------------------------------------


def _probes(edge: EdgeSettings, checks: Sequence[Check]) -> list[ControllerRouterHandler]:
    @get("/healthz", opt=_PROBE_RULE, operation_id="healthz", summary="Is the process alive?", tags=["service"])
    async def healthz() -> dict[str, str]:
        return {"status": "live", "service": edge.service, "version": edge.version}

    @get("/readyz", opt=_PROBE_RULE, operation_id="readyz", summary="Can it work? Names what is down", tags=["service"])
    async def readyz() -> Response[bytes]:
        return readiness_answer(await readiness_of(checks, service=edge.service, version=edge.version))

    return [healthz, readyz]


def readiness_answer(readiness: Readiness) -> Response[bytes]:
    """200 when all is up; else a problem that names what is down and still carries every check."""
    if readiness.is_ready:
        return Response(msgspec.json.encode(readiness), media_type="application/json")
    down = Unavailable(f"down: {', '.join(readiness.down)}")
    problem = msgspec.to_builtins(problem_of(down))
    problem |= {"code": "not_ready", "type": TYPE_PREFIX + "not_ready", "detail": str(down)}
    body = msgspec.json.encode(msgspec.to_builtins(readiness) | problem | {"state": readiness.status})
    return Response(body, status_code=503, media_type=PROBLEM_MEDIA_TYPE, headers=dict(headers_of(down)))


def _metrics_route(registry: CollectorRegistry, before: BeforeMetrics | None) -> ControllerRouterHandler:
    rule = {RULE: RouteRule(access=Access.READ, answers={200: None})}

    @get("/metrics", opt=rule, operation_id="metrics", summary="Prometheus metrics", tags=["service"])
    async def metrics() -> Response[bytes]:
        if before is not None:
            await before()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return metrics


def _documents(openapi: Callable[[], JsonObject]) -> list[ControllerRouterHandler]:
    assets = load_assets("observatory.edge", "docs", _DOCS)

    @get("/openapi.json", opt=_PAGE_RULE, operation_id="openapi", summary="This document", tags=["service"])
    async def openapi_json() -> Response[bytes]:
        return Response(msgspec.json.encode(openapi()), media_type="application/json")

    return [
        openapi_json,
        page_route("/docs", assets["docs.html"], policy=page_policy()),
        page_route("/docs/docs.js", assets["docs.js"]),
        page_route("/docs/docs.css", assets["docs.css"]),
    ]


def index_route(edge: EdgeSettings) -> ControllerRouterHandler:
    """`GET /` of a service that is no page: what it is, and where the others are."""

    @get("/", opt=_PAGE_RULE, operation_id="index", tags=["service"])
    async def index(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """What this service is, and the addresses of the others (`links`)."""
        links = links_in(request, edge) | {"docs": "/docs", "openapi": "/openapi.json"}
        return {"service": edge.service, "version": edge.version, "links": links}

    return index


def links_in(request: Request[Any, Any, Any], edge: EdgeSettings) -> dict[str, str]:
    """The addresses of all services, as seen by the caller."""
    host = head_in(request).get(b"host")
    assert host is not None, "the door lets nobody in without"
    return links_of(edge, scheme=request.url.scheme, host=host)


def page_route(path: str, asset: Asset, *, policy: str | None = None) -> ControllerRouterHandler:
    """
    A route for one file of a page; a browser that has it is told so (304).

    Args:
        policy: Content security policy, for a page of HTML.
    """
    headers = {"ETag": asset.etag, "Cache-Control": "no-cache"}
    if policy is not None:
        headers["Content-Security-Policy"] = policy

    @get(path, opt=_PAGE_RULE, include_in_schema=False)
    async def page(request: Request[Any, Any, Any]) -> Response[bytes]:
        is_known = head_in(request).get(b"if-none-match") == asset.etag
        if is_known:
            return Response(b"", status_code=304, media_type=asset.media_type, headers=headers)
        return Response(asset.body, media_type=asset.media_type, headers=headers)

    return page


# --- the document ---------------------------------------------------------------------------------


def document_of(routes: Sequence[ControllerRouterHandler], config: OpenAPIConfig) -> JsonObject:
    """The OpenAPI document of *routes*. The application made for it is never served."""
    documented = Litestar(routes, openapi_config=config, logging_config=None)
    rules: dict[tuple[str, str], RouteRule] = {}
    for path, handler in _handlers(documented):
        if RULE in handler.opt and getattr(handler, "include_in_schema", True):
            rules |= {(path, str(method).lower()): rule_of(handler) for method in methods_of_handler(handler)}
    return completed(documented.openapi_schema.to_schema(), rules)
