"""What a processor says of itself, and the rule by which it counts as alive."""

from datetime import datetime
from typing import Final

import msgspec

from observatory.core import limits

ALIVE_S: Final = limits.LEASE_S
"""A processor that was not heard of for longer has lost its leases."""


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A processor as it described itself at its last heartbeat."""

    instance_id: str
    """New at every process start."""
    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_at: datetime | None = None
    """By the store's clock; None until the store has written it."""
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

    def heartbeat_age_s(self, at: datetime) -> float | None:
        """Seconds from its last heartbeat to *at*, never below 0; None when it was never heard of."""
        return None if self.heartbeat_at is None else max((at - self.heartbeat_at).total_seconds(), 0.0)

    def is_alive(self, at: datetime) -> bool:
        """True while its leases may still hold: it was heard of within `ALIVE_S` before *at*."""
        age_s = self.heartbeat_age_s(at)
        return age_s is not None and age_s <= ALIVE_S
