"""What other processes do for all: which of their loops stand still, as their heartbeats say, or as nobody says."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from observatory.core import limits
from observatory.core.worker import Down, WorkerInfo

RELAY: Final = "relay"

SHARED_LOOPS: Final = (RELAY, "due_jobs", "rescuer", "scheduler", "pruner", "metrics_engine")
"""Loops that some process has to run, whichever."""

BEHIND: Final = "behind"
"""The loop works, and does not keep up."""
NOT_HEARD_OF: Final = "not_heard_of"
"""No process that runs the loop is alive."""
DRAINING: Final = "draining"
"""Every live process that runs the loop is about to stop."""
NEVER_ANNOUNCED: Final = "never_announced"
"""No process was ever heard of that runs the loop."""


def down_elsewhere(processes: Sequence[WorkerInfo], now: datetime, *, here: Collection[str] = ()) -> tuple[Down, ...]:
    """
    Those of `SHARED_LOOPS` that no process runs as it should and goes on to, each with the process heard of last.

    Args:
        processes: The newest heartbeat first.
        here: Loops of the process that asks: it knows about them itself.
    """
    judged = [_judged(name, processes, now) for name in SHARED_LOOPS if name not in here]
    return tuple(one for one in judged if one is not None)


def relay_behind(waiting_since: datetime | None, now: datetime) -> Down | None:
    """The relay, when the oldest event that waits for it has waited for too long."""
    behind_s = 0.0 if waiting_since is None else (now - waiting_since).total_seconds()
    return Down(name=RELAY, reason=BEHIND, behind_seconds=behind_s) if behind_s > limits.EXPLAIN_RELAY_LATE_S else None


def told_by(process: WorkerInfo, now: datetime) -> tuple[Down, ...]:
    """What *process* said of its own loops, with who it is."""
    return tuple(_of(process, one.name, one.reason, now) for one in process.down)


def _judged(name: str, processes: Sequence[WorkerInfo], now: datetime) -> Down | None:
    running = [one for one in processes if name in one.loops]
    if not running:
        return Down(name=name, reason=NEVER_ANNOUNCED)
    live = [one for one in running if one.is_alive(now)]
    if not live:
        return _of(running[0], name, NOT_HEARD_OF, now)
    staying = [one for one in live if not one.is_draining]
    if not staying:
        return _of(live[0], name, DRAINING, now)
    told = [next((down.reason for down in one.down if down.name == name), None) for one in staying]
    return None if None in told else _of(staying[0], name, told[0] or "", now)


def _of(process: WorkerInfo, name: str, reason: str, now: datetime) -> Down:
    return Down(
        name=name,
        reason=reason,
        role=process.role,
        instance_id=process.instance_id,
        host=process.host,
        pid=process.pid,
        heartbeat_age_seconds=process.heartbeat_age_s(now),
    )
