"""The folds: `fold(view, event) -> view`, pure, using `occurredAt` and never a clock.

Events come decoded from JSON (instants are RFC 3339 strings, statuses plain strings), in the
order of their positions. Skipping what a view has seen is the projection's work, by position.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.event import EVENT_ONLY_KEYS, Event, EventType
from observatory.core.job import Job, JobStatus, JsonObject

NOT_IN_EVENTS = frozenset({"leaseExpiresAt"})
"""Fields of a job that change without an event, so no fold can know them."""

STATS_VIEW = "stats"
"""Name of the view that holds a `StatsView`: who folds it and who reads it agree on it here."""

OTHER = "other"
"""Counts every job type beyond the first `limits.LABEL_VALUES_MAX`."""


def fold_job(document: JsonObject | None, event: Event) -> JsonObject:
    """
    The job's wire form after *event*.

    Args:
        document: The wire form before it; None before `job.created`.
    """
    assert (document is None) == (event.sequence == 1), f"{event.idempotency_key} does not follow what was folded"
    after: JsonObject = {} if document is None else dict(document)
    for name, value in event.payload.items():
        if name in EVENT_ONLY_KEYS:
            continue
        if value is None:
            after.pop(name, None)
        else:
            after[name] = value
    after["sequence"] = event.sequence
    after["updatedAt"] = event.occurred_at
    return after


def comparable(document: JsonObject) -> JsonObject:
    """*document* (a fold or a row's wire form) without what events do not carry, instants as text."""
    plain = msgspec.to_builtins(document)
    return {name: value for name, value in plain.items() if name not in NOT_IN_EVENTS}


def wire_form(job: Job) -> JsonObject:
    """*job* as it stands on the wire, with plain JSON values."""
    return msgspec.to_builtins(job)


class TypeCounts(msgspec.Struct, kw_only=True, rename="camel"):
    """Jobs of one type."""

    accepted: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0


class StatsView(msgspec.Struct, kw_only=True, rename="camel"):
    """What `/stats` counts. Equal events in equal order give an equal view."""

    total_jobs: int = 0
    by_status: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(JobStatus, 0))
    by_type: dict[str, TypeCounts] = msgspec.field(default_factory=dict[str, TypeCounts])
    attempts_by_outcome: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    wait_seconds_sum: float = 0.0
    run_seconds_sum: float = 0.0
    events: int = 0
    last_event_time: datetime | None = None

    @property
    def completed_jobs(self) -> int:
        return self.by_status[JobStatus.COMPLETED]

    @property
    def failed_jobs(self) -> int:
        return self.by_status[JobStatus.FAILED]


def fold_stats(view: StatsView, event: Event) -> StatsView:
    """
    *view* after *event*. Changes and returns the same object: the projection owns it alone.
    """
    payload = event.payload
    view.events += 1
    view.last_event_time = event.occurred_at
    status: str = payload["status"]
    before: str | None = payload.get("previousStatus")
    if event.event_type == EventType.CREATED:
        view.total_jobs += 1
        view.by_status[status] += 1
    elif before is not None and before != status:
        view.by_status[before] -= 1
        view.by_status[status] += 1
    _count_type(view, event.event_type, payload["type"])
    if event.event_type == EventType.EXECUTED:
        _count_attempt(view, payload)
    return view


def add_stats(view: StatsView, part: StatsView, *, own_types: Collection[str]) -> StatsView:
    """
    *view* with *part*, the fold of whole jobs, added to it. Changes and returns *view*.

    Over a rollup that was added up so, the fold of the events that remain gives the same counters as the fold of
    all events would.

    Args:
        own_types: Types that have a counter of their own in the view of all events; others count as `other`.
    """
    view.total_jobs += part.total_jobs
    _add(view.by_status, part.by_status)
    for job_type, counts in part.by_type.items():
        into = view.by_type.setdefault(job_type if job_type in own_types else OTHER, TypeCounts())
        for name in _TYPE_COUNTERS.values():
            setattr(into, name, getattr(into, name) + getattr(counts, name))
    _add(view.attempts_by_outcome, part.attempts_by_outcome)
    view.wait_seconds_sum = round(view.wait_seconds_sum + part.wait_seconds_sum, 6)
    view.run_seconds_sum = round(view.run_seconds_sum + part.run_seconds_sum, 6)
    view.events += part.events
    times = [time for time in (view.last_event_time, part.last_event_time) if time is not None]
    view.last_event_time = max(times, default=None)
    return view


def _add(into: dict[str, int], part: Mapping[str, int]) -> None:
    for name, count in part.items():
        into[name] = into.get(name, 0) + count


def canonical(view: StatsView) -> bytes:
    """*view* as JSON in one order: equal counters give equal bytes, whatever order their keys came in."""
    return msgspec.json.encode(view, order="sorted")


_TYPE_COUNTERS = {
    EventType.CREATED: "accepted",
    EventType.COMPLETED: "completed",
    EventType.FAILED: "failed",
    EventType.CANCELLED: "cancelled",
    EventType.RETRIED: "retried",
}


def _count_type(view: StatsView, event_type: str, job_type: str) -> None:
    counter = _TYPE_COUNTERS.get(event_type)  # pyright: ignore[reportArgumentType]
    if counter is None:
        return
    own = len(view.by_type) - (OTHER in view.by_type)
    key = job_type if job_type in view.by_type or own < limits.LABEL_VALUES_MAX else OTHER
    counts = view.by_type.setdefault(key, TypeCounts())
    setattr(counts, counter, getattr(counts, counter) + 1)


def _count_attempt(view: StatsView, payload: dict[str, Any]) -> None:
    outcome: str = payload["outcome"]
    view.attempts_by_outcome[outcome] = view.attempts_by_outcome.get(outcome, 0) + 1
    view.wait_seconds_sum = round(view.wait_seconds_sum + payload["durations"]["waitSeconds"], 6)
    view.run_seconds_sum = round(view.run_seconds_sum + payload["durations"]["runSeconds"], 6)
