"""What routes read from a call and how they answer it, where they use the framework's request and response."""

from typing import Any

import msgspec
from litestar import Request, Response

from observatory.core import limits
from observatory.core.strict_json import decode
from observatory.edge.body import JSON_MEDIA_TYPE, media_type_of, read_body
from observatory.edge.http import head_in, receive_of


async def body_in(request: Request[Any, Any, Any]) -> bytes:
    """
    The body of a request that sends JSON.

    Raises:
        HttpRefused: Not JSON by its media type, too long, too slow.
    """
    head = head_in(request)
    media_type_of(head, (JSON_MEDIA_TYPE,))
    return await read_body(head, receive_of(request), bytes_max=limits.BODY_BYTES_MAX)


async def document_in(request: Request[Any, Any, Any]) -> Any:
    """
    The JSON document of a request.

    Raises:
        HttpRefused: As `body_in`.
        BadJson: Not JSON.
    """
    return decode(await body_in(request))


def json_answer(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(msgspec.json.encode(value), status_code=status, media_type=JSON_MEDIA_TYPE, headers=headers)
