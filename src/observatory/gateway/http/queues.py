"""Routes of queues: pause, resume, limit."""

from typing import Any, Final

from litestar import Request, Response, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from observatory.edge.access import Access, RouteRule
from observatory.edge.http import RULE
from observatory.edge.http.calls import document_in, json_answer
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
        return json_answer(await control.pause(queue, await document_in(request)))

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
        return json_answer(await control.set_concurrency(queue, await document_in(request)))

    return [pause, resume, limit]
