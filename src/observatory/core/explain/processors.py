"""Processors as an explanation sees them: how many of their slots are free, and how each is shown."""

from collections.abc import Sequence

from observatory.core import limits
from observatory.core.explain.elsewhere import told_by
from observatory.core.explain.explanation import ProcessorSeen
from observatory.core.explain.situation import Situation
from observatory.core.worker import Down, WorkerInfo


def slots_of(seen: Situation) -> int:
    """Slots of all processors that would claim the job: of one whose claims fail, none."""
    return sum(one.slots for one in seen.claiming)


def free_slots(seen: Situation) -> int:
    """Those that neither an attempt nor a thread that was left behind holds."""
    return sum(max(one.slots - seen.running_on(one) - one.abandoned, 0) for one in seen.claiming)


def seen_processors(seen: Situation, workers: Sequence[WorkerInfo]) -> tuple[ProcessorSeen, ...]:
    """The first of *workers*, at most `limits.EXPLAIN_NAMED_MAX`."""
    return tuple(_seen(seen, one) for one in workers[: limits.EXPLAIN_NAMED_MAX])


def parts_down(seen: Situation, workers: Sequence[WorkerInfo]) -> tuple[Down, ...]:
    """What does not work of the first of *workers*, beside what does not work for all."""
    told = [one for worker in workers if worker.instance_id != seen.here for one in told_by(worker, seen.now)]
    return tuple(told[: limits.EXPLAIN_NAMED_MAX])


def _seen(seen: Situation, worker: WorkerInfo) -> ProcessorSeen:
    return ProcessorSeen(
        instance_id=worker.instance_id,
        host=worker.host,
        pid=worker.pid,
        is_alive=worker.is_alive(seen.now),
        slots=worker.slots,
        running=seen.running_on(worker),
        abandoned=worker.abandoned,
        is_draining=worker.is_draining,
        heartbeat_at=worker.heartbeat_at,
        heartbeat_age_seconds=worker.heartbeat_age_s(seen.now),
    )
