"""Query parameters that lists of more than one service take, each with its bounds."""

from typing import Annotated

from litestar.params import QueryParameter

from observatory.core import limits

_LIMIT = "Items on one page; fewer come when they are large."
Limit = Annotated[int, QueryParameter(ge=1, le=limits.PAGE_ITEMS_MAX, description=_LIMIT)]
Cursor = Annotated[
    str | None, QueryParameter(max_length=limits.CURSOR_CHARS_MAX, description="`nextCursor` of the page before.")
]
JobType = Annotated[str | None, QueryParameter(max_length=limits.JOB_TYPE_CHARS_MAX)]
Queue = Annotated[str | None, QueryParameter(max_length=limits.QUEUE_NAME_CHARS_MAX)]
