"""The three sources of what a pure function may not know: time, identity and chance.

They are passed in, so that a test or the simulator decides them. The system's own
live in `runtime/sources.py`, the manual ones in `testing/`.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Every method may be called from any thread."""

    def now(self) -> datetime:
        """The wall clock: aware, UTC, microseconds. It may jump in both directions."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back. For measuring and for stopping early."""
        ...


class Ids(Protocol):
    """Makes identities. Every method may be called from any thread."""

    def new_id(self) -> str:
        """A fresh UUID (version 7, RFC 9562) in its 36-character lower-case form; later ones sort later."""
        ...


class Randomness(Protocol):
    """Gives chance. Every method may be called from any thread."""

    def random(self) -> float:
        """Uniform in [0, 1)."""
        ...
