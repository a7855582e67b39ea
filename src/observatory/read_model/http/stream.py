"""`GET /stream`: events as they are committed, as Server-Sent Events."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final

from litestar import Request, get
from litestar.types import ASGIApp, ControllerRouterHandler

from observatory.core import limits
from observatory.core.errors import BadQuery
from observatory.edge.access import Access, RouteRule
from observatory.edge.asgi import Head, Receive, Scope, Send, connection_of, head_of
from observatory.edge.http import RULE, head_in
from observatory.edge.problem import HttpRefused
from observatory.read_model.frames import StreamFilter
from observatory.read_model.http.parameters import After, EventTypeName, Generation, JobIdQuery, OfJobType
from observatory.read_model.stream import DISCONNECTED, STALLED, Place, Stream, Streams, TooManyStreams

MEDIA_TYPE: Final = "text/event-stream"

_RULE: Final = RouteRule(
    access=Access.READ, answers={200: "stream-notice"}, answer_media_type=MEDIA_TYPE, headers=("Last-Event-ID",)
)
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy that collects an answer before it hands it on would show nothing
    (b"connection", b"close"),
)
_POSITION: Final = re.compile("[0-9]{1,16}")


def stream_route(streams: Streams) -> ControllerRouterHandler:
    """`GET /stream`."""

    @get("/stream", opt={RULE: _RULE}, operation_id="stream", tags=["events"])
    async def stream(
        request: Request[Any, Any, Any],
        *,
        job_id: JobIdQuery = None,
        type: EventTypeName = None,
        job_type: OfJobType = None,
        after: After = None,
        generation: Generation = None,
    ) -> ASGIApp:
        """Events that match every filter given, from `after` or `Last-Event-ID` on, else from now on, as they come."""
        wanted = StreamFilter(job_id=None if job_id is None else str(job_id), event_type=type, job_type=job_type)
        last = last_event_id(head_in(request))
        position = after if last is None else last
        answer: Any = StreamAnswer(streams, wanted, None if position is None else Place(position, generation))
        return answer

    return stream


def last_event_id(head: Head) -> int | None:
    """
    The position that a reader who comes again was told last. It is newer than `after`, which stands in an address that
    browsers repeat as it is.

    Raises:
        BadQuery: It is no position (`bad_last_event_id`).
    """
    given = head.get(b"last-event-id")
    if given is None:
        return None
    if _POSITION.fullmatch(given) is None or int(given) > limits.JSON_INTEGER_MAX or b"last-event-id" in head.repeated:
        detail = f"Last-Event-ID must be one position: a whole number from 0 to {limits.JSON_INTEGER_MAX}"
        raise BadQuery(detail, code="bad_last_event_id")
    return int(given)


class StreamAnswer:
    """One open stream as an ASGI application."""

    def __init__(self, streams: Streams, wanted: StreamFilter, place: Place | None) -> None:
        self._streams = streams
        self._wanted = wanted
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope)
        stream = self._open(connection.abort)
        connection.keep_little_unsent(limits.STREAM_CHUNK_BYTES)
        watching = asyncio.create_task(_watch(receive, stream), name="reader of a stream")
        try:
            first = await stream.next()
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            if head_of(scope).is_head:
                await send({"type": "http.response.body", "body": b""})
            elif await _pump(stream, first, send):
                await _finish(stream, send)
            else:
                stream.abort()
                await watching  # until the server knows: it complains of an answer that ends without an end
        finally:
            watching.cancel()
            self._streams.close(stream)

    def _open(self, abort: Callable[[], None]) -> Stream:
        try:
            return self._streams.open(self._wanted, place=self._place, abort=abort)
        except TooManyStreams as error:
            detail = f"{error}, as many as this service keeps; close one, or come back later"
            retry = (("Retry-After", str(limits.RETRY_AFTER_S)),)
            raise HttpRefused(503, error.code, detail, headers=retry) from error


async def _pump(stream: Stream, text: bytes | None, send: Send) -> bool:
    """Send what there is until it ends; False when its reader has taken nothing for too long."""
    while text is not None:
        try:
            async with asyncio.timeout(limits.STREAM_STALL_S):
                await send({"type": "http.response.body", "body": text, "more_body": True})
        except TimeoutError:
            stream.end_by(STALLED)
            return False
        await asyncio.sleep(0)  # a send that need not wait gives way to nobody
        text = await stream.next()
    return True


async def _finish(stream: Stream, send: Send) -> None:
    """End the answer; a reader that does not take the end does not hold the connection."""
    asyncio.get_running_loop().call_later(limits.STREAM_BYE_S, stream.abort)
    await send({"type": "http.response.body", "body": b""})


async def _watch(receive: Receive, stream: Stream) -> None:
    """Notice that its reader went away. What it sends meanwhile is thrown away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end_by(DISCONNECTED)
