"""
What tests of this project, and of those who build on it, need: it ships with the package.

    from observatory.testing import TestMode
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from observatory.testing.mode import NothingRuns, RunsForEver, TestMode
    from observatory.testing.services import NotOpen

__all__ = ["NotOpen", "NothingRuns", "RunsForEver", "TestMode"]


def __getattr__(name: str) -> Any:
    """Load the test mode on first use: a manual clock does not need the services."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from observatory.testing import mode

    return getattr(mode, name)
