"""What attempts said, read from the truth."""

from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from observatory.edge.http.calls import json_answer
from observatory.read_model.http.answers import answers
from observatory.read_model.http.parameters import AttemptNumber
from observatory.read_model.read_model import ReadModel


def attempt_log_routes(read_model: ReadModel) -> list[ControllerRouterHandler]:
    """What attempts said, read from the truth."""

    @get("/jobs/{job_id:uuid}/logs", opt=answers("attempt-log"), operation_id="logOfAttempt", tags=["jobs"])
    async def log_of_attempt(job_id: FromPath[UUID], attempt: AttemptNumber = None) -> Response[bytes]:
        """The end of what one attempt of a job logged and printed; while it runs, as of a few seconds ago."""
        return json_answer(await read_model.log_of_attempt(str(job_id), attempt))

    return [log_of_attempt]
