"""Everything that was looked up about one job, at one moment."""

from datetime import datetime
from typing import Final

import msgspec

from observatory.core.explain.elsewhere import told_by
from observatory.core.job import Job
from observatory.core.queue import QueueSetting
from observatory.core.worker import Down, WorkerInfo

CLAIM_LOOP: Final = "processor_claims"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What else waits to be claimed."""

    pending: int
    """PENDING jobs of all queues, this one among them."""
    ahead: int | None = None
    """Jobs that the processors of this one claim before it; None when too many wait to be counted."""
    first_ahead: str | None = None


class LastEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The newest event of the job, as far as it says why."""

    reason: str | None = None


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """
    One job and what surrounds it. What was not looked up, because no rule of the job's status asks for it, is as if
    there were nothing.
    """

    now: datetime
    """By the store's clock, read after the job: nothing in it is younger, but for what happened meanwhile."""
    job: Job
    setting: QueueSetting
    """Of the job's queue."""
    workers: tuple[WorkerInfo, ...] = ()
    """Every processor that was heard of, the newest heartbeat first."""
    executing: dict[str, int] | None = None
    """EXECUTING jobs by worker; None when there are too many to count, and the heartbeats have to do."""
    type_seen_at: datetime | None = None
    """When a processor announced the job's type last; None when none ever did."""
    leased: int = 0
    """Jobs of its queue that are under a lease, also under one that ended; counted where the queue has a limit."""
    leased_jobs: tuple[str, ...] = ()
    """The first of them."""
    line: Line = Line(pending=1, ahead=0)
    runs_s: tuple[float, ...] = ()
    """How long the last attempts of completed jobs of its type took."""
    last_event: LastEvent | None = None
    """None when it is not in the log yet, or the log did not answer."""
    retried_by: str | None = None
    down: tuple[Down, ...] = ()
    """What does not work in the process that was asked, was to be asked and did not answer, or is run by others."""
    here: str | None = None
    """Instance id of the processor of that process; None when it has none."""

    @property
    def knowing(self) -> tuple[WorkerInfo, ...]:
        """Live processors that know the job's type."""
        return tuple(one for one in self.workers if self.job.type in one.types and one.is_alive(self.now))

    @property
    def willing(self) -> tuple[WorkerInfo, ...]:
        """Those of them that do not drain."""
        return tuple(one for one in self.knowing if not one.is_draining)

    @property
    def claiming(self) -> tuple[WorkerInfo, ...]:
        """Those of them that would claim it: their claims work, as far as is known."""
        return tuple(one for one in self.willing if self.down_of(one, CLAIM_LOOP) is None)

    @property
    def holder(self) -> WorkerInfo | None:
        """The processor that holds the job's lease, if it was ever heard of."""
        return next((one for one in self.workers if one.instance_id == self.job.worker), None)

    def running_on(self, worker: WorkerInfo) -> int:
        """Attempts that run there: by the truth, which is younger than the last heartbeat."""
        return worker.running if self.executing is None else self.executing.get(worker.instance_id, 0)

    def down_part(self, name: str) -> Down | None:
        """The part of that name, when it does not work; None when it works, as far as is known."""
        return next((one for one in self.down if one.name == name), None)

    def down_of(self, worker: WorkerInfo, name: str) -> Down | None:
        """As `down_part`, of *worker*: what its process says when it is asked, else what its last heartbeat said."""
        if worker.instance_id == self.here:
            return self.down_part(name)
        return next((one for one in told_by(worker, self.now) if one.name == name), None)

    def age_s(self, at: datetime) -> float:
        """Seconds from *at* to now, never below 0."""
        return max((self.now - at).total_seconds(), 0.0)
