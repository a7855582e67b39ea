"""
The Distributed Task Observatory: run your jobs, and be able to say what happened to every one.

    from observatory import JobContext, Observatory

    app = Observatory()

    @app.job("thumbnail", timeout_s=30, runs_in="process")
    def thumbnail(ctx: JobContext, *, path: str, width: int = 256) -> dict: ...
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from observatory.core.retry import Discard, Retry, RetryPolicy, Snooze
    from observatory.processor.context import JobContext
    from observatory.sdk.app import Observatory

__all__ = ["Discard", "JobContext", "Observatory", "Retry", "RetryPolicy", "Snooze"]

_HOME = {
    "Discard": "observatory.core.retry",
    "JobContext": "observatory.processor.context",
    "Observatory": "observatory.sdk.app",
    "Retry": "observatory.core.retry",
    "RetryPolicy": "observatory.core.retry",
    "Snooze": "observatory.core.retry",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that each part of the package loads only what it needs."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
