"""Errors on their way out: every refusal is a problem document (RFC 9457) with a stable code."""

from collections.abc import Sequence
from http import HTTPStatus
from types import UnionType
from typing import Final

import msgspec

from observatory.contracts.violation import Violation, describe, problem_items
from observatory.contracts.wire import PROBLEM_MEDIA_TYPE, Problem, ProblemItem
from observatory.core import limits
from observatory.core.errors import (
    IdempotencyConflict,
    IllegalTransition,
    InvalidJob,
    Refused,
    RowUnreadable,
    ScheduleMoved,
    ScheduleUnreadable,
    TooManyQueues,
    TooManySchedules,
    Unavailable,
    UnknownJob,
    UnknownSchedule,
)
from observatory.core.text import sanitize_terminal, truncate_utf8
from observatory.edge.asgi import Send, answer

Headers = tuple[tuple[str, str], ...]

TYPE_PREFIX: Final = "urn:task-observatory:problem:"
DETAIL_BYTES_MAX: Final = 1024
"""Of a problem's detail: it may quote what was refused."""

CLOSE: Final[Headers] = (("Connection", "close"),)
"""Sent when the rest of a request is not going to be read."""


class HttpRefused(Refused):
    """
    A request that HTTP itself lets us refuse: its method, media type, host, size, credentials…

    Args:
        headers: What the status calls for, such as `Allow` or `WWW-Authenticate`.
    """

    def __init__(self, status: int, code: str, detail: str, *, headers: Headers = ()) -> None:
        super().__init__(detail, code=code)
        self.status = status
        self.headers = headers


class InvalidFields(InvalidJob):
    """
    A submitted job breaks its contract, or another document its own.

    Args:
        violations: At least one, sorted by where they are.
        code: None when it is a job.
    """

    def __init__(self, violations: Sequence[Violation], *, code: str | None = None) -> None:
        super().__init__(describe(violations), code=code, pointer=violations[0].pointer)
        self.violations = violations


class InvalidRequest(InvalidFields):
    """The body of a request that submits no job breaks its contract."""

    code = "invalid_request"


_STATUS_BY_CODE: Final = {
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "payload_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "metadata_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
_STATUS_BY_TYPE: Final[tuple[tuple[type[Exception] | UnionType, HTTPStatus], ...]] = (
    (UnknownJob | UnknownSchedule, HTTPStatus.NOT_FOUND),
    (TooManySchedules | ScheduleMoved, HTTPStatus.CONFLICT),
    (IdempotencyConflict, HTTPStatus.CONFLICT),
    (IllegalTransition, HTTPStatus.CONFLICT),
    (TooManyQueues, HTTPStatus.CONFLICT),
    (Refused, HTTPStatus.BAD_REQUEST),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
_UNAVAILABLE: Final = {
    "store_unavailable": "the job store did not answer; it is not known whether a change took effect",
    "not_begun": "the service has not begun yet: it waits for what it needs, which /readyz names",
    "key_in_use": (
        "a transaction that is still open is about to accept a job with the same idempotency key; nothing was stored, "
        "so ask again once it has ended"
    ),
    "bus_unavailable": "the event bus did not answer",
    "log_unavailable": "the event log did not answer",
    "views_unavailable": "the view store did not answer",
}
_UNAVAILABLE_TO_READS: Final = _UNAVAILABLE | {"store_unavailable": "the job store did not answer"}


def status_of(error: Exception) -> int:
    """The HTTP status for *error*; 500 for everything that is not ours."""
    if isinstance(error, HttpRefused):
        return error.status
    if isinstance(error, Refused) and error.code in _STATUS_BY_CODE:
        return _STATUS_BY_CODE[error.code].value
    return next((status.value for kind, status in _STATUS_BY_TYPE if isinstance(error, kind)), 500)


def problem_of(error: Exception, *, correlation_id: str | None = None, is_read: bool = False) -> Problem:
    """
    What the caller may know about *error*: never a traceback, and nothing of the inside.

    Args:
        is_read: True when the request could change nothing; then nothing is said of changes.
    """
    status = status_of(error)
    code = (
        error.code
        if isinstance(error, Refused | Unavailable | RowUnreadable | ScheduleUnreadable)
        else "internal_error"
    )
    return Problem(
        type=TYPE_PREFIX + code,
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=truncate_utf8(sanitize_terminal(_detail(error, is_read=is_read)), DETAIL_BYTES_MAX),
        correlation_id=correlation_id or None,
        errors=_items(error),
    )


def headers_of(error: Exception) -> Headers:
    """The headers that belong to the answer to *error*."""
    if isinstance(error, HttpRefused):
        return error.headers
    return (("Retry-After", str(limits.RETRY_AFTER_S)),) if isinstance(error, Unavailable) else ()


async def answer_problem(send: Send, error: Exception, *, correlation_id: str, is_read: bool) -> int:
    """Send *error* as a problem, in the words of `problem_of`; returns its status."""
    problem = problem_of(error, correlation_id=correlation_id, is_read=is_read)
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers_of(error)]
    await answer(send, problem.status, msgspec.json.encode(problem), media_type=MEDIA_TYPE, headers=headers)
    return problem.status


MEDIA_TYPE: Final = PROBLEM_MEDIA_TYPE.encode()


def _detail(error: Exception, *, is_read: bool) -> str:
    if isinstance(error, Refused):
        return error.detail
    if isinstance(error, Unavailable):
        words = _UNAVAILABLE_TO_READS if is_read else _UNAVAILABLE
        return words.get(error.code, "a store did not answer")
    if isinstance(error, RowUnreadable | ScheduleUnreadable):
        return str(error)
    return "something failed inside the service; its log tells more under this correlation id"


def _items(error: Exception) -> tuple[ProblemItem, ...]:
    if isinstance(error, InvalidFields):
        return tuple(problem_items(error.violations))
    if not isinstance(error, Refused) or error.pointer is None:
        return ()
    detail = truncate_utf8(sanitize_terminal(error.detail), DETAIL_BYTES_MAX)
    return (ProblemItem(pointer=error.pointer, detail=detail, code=error.code),)
