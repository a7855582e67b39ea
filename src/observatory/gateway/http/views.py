"""Routes about the views that are derived from the history."""

from typing import Final

from litestar import Response, post
from litestar.types import ControllerRouterHandler

from observatory.edge.access import Access, RouteRule
from observatory.edge.http import RULE
from observatory.edge.http.calls import json_answer
from observatory.gateway.rebuilding import Rebuilding

_REBUILD: Final = RouteRule(access=Access.WRITE, answers={202: "view-rebuild"})


def view_routes(rebuilding: Rebuilding) -> list[ControllerRouterHandler]:
    """`POST /views/stats/rebuild`."""

    @post("/views/stats/rebuild", opt={RULE: _REBUILD}, status_code=202, operation_id="rebuildStats", tags=["views"])
    async def rebuild_stats() -> Response[bytes]:
        """Make the counters anew from the history; `/stats` says `rebuilding` until they are complete."""
        return json_answer(await rebuilding.begin(), status=202)

    return [rebuild_stats]
