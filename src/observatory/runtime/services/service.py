"""A service as its process holds it: wired, begun, drained and closed in this order."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from observatory.edge.asgi import AsgiApp
from observatory.edge.health import Check
from observatory.runtime.roles import Role
from observatory.runtime.supervisor import Loop

Step: TypeAlias = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """A step that a service does not need."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """Wired and not yet running."""

    role: Role
    loops: Sequence[Loop] = ()
    """To be run under the supervisor of the process, from `begin` to `close`."""
    checks: Sequence[Check] = ()
    """Its dependencies, without its loops."""
    app: AsgiApp | None = None
    """What it serves; None when nobody asks it for anything but its health."""
    begin: Step = nothing
    """
    Before the loops run. May be called again.

    Raises:
        Unavailable: Something is away that it needs for that.
    """
    drain: Step = nothing
    """While the loops still run: take nothing more, and end what is open."""
    close: Step = nothing
    """After the loops ended."""
