"""What a process says of itself, and the rule by which it counts as alive."""

from datetime import datetime
from typing import Final

import msgspec

from observatory.core import limits

ALIVE_S: Final = limits.LEASE_S
"""A process that was not heard of for longer counts as gone, and a processor has lost its leases."""


PROCESSOR: Final = "processor"


class Down(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part that does not work."""

    name: str
    """As `/readyz` names it: `due_jobs`, `rescuer`, `relay`, `event_log`…"""
    reason: str
    """Stable word: `loop_fails`, `loop_hangs`, `loop_ended`, `behind`, `timed_out`, `log_unavailable`…"""
    role: str | None = None
    """Of the process that runs it; this and what follows only when that is not the process that was asked."""
    instance_id: str | None = None
    host: str | None = None
    pid: int | None = None
    heartbeat_age_seconds: float | None = None
    """Seconds since that process was heard of."""
    behind_seconds: float | None = None
    """By how much it is late, when it works and is `behind`."""


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A process as it described itself at its last heartbeat: a processor, or one that works for all of them."""

    instance_id: str
    """New at every process start."""
    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_at: datetime | None = None
    """By the store's clock; None until the store has written it."""
    role: str = PROCESSOR
    """A name of `runtime.roles`. What is not a processor has no slots, types and jobs."""
    loops: tuple[str, ...] = ()
    """What it runs for all processes, as `/readyz` names it."""
    down: tuple[Down, ...] = ()
    """Which of its loops do not work."""
    slots: int
    running: int = 0
    buffered: int = 0
    """Jobs that it holds beyond its slots, VALIDATED."""
    abandoned: int = 0
    """Slots held by threads that passed their hard time-out."""
    is_draining: bool = False
    types: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    """Ids of the jobs it runs, at most as many as it has slots."""

    @property
    def is_processor(self) -> bool:
        """False for a process that runs no jobs."""
        return self.role == PROCESSOR

    def heartbeat_age_s(self, at: datetime) -> float | None:
        """Seconds from its last heartbeat to *at*, never below 0; None when it was never heard of."""
        return None if self.heartbeat_at is None else max((at - self.heartbeat_at).total_seconds(), 0.0)

    def is_alive(self, at: datetime) -> bool:
        """True while its leases may still hold: it was heard of within `ALIVE_S` before *at*."""
        age_s = self.heartbeat_age_s(at)
        return age_s is not None and age_s <= ALIVE_S
