"""
The watch over pruning: says loudly when expired jobs stay.

It asks the truth what is overdue, not the pruner how it is, so that it also notices a pruner that ended, hangs,
fails, or is held up by counters that no longer advance.
"""

import asyncio
from datetime import datetime

import structlog

from observatory.core import limits
from observatory.core.errors import Unavailable
from observatory.core.retention import RetentionPolicy
from observatory.core.sources import Clock
from observatory.job_store.pruning import Pruning

RUNBOOK = "docs/runbooks/pruning.md"

_log = structlog.get_logger("observatory.pruning_watch")


class PruningBehind(Unavailable):
    """Expired jobs stay, and their number does not shrink."""

    code = "pruning_behind"


class PruningWatch:
    """
    One loop.

    A backlog is no fault while it shrinks: after a policy was tightened there may be much to remove.
    """

    name = "pruning watch"

    def __init__(self, *, pruning: Pruning, policy: RetentionPolicy, clock: Clock) -> None:
        self._pruning = pruning
        self._policy = policy
        self._clock = clock
        self._since_before: datetime | None = None
        self.late_s = 0.0
        """By how much the job that waits longest is overdue."""
        self.is_behind = False
        """True when that is more than `limits.PRUNE_LATE_S_MAX` and has not become better since the look before."""

    async def run_once(self) -> int:
        """Look once; returns 0: nothing is left to do until the next look."""
        if not self._policy.prunes:
            return 0
        since = (await self._pruning.overdue(self._policy)).since
        self.late_s = 0.0 if since is None else max((self._clock.now() - since).total_seconds(), 0.0)
        is_late = since is not None and self.late_s > limits.PRUNE_LATE_S_MAX
        has_moved = self._since_before is None or since is None or since > self._since_before
        self.is_behind, self._since_before = is_late and not has_moved, since
        if self.is_behind:
            _log.error("pruning is behind: expired jobs stay", late_s=round(self.late_s), runbook=RUNBOOK)
        return 0

    async def check(self) -> None:
        """
        Return while pruning keeps up, or has nothing to do.

        Raises:
            PruningBehind: It fell behind, or stopped.
        """
        if self.is_behind:
            raise PruningBehind(f"a job is overdue to be pruned by {self.late_s:.0f} s; see {RUNBOOK}")

    async def wait(self) -> None:
        """Until the next look."""
        await asyncio.sleep(limits.PRUNE_LOOK_S)
