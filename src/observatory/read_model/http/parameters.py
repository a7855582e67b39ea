"""Query parameters of the read model alone, each with its bounds."""

from typing import Annotated, Literal
from uuid import UUID

from litestar.params import QueryParameter

from observatory.core import limits
from observatory.core.job import JobStatus

Status = Annotated[JobStatus | None, QueryParameter()]
CorrelationId = Annotated[UUID | None, QueryParameter(name="correlationId")]
IdempotencyKey = Annotated[
    str | None, QueryParameter(name="idempotencyKey", max_length=limits.IDEMPOTENCY_KEY_CHARS_MAX)
]
EventTypeName = Annotated[str | None, QueryParameter(max_length=64, description="An event type such as job.completed.")]
OfJobType = Annotated[
    str | None,
    QueryParameter(
        name="jobType", max_length=limits.JOB_TYPE_CHARS_MAX, description="Only events of jobs of this type."
    ),
]
JobIdQuery = Annotated[UUID | None, QueryParameter(name="jobId")]
After = Annotated[
    int | None, QueryParameter(ge=0, le=limits.JSON_INTEGER_MAX, description="Only events with a greater position.")
]
Generation = Annotated[
    str | None,
    QueryParameter(
        pattern="^[0-9A-Za-z-]{1,64}$",
        description="Of the history that the position is of; another one gives a resync.",
    ),
]
Format = Annotated[
    Literal["envelope", "cloudevents"], QueryParameter(name="format", description="cloudevents: a bare array of them.")
]
AttemptNumber = Annotated[
    int | None,
    QueryParameter(name="attempt", ge=1, le=limits.ATTEMPTS_MAX, description="Its last one if none is named."),
]
