"""
The Distributed Task Observatory: run your jobs, and be able to say what happened to every one of them.

    from observatory import JobContext, Observatory

    app = Observatory()

    @app.job("thumbnail", timeout_s=30, runs_in="process")
    def thumbnail(ctx: JobContext, *, path: str, width: int = 256) -> dict: ...

    handle = app.submit(thumbnail, path="a.jpg")
    handle.result(timeout_s=60)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from observatory.client.errors import BadAnswer, NotReachable, RequestRefused, ServiceFailed
    from observatory.core.errors import (
        IdempotencyConflict,
        InvalidJob,
        NotInTransaction,
        ObservatoryError,
        Refused,
        Unavailable,
    )
    from observatory.core.retry import Discard, Retry, RetryPolicy, Snooze
    from observatory.processor.context import JobContext
    from observatory.sdk.app import Observatory
    from observatory.sdk.async_client import AsyncClient, AsyncJobHandle
    from observatory.sdk.client import Client, JobHandle
    from observatory.sdk.errors import JobCancelled, JobFailed, ResultTimeout, UnknownType, WrongPlace
    from observatory.sdk.many import Submissions
    from observatory.sdk.requests import JobOptions, JobRequest, NotAccepted

__all__ = [
    "AsyncClient",
    "AsyncJobHandle",
    "BadAnswer",
    "Client",
    "Discard",
    "IdempotencyConflict",
    "InvalidJob",
    "JobCancelled",
    "JobContext",
    "JobFailed",
    "JobHandle",
    "JobOptions",
    "JobRequest",
    "NotAccepted",
    "NotInTransaction",
    "NotReachable",
    "Observatory",
    "ObservatoryError",
    "Refused",
    "RequestRefused",
    "ResultTimeout",
    "Retry",
    "RetryPolicy",
    "ServiceFailed",
    "Snooze",
    "Submissions",
    "Unavailable",
    "UnknownType",
    "WrongPlace",
]

_HOME = {
    "AsyncClient": "observatory.sdk.async_client",
    "AsyncJobHandle": "observatory.sdk.async_client",
    "BadAnswer": "observatory.client.errors",
    "Client": "observatory.sdk.client",
    "Discard": "observatory.core.retry",
    "IdempotencyConflict": "observatory.core.errors",
    "InvalidJob": "observatory.core.errors",
    "JobCancelled": "observatory.sdk.errors",
    "JobContext": "observatory.processor.context",
    "JobFailed": "observatory.sdk.errors",
    "JobHandle": "observatory.sdk.client",
    "JobOptions": "observatory.sdk.requests",
    "JobRequest": "observatory.sdk.requests",
    "NotAccepted": "observatory.sdk.requests",
    "NotInTransaction": "observatory.core.errors",
    "NotReachable": "observatory.client.errors",
    "Observatory": "observatory.sdk.app",
    "ObservatoryError": "observatory.core.errors",
    "Refused": "observatory.core.errors",
    "RequestRefused": "observatory.client.errors",
    "ResultTimeout": "observatory.sdk.errors",
    "Retry": "observatory.core.retry",
    "RetryPolicy": "observatory.core.retry",
    "ServiceFailed": "observatory.client.errors",
    "Snooze": "observatory.core.retry",
    "Submissions": "observatory.sdk.many",
    "Unavailable": "observatory.core.errors",
    "UnknownType": "observatory.sdk.errors",
    "WrongPlace": "observatory.sdk.errors",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that each part of the package loads only what it needs."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
