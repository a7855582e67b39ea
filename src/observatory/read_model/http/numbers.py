"""`/stats` and `/health`."""

from collections.abc import Sequence

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from observatory.edge.health import Check, readiness_of
from observatory.edge.http import readiness_answer
from observatory.edge.http.calls import json_answer
from observatory.edge.settings import EdgeSettings
from observatory.read_model.http.answers import answers
from observatory.read_model.read_model import ReadModel


def number_routes(read_model: ReadModel, edge: EdgeSettings, checks: Sequence[Check]) -> list[ControllerRouterHandler]:
    """`/stats` and `/health`."""

    @get("/stats", opt=answers("stats"), operation_id="stats", tags=["numbers"])
    async def stats() -> Response[bytes]:
        """What the event history adds up to, with the position up to which it was added."""
        return json_answer(await read_model.stats())

    @get("/health", opt=answers(None), operation_id="health", tags=["service"])
    async def health() -> Response[bytes]:
        """Whether every store behind this service answers; names the one that does not."""
        return readiness_answer(await readiness_of(checks, service=edge.service, version=edge.version))

    return [stats, health]
