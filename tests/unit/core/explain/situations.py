"""Situations of one job, made by hand: everything around it is as it should be unless a test says otherwise."""

from datetime import timedelta
from typing import Any

from observatory.core.explain.situation import Situation
from observatory.core.job import Job
from observatory.core.queue import QueueSetting
from observatory.core.worker import WorkerInfo
from observatory.testing.factories import JobFactory
from observatory.testing.manual_sources import BEGINNING


def worker(name: str = "worker-1", *, age_s: float = 0.0, now_s: float = 0.0, **changes: Any) -> WorkerInfo:
    """A processor of type example, last heard of *age_s* before *now_s* after the beginning."""
    fields: dict[str, Any] = {
        "instance_id": name,
        "host": "here",
        "pid": 1,
        "version": "0",
        "started_at": BEGINNING,
        "heartbeat_at": BEGINNING + timedelta(seconds=now_s - age_s),
        "slots": 2,
        "types": ("example",),
    }
    return WorkerInfo(**(fields | changes))


def situation(job: Job, *, after_s: float = 0.0, **changes: Any) -> Situation:
    """What surrounds *job*, *after_s* after the beginning: one live processor with free slots, and nothing else."""
    now = BEGINNING + timedelta(seconds=after_s)
    fields: dict[str, Any] = {
        "now": now,
        "job": job,
        "setting": QueueSetting(queue=job.queue),
        "workers": (worker(now_s=after_s),),
        "executing": {},
        "type_seen_at": BEGINNING,
    }
    return Situation(**(fields | changes))


def pending(**fields: Any) -> Job:
    return JobFactory().pending(**fields).job


def executing(**fields: Any) -> Job:
    return JobFactory().executing(**fields).job
