"""How a job is to be run, when its submitter, its type and the limits each say a part of it."""

from typing import Protocol

import msgspec

from observatory.core import limits
from observatory.core.handler import TypeInfo
from observatory.core.job import QUEUE_DEFAULT


class Asked(Protocol):
    """What a submitter may say; None leaves it open."""

    @property
    def queue(self) -> str | None: ...

    @property
    def priority(self) -> int | None: ...

    @property
    def max_attempts(self) -> int | None: ...

    @property
    def timeout_seconds(self) -> float | None: ...


class Options(msgspec.Struct, frozen=True):
    """What holds for one job."""

    queue: str
    priority: int
    max_attempts: int
    timeout_seconds: float


def options_of(asked: Asked, info: TypeInfo | None) -> Options:
    """
    What the submitter said goes before what the type says, and that before the limits' defaults.

    Args:
        info: Of the type; None when no processor has announced it.
    """
    max_attempts = info.max_attempts if info is not None else limits.ATTEMPTS_DEFAULT
    timeout_s = info.timeout_seconds if info is not None else limits.TIMEOUT_S_DEFAULT
    return Options(
        queue=asked.queue if asked.queue is not None else QUEUE_DEFAULT,
        priority=asked.priority if asked.priority is not None else limits.PRIORITY_DEFAULT,
        max_attempts=asked.max_attempts if asked.max_attempts is not None else max_attempts,
        timeout_seconds=asked.timeout_seconds if asked.timeout_seconds is not None else timeout_s,
    )
