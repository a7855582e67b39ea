"""The door: what happens to every request of every service, whichever route it is for.

In: correlation id, bounds of the head, Host and Origin. Out: security headers, the headers of
cross-origin reads, the correlation id, one measurement. HEAD is answered as GET without the body.
It stands before the framework, whose own parts for hosts and origins answer in another form than
problems and let an unlisted Origin pass.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import structlog

from observatory.core import limits
from observatory.core.sources import Clock, Ids
from observatory.edge.asgi import AsgiApp, Head, Message, RawHeaders, Receive, Scope, Send, answer, head_of
from observatory.edge.hosts import AllowedHosts, Host, host_of
from observatory.edge.metrics import HttpMetrics
from observatory.edge.problem import CLOSE, HttpRefused, answer_problem
from observatory.edge.settings import LOOPBACK_NAMES, EdgeSettings

_log = structlog.get_logger("observatory.edge")

_UUID: Final = re.compile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

NOTHING_ALLOWED: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Content security policy of everything that is not a page."""

_DEFAULTS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", NOTHING_ALLOWED.encode()),
)
"""Sent unless the answer says otherwise."""

_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_PREFLIGHT_ANSWER: Final = (
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, idempotency-key, last-event-id, traceparent, x-correlation-id",
    ),
    (b"access-control-max-age", b"600"),
)
_EXPOSED: Final = b"location, retry-after, idempotency-replayed, job-warning, x-correlation-id"


class Door:
    """
    Stands before *app*.

    Args:
        app: Answers what may enter, and turns its own errors into problems.
    """

    def __init__(self, app: AsgiApp, *, settings: EdgeSettings, metrics: HttpMetrics, clock: Clock, ids: Ids) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._ids = ids
        self._hosts = AllowedHosts((*LOOPBACK_NAMES, *settings.allowed_hosts))
        self._origins = frozenset(_spellings(settings.allowed_origins))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began_s = self._clock.monotonic()
        method: str = scope["method"]
        is_head = method == "HEAD"
        if is_head:
            scope = {**scope, "method": "GET"}  # a copy: the server goes on by the method of its own
        is_read = scope["method"] == "GET"
        head = head_of(scope)
        head.is_head = is_head
        status = 0

        async def send_out(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message.get("headers", ()), head, self._cross_origin(scope, head))
            elif is_head:
                message["body"] = b""
            await send(message)

        try:
            self._let_in(scope, head)
            if _is_preflight(scope, head):
                await answer(send_out, 204, b"", headers=_PREFLIGHT_ANSWER)
            else:
                await self._app(scope, receive, send_out)
        except HttpRefused as error:
            await answer_problem(send_out, error, correlation_id=head.correlation_id, is_read=is_read)
        except Exception as error:
            _log.exception("request failed", correlation_id=head.correlation_id)
            if status:
                raise  # half an answer is out: the server breaks the connection, so that nobody takes it for a whole
            await answer_problem(send_out, error, correlation_id=head.correlation_id, is_read=is_read)
        finally:
            self._metrics.observe(
                route=scope.get("path_template"),
                method=method,
                status=status,
                duration_s=self._clock.monotonic() - began_s,
            )

    def _let_in(self, scope: Scope, head: Head) -> None:
        """Raise `HttpRefused` unless the request may go further. Draws its correlation id."""
        given = head.get(b"x-correlation-id")
        head.correlation_id = given.lower() if given is not None and _UUID.fullmatch(given) else self._ids.new_id()
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > limits.TARGET_BYTES_MAX:
            raise HttpRefused(
                414, "target_too_long", f"path and query exceed {limits.TARGET_BYTES_MAX} bytes", headers=CLOSE
            )
        if b"%00" in scope["query_string"]:
            raise HttpRefused(400, "bad_query", "the query holds the character NUL (%00), which no text here has")
        if head.bytes > limits.HEADERS_BYTES_MAX:
            raise HttpRefused(
                431, "headers_too_large", f"the headers exceed {limits.HEADERS_BYTES_MAX} bytes", headers=CLOSE
            )
        _check_framing(scope, head)
        host = self._allowed_host(scope, head)
        self._check_origin(scope, head, host)
        if given is not None and not _UUID.fullmatch(given):
            raise HttpRefused(400, "bad_correlation_id", "X-Correlation-Id must be a UUID in its 36-character form")

    def _allowed_host(self, scope: Scope, head: Head) -> str:
        """The Host header, in lower case, if it names this service."""
        given = head.get(b"host")
        host = None if given is None or b"host" in head.repeated else host_of(given)
        if given is None or host is None:
            raise HttpRefused(400, "bad_host", "one well-formed Host header is needed", headers=CLOSE)
        if not self._hosts.allows(host, scheme=_scheme(scope)):
            raise HttpRefused(
                421, "host_not_allowed", "this service does not answer under this host name", headers=CLOSE
            )
        return given.lower()

    def _check_origin(self, scope: Scope, head: Head, host: str) -> None:
        origin = head.get(b"origin")
        if origin is None or self._is_listed(origin):
            return
        if origin.lower() != f"{_scheme(scope)}://{host}" or b"origin" in head.repeated:
            raise HttpRefused(403, "origin_not_allowed", "pages of this origin may not call this service")

    def _is_listed(self, origin: str) -> bool:
        return origin.lower() in self._origins

    def _cross_origin(self, scope: Scope, head: Head) -> RawHeaders:
        """The headers by which a browser lets a page of a listed origin see the answer."""
        origin = head.get(b"origin")
        if origin is None or not self._is_listed(origin):
            return [(b"vary", b"Origin")] if self._origins else []
        return [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"Origin"),
        ]


def _check_framing(scope: Scope, head: Head) -> None:
    """What the server let pass although it can be read in two ways."""
    if not scope["path"].startswith("/"):
        raise HttpRefused(400, "bad_target", "the target must be a path that starts with a slash", headers=CLOSE)
    if head.get(b"content-length") is not None and head.get(b"transfer-encoding") is not None:
        detail = "Content-Length and Transfer-Encoding exclude each other"
        raise HttpRefused(400, "ambiguous_length", detail, headers=CLOSE)


def _scheme(scope: Scope) -> str:
    return scope.get("scheme", "http")


def _spellings(origins: Iterable[str]) -> Iterator[str]:
    """*origins* as browsers write them; one on this machine under every loopback name, as its pages open under any."""
    for origin in (given.lower().rstrip("/") for given in origins):
        scheme, _, text = origin.partition("://")
        host = host_of(text)
        if host is None:
            yield origin
        else:
            names = LOOPBACK_NAMES if host.name in LOOPBACK_NAMES else (host.name,)
            yield from (f"{scheme}://{Host(name, host.port)}" for name in names)


def _is_preflight(scope: Scope, head: Head) -> bool:
    return scope["method"] == "OPTIONS" and head.get(b"access-control-request-method") is not None


def _completed(given: Iterable[tuple[bytes, bytes]], head: Head, cross_origin: RawHeaders) -> RawHeaders:
    """*given* with what every answer carries."""
    headers = list(given)
    names = {name.lower() for name, _ in headers}
    headers += [item for item in _DEFAULTS if item[0] not in names]
    headers += _ALWAYS
    headers += cross_origin
    headers.append((b"x-correlation-id", head.correlation_id.encode()))
    return headers
