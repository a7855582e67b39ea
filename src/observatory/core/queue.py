"""The rules of queues: what was set for one, and how many of its jobs one claim may take."""

from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Self

import msgspec

from observatory.core import limits
from observatory.core.errors import TooManyQueues


class QueueSetting(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What somebody set for one queue. A queue that nothing was set for is open and has no limit."""

    queue: str
    paused_at: datetime | None = None
    """Since when nothing is claimed from it; None while it is open."""
    paused_by: str | None = None
    """Who paused it, in the words of the caller; None while it is open."""
    pause_reason: str | None = None
    concurrency_max: int | None = None
    """Leased jobs it may have at the same time, over all processors; None means no limit."""

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    @property
    def is_default(self) -> bool:
        """True when nothing is set: such a setting need not be kept."""
        return not self.is_paused and self.concurrency_max is None

    def paused(self, at: datetime, *, by: str, reason: str | None) -> Self:
        """With a pause since *at*. One that is paused already keeps its first instant, caller and reason."""
        assert 1 <= len(by) <= limits.ACTOR_CHARS_MAX, f"a name of {len(by)} characters"
        assert reason is None or len(reason) <= limits.REASON_CHARS_MAX, f"a reason of {len(reason)} characters"
        if self.is_paused:
            return self
        return msgspec.structs.replace(self, paused_at=at, paused_by=by, pause_reason=reason)

    def resumed(self) -> Self:
        """Without a pause; the limit stays."""
        return msgspec.structs.replace(self, paused_at=None, paused_by=None, pause_reason=None)

    def limited(self, concurrency_max: int | None) -> Self:
        """With this limit, or without one for None; a pause stays."""
        is_allowed = concurrency_max is None or 1 <= concurrency_max <= limits.QUEUE_CONCURRENCY_MAX
        assert is_allowed, f"a limit of {concurrency_max}"
        return msgspec.structs.replace(self, concurrency_max=concurrency_max)


def check_room(others: int) -> None:
    """
    May one more queue have a setting beside *others*?

    Raises:
        TooManyQueues: They are `limits.QUEUES_SET_MAX` already.
    """
    if others >= limits.QUEUES_SET_MAX:
        detail = f"{others} other queues are paused or limited already, which is the most; resume one or lift its limit"
        raise TooManyQueues(detail)


class Admission:
    """
    Which of the jobs that one claim looks at, in order, it takes, and how.

    A job of a paused queue is never taken. Of a queue with a limit at most as many are taken as it has room for, and
    each of them begins at once: one that waited in a processor would hold a place in which nothing runs.

    Args:
        paused: Queues that nothing is taken from.
        concurrency_max: The limit of each queue that has one.
        leased: Jobs that a queue with a limit has under a lease now, also under one that ended and was not rescued.
        count_max: Jobs that may begin.
        buffer_max: Jobs that may wait in the processor beside them.
    """

    def __init__(
        self,
        *,
        paused: Collection[str] = (),
        concurrency_max: Mapping[str, int] = MappingProxyType({}),
        leased: Mapping[str, int] = MappingProxyType({}),
        count_max: int,
        buffer_max: int = 0,
    ) -> None:
        self._paused = frozenset(paused)
        self._room = {queue: most - leased.get(queue, 0) for queue, most in concurrency_max.items()}
        self._count_left = count_max
        self._buffer_left = buffer_max

    @property
    def left(self) -> int:
        """Jobs that may still be taken of a queue without a limit."""
        return self._count_left + self._buffer_left

    def admits(self, queue: str) -> bool:
        """True while the next job of *queue* may be taken. Once False, it stays so."""
        if queue in self._paused:
            return False
        if queue in self._room:
            return self._room[queue] > 0 and self._count_left > 0
        return self.left > 0

    def take(self, queue: str) -> bool:
        """Count one job of *queue* as taken; True when it has to wait in the processor."""
        assert self.admits(queue), f"{queue} has no room"
        if queue in self._room:
            self._room[queue] -= 1
        if self._count_left:
            self._count_left -= 1
            return False
        self._buffer_left -= 1
        return True
