"""Events, read from the history."""

from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from observatory.core import limits
from observatory.edge.http.calls import json_answer
from observatory.edge.http.parameters import Cursor, Limit
from observatory.event_log.port import EventFilter
from observatory.read_model import cloud_events
from observatory.read_model.http.answers import answers
from observatory.read_model.http.parameters import After, EventTypeName, Format, JobIdQuery
from observatory.read_model.read_model import ReadModel


def event_routes(read_model: ReadModel) -> list[ControllerRouterHandler]:
    """Events, read from the history."""

    @get("/jobs/{job_id:uuid}/events", opt=answers("event-list"), operation_id="eventsOfJob", tags=["events"])
    async def events_of_job(
        job_id: FromPath[UUID], limit: Limit = limits.PAGE_ITEMS_MAX, cursor: Cursor = None
    ) -> Response[bytes]:
        """The history of one job, in order."""
        return json_answer(await read_model.events_of_job(str(job_id), cursor=cursor, count_max=limit))

    @get("/events", opt=answers("event-list"), operation_id="events", tags=["events"])
    async def events(
        *,
        job_id: JobIdQuery = None,
        type: EventTypeName = None,
        after: After = None,
        limit: Limit = limits.PAGE_ITEMS_DEFAULT,
        cursor: Cursor = None,
        format: Format = "envelope",
    ) -> Response[bytes]:
        """Events that match every filter given, in order of position."""
        wanted = EventFilter(job_id=None if job_id is None else str(job_id), event_type=type)
        page = await read_model.events(wanted, after=after, cursor=cursor, count_max=limit)
        if format == "envelope":
            return json_answer(page)
        filters = {"jobId": job_id, "type": type, "limit": limit, "format": format, "cursor": page.next_cursor}
        query = urlencode({name: value for name, value in filters.items() if value is not None})
        headers = {} if page.next_cursor is None else {"Link": f'</events?{query}>; rel="next"'}
        body = msgspec.json.encode([cloud_events.cloud_event(event) for event in page.items])
        return Response(body, media_type=cloud_events.MEDIA_TYPE, headers=headers)

    return [events_of_job, events]
