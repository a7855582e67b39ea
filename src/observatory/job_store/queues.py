"""
The contract of the settings of queues: which are paused, and how many of their jobs may be leased at the same time.

A queue needs no setting to exist, and a setting needs no job: both are bound by the name alone. What each change makes
of a setting is decided by `core.queue.QueueSetting`. A change is one transaction and durable when its method returns.
`JobStore.claim` reads the settings in the transaction in which it claims, so what a method here answered holds for
every claim that begins after it. A running job is never touched.

Errors of every method: `StoreUnavailable`; it is then not known whether the call took effect. Every method may be
repeated. `TooManyQueues` means that nothing was changed; one that has a setting already can always be changed.
"""

from typing import Protocol

from observatory.core.queue import QueueSetting


class Queues(Protocol):
    """Reads and changes settings. Time is the store's clock. The names of queues were checked by the caller."""

    async def pause(self, queue: str, *, by: str, reason: str | None) -> QueueSetting:
        """
        Let nothing more be claimed from *queue*; returns what is set for it now.

        A queue that is paused already stays as it is: the first instant, caller and reason are kept.

        Args:
            by: From 1 to `limits.ACTOR_CHARS_MAX` characters.
            reason: At most `limits.REASON_CHARS_MAX` characters.

        Raises:
            TooManyQueues: `limits.QUEUES_SET_MAX` others have a setting.
        """
        ...

    async def resume(self, queue: str) -> QueueSetting:
        """Let *queue* be claimed from again; its limit stays. Changes nothing when it is not paused."""
        ...

    async def set_concurrency(self, queue: str, concurrency_max: int | None) -> QueueSetting:
        """
        Let at most *concurrency_max* jobs of *queue* be leased (VALIDATED or EXECUTING) at the same time.

        A lease that ended and was not rescued counts. When more are leased already, they go on and nothing is claimed
        until there are fewer.

        Args:
            concurrency_max: From 1 to `limits.QUEUE_CONCURRENCY_MAX`; None means no limit.

        Raises:
            TooManyQueues: `limits.QUEUES_SET_MAX` others have a setting.
        """
        ...

    async def settings(self) -> list[QueueSetting]:
        """Every queue for which something is set, by name; at most `limits.QUEUES_SET_MAX`."""
        ...
