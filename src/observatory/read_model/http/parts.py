"""What runs the jobs, and what can be looked at."""

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from observatory.edge.http.calls import json_answer
from observatory.edge.settings import EdgeSettings
from observatory.read_model.http.answers import answers
from observatory.read_model.read_model import ReadModel


def part_routes(read_model: ReadModel, edge: EdgeSettings) -> list[ControllerRouterHandler]:
    """What runs the jobs, and what can be looked at."""

    @get("/queues", opt=answers("queue-list"), operation_id="queues", tags=["parts"])
    async def queues() -> Response[bytes]:
        """Queues that have a job which is not final, are paused or have a limit."""
        return json_answer(await read_model.queues())

    @get("/workers", opt=answers("worker-list"), operation_id="workers", tags=["parts"])
    async def workers() -> Response[bytes]:
        """Processors as they described themselves, and whether they were heard of lately."""
        return json_answer(await read_model.workers())

    @get("/types", opt=answers("type-list"), operation_id="types", tags=["parts"])
    async def types() -> Response[bytes]:
        """Job types that some processor announced."""
        return json_answer(await read_model.types())

    @get("/ui-registry", opt=answers("ui-registry"), operation_id="uiRegistry", tags=["parts"])
    async def ui_registry() -> Response[bytes]:
        """User interfaces that can be opened; the ports of this installation's own are its actual ones."""
        actual = {
            "web-dashboard": edge.web_port,
            "gateway-docs": edge.gateway_port,
            "read-model-docs": edge.read_model_port,
        }
        entries = tuple(
            msgspec.structs.replace(entry, port=actual.get(entry.id, entry.port)) for entry in read_model.uis.entries
        )
        return json_answer(msgspec.structs.replace(read_model.uis, entries=entries))

    return [queues, workers, types, ui_registry]
