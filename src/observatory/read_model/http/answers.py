"""How the routes of the read model say what they answer, and answer it."""

from typing import Any

import msgspec
from litestar import Response

from observatory.edge.access import Access, RouteRule
from observatory.edge.body import JSON_MEDIA_TYPE
from observatory.edge.http import RULE


def answers(contract: str | None) -> dict[str, Any]:
    return {RULE: RouteRule(access=Access.READ, answers={200: contract})}


def json_answer(value: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(value), media_type=JSON_MEDIA_TYPE)
