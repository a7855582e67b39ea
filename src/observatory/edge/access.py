"""Who may call what."""

import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from observatory.edge.problem import HttpRefused
from observatory.edge.settings import EdgeSettings


class Access(StrEnum):
    """What a route lets its caller do."""

    OPEN = "open"
    """Says nothing about jobs: probes, documents, the page itself."""
    READ = "read"
    """Shows jobs; needs the token only where it is configured so."""
    WRITE = "write"
    """Changes something; always needs the token."""


class RouteRule(msgspec.Struct, frozen=True, kw_only=True):
    """What every route says about itself; a route without a rule answers nobody."""

    access: Access
    answers: Mapping[int, str | None] = {}
    """Status to the contract of its body; None for a body without one."""
    answer_media_type: str = "application/json"
    """Of those bodies."""
    problems: tuple[int, ...] = ()
    """Statuses of refusals that this route adds to those that every route has."""
    body: str | None = None
    """Contract of the request's body; None when the route takes none."""
    body_media_types: tuple[str, ...] = ("application/json",)
    headers: tuple[str, ...] = ()
    """Request headers that it understands beside `X-Correlation-Id`."""
    takes_any_query: bool = False
    """For a route that answers whatever is asked: query parameters that it does not know are no fault of the caller."""
    operations: Mapping[str, tuple[str, str]] = {}
    """For a route that the framework cannot describe: method to operation id and summary."""


_UNAUTHENTICATED: Final = (("WWW-Authenticate", 'Bearer realm="task-observatory"'),)


def check_access(settings: EdgeSettings, access: Access, authorization: str | None) -> None:
    """
    Let the caller through, or raise.

    Args:
        authorization: The header of that name; None when there is none.

    Raises:
        HttpRefused: 401 without the right token; 403 when there is no token that could be right.
    """
    if access is Access.OPEN or (access is Access.READ and not settings.reads_need_token):
        return
    if settings.token is None:
        raise HttpRefused(
            403, "no_token_configured", "this service was started without a token, so it allows no such call"
        )
    scheme, _, given = (authorization or "").partition(" ")
    # The comparison takes the same time wherever the two differ.
    is_right = hmac.compare_digest(given.strip().encode("utf-8", "replace"), settings.token.encode())
    if scheme.lower() != "bearer" or not is_right:
        detail = "this call needs the header Authorization: Bearer TOKEN, with the token of this installation"
        raise HttpRefused(401, "unauthenticated", detail, headers=_UNAUTHENTICATED)
