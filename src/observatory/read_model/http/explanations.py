"""Why a job is where it is, over HTTP."""

from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from observatory.edge.http.calls import json_answer
from observatory.read_model.explaining import Explaining
from observatory.read_model.http.answers import answers


def explanation_routes(explaining: Explaining) -> list[ControllerRouterHandler]:
    """Why a job is where it is."""

    @get("/jobs/{job_id:uuid}/explain", opt=answers("explanation"), operation_id="explainJob", tags=["jobs"])
    async def explain_job(job_id: FromPath[UUID]) -> Response[bytes]:
        """Why one job is where it is: one code, the facts behind it, and what will change it."""
        return json_answer(await explaining.explanation(str(job_id)))

    return [explain_job]
