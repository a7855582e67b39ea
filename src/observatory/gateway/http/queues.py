"""Routes of queues: pause, resume, limit."""

from typing import Any, Final

from litestar import Request, Response, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from observatory.core import limits
from observatory.core.strict_json import decode
from observatory.edge.access import Access, RouteRule
from observatory.edge.body import JSON_MEDIA_TYPE, media_type_of, read_body
from observatory.edge.http import RULE, head_in, receive_of
from observatory.gateway.http.calls import json_answer
from observatory.gateway.queue_control import QueueControl

_ANSWERS: Final = {200: "queue-setting"}
_PAUSE: Final = RouteRule(access=Access.WRITE, body="queue-pause-request", answers=_ANSWERS, problems=(409,))
_RESUME: Final = RouteRule(access=Access.WRITE, answers=_ANSWERS)
_LIMIT: Final = RouteRule(access=Access.WRITE, body="queue-concurrency-request", answers=_ANSWERS, problems=(409,))


def queue_routes(control: QueueControl) -> list[ControllerRouterHandler]:
    """The routes of one queue."""

    @post("/queues/{queue:str}/pause", opt={RULE: _PAUSE}, status_code=200, operation_id="pauseQueue", tags=["queues"])
    async def pause(request: Request[Any, Any, Any], queue: FromPath[str]) -> Response[bytes]:
        """Let nothing more be claimed from the queue; what runs goes on, and a second pause keeps the first one."""
        return json_answer(await control.pause(queue, await document_of(request)))

    @post(
        "/queues/{queue:str}/resume", opt={RULE: _RESUME}, status_code=200, operation_id="resumeQueue", tags=["queues"]
    )
    async def resume(queue: FromPath[str]) -> Response[bytes]:
        """Let the queue be claimed from again; its limit stays."""
        return json_answer(await control.resume(queue))

    @post(
        "/queues/{queue:str}/concurrency",
        opt={RULE: _LIMIT},
        status_code=200,
        operation_id="limitQueue",
        tags=["queues"],
    )
    async def limit(request: Request[Any, Any, Any], queue: FromPath[str]) -> Response[bytes]:
        """Let at most so many jobs of the queue be leased at the same time; null lifts the limit."""
        return json_answer(await control.set_concurrency(queue, await document_of(request)))

    return [pause, resume, limit]


async def document_of(request: Request[Any, Any, Any]) -> Any:
    """
    The JSON document of a request.

    Raises:
        HttpRefused: Not JSON by its media type, too long, too slow.
        BadJson: Not JSON.
    """
    head = head_in(request)
    media_type_of(head, (JSON_MEDIA_TYPE,))
    return decode(await read_body(head, receive_of(request), bytes_max=limits.BODY_BYTES_MAX))
