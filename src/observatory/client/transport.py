"""How a call becomes an HTTP request, and what is said when no answer comes. The only module that names the library."""

import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

import httpx2

from observatory.client.address import Address, checked_url, is_loopback_url
from observatory.client.calls import Call, Reply
from observatory.client.errors import BadAnswer, NotReachable
from observatory.core import limits
from observatory.core.sources import Randomness

TIMEOUT = httpx2.Timeout(limits.REQUEST_S_MAX, connect=limits.CONNECT_S_MAX)
STREAM_TIMEOUT = httpx2.Timeout(limits.STREAM_IDLE_S, connect=limits.CONNECT_S_MAX)
"""A stream that lives says something more often than that."""


def options(address: Address) -> dict[str, Any]:
    """
    Keyword arguments of a client that speaks to *address*.

    Redirects are not followed, because they would carry the token elsewhere. Proxies of the
    environment are not asked for services on this machine.
    """
    urls = [url for url in (address.gateway, address.read_model) if url]
    return {
        "timeout": TIMEOUT,
        "follow_redirects": False,
        "trust_env": not all(is_loopback_url(url) for url in urls),
        "headers": {"Accept": "application/json", "User-Agent": "odd-dashboard"},
    }


def request(
    client: httpx2.Client | httpx2.AsyncClient,
    call: Call,
    url: str,
    token: str | None,
    *,
    timeout: httpx2.Timeout = TIMEOUT,
) -> httpx2.Request:
    """*call* to the service at *url*."""
    headers = dict(call.headers)
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return client.build_request(
        call.method, url + call.path, params=call.params, content=call.body, headers=headers, timeout=timeout
    )


def reply(response: httpx2.Response) -> Reply:
    return Reply(status=response.status_code, headers=response.headers, body=response.content)


def chance(randomness: Randomness | None) -> float:
    return 0.5 if randomness is None else randomness.random()


def reply_of_stream(response: httpx2.Response) -> Reply:
    """As `reply`, of an answer whose body is read only when it is a refusal; then it has been."""
    body = response.content if response.status_code != 200 else b""
    return Reply(status=response.status_code, headers=response.headers, body=body)


def not_reachable(error: httpx2.RequestError, call: Call, url: str, address: Address) -> NotReachable:
    """What *error* means to a person who wanted *call*."""
    name = call.service.replace("_", " ")
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        reason, why = _no_connection(error)
        stopped = f"; {address.known_from} has ended without saying so" if address.known_from else ""
        return NotReachable(
            f"{name} not reachable at {url} ({reason})",
            why=f"{why}{stopped}",
            remedy="start it:  odd-dashboard up        or name another address:  --gateway URL",
        )
    reason = "no answer in time" if isinstance(error, httpx2.TimeoutException) else "the connection broke"
    unknown = "" if call.method == "GET" else "; it is not known whether the request took effect"
    return NotReachable(
        f"{name} at {url} gave no answer ({reason})",
        why=f"{type(error).__name__} during {call.method} {call.path}{unknown}",
        remedy="try again" if call.method == "GET" else "try again with the same idempotency key, which is safe",
        was_sent=True,
    )


def _no_connection(error: httpx2.ConnectError | httpx2.ConnectTimeout) -> tuple[str, str]:
    """What the system said, in short, and what that means."""
    if isinstance(error, httpx2.ConnectTimeout):
        return "no connection in time", "nothing answers there"
    reasons = _reasons(error)
    if any(isinstance(reason, socket.gaierror) for reason in reasons):
        return "name not known", "no name server knows this host"
    if any(isinstance(reason, ssl.SSLError) for reason in reasons):
        return "no TLS", "what listens there does not speak https, or its certificate is not trusted"
    for reason in reasons:
        if isinstance(reason, OSError) and reason.errno not in {None, errno.ECONNREFUSED}:
            return os.strerror(reason.errno or 0).lower(), "this machine cannot reach it"
    return "connection refused", "nothing is listening there"


def _reasons(error: BaseException) -> list[BaseException]:
    """*error* and what led to it."""
    found: list[BaseException] = []
    reason: BaseException | None = error
    while reason is not None and reason not in found:
        found.append(reason)
        reason = reason.__cause__ or reason.__context__
    return found


def no_read_model(address: Address) -> NotReachable:
    return NotReachable(
        "the read model's address is not known",
        why=f"the gateway at {address.gateway} does not say where it is",
        remedy="name it:  --read-model URL",
    )


def no_gateway() -> NotReachable:
    return NotReachable(
        "the gateway's address is not known",
        why="only the read model was named, and writes go through the gateway",
        remedy="name it:  --gateway URL",
    )


def read_model_link(link: str | None, address: Address) -> str:
    """
    The read model's URL as the gateway gave it.

    Raises:
        NotReachable: It gave none.
        BadAnswer: It names a machine that the token must not be sent to.
    """
    if link is None:
        raise no_read_model(address)
    if address.gateway and is_loopback_url(address.gateway) and not is_loopback_url(link):
        raise BadAnswer(f"the gateway at {address.gateway} names a read model elsewhere: {link[:200]!r}")
    return checked_url(link)


Pause = Callable[[float], None]
