"""Valid jobs in a named state, each with its history: made by the core's own rules, never by hand."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.command import (
    Accept,
    BecomeDue,
    Cancel,
    Claim,
    Command,
    Fail,
    Report,
    Start,
    Succeed,
)
from observatory.core.event import Event, Producer, event_of
from observatory.core.handler import Isolation, TypeInfo
from observatory.core.job import Job, JobError, NewJob, Outcome, Progress
from observatory.core.lifecycle import Transition, transition
from observatory.core.schedule import Schedule, ScheduleDefinition, begun, checked
from observatory.core.sources import Ids
from observatory.core.strict_json import canonical
from observatory.testing.manual_sources import BEGINNING, ManualClock, SeededIds

PRODUCER = Producer(service="test", instance_id="test-1", version="0.0.0")
ERROR = JobError(type="ValueError", message="no such file", traceback="Traceback: …")


def new_job(ids: Ids, **changes: Any) -> NewJob:
    """A request that is due at once; *changes* are fields of `NewJob`. The fingerprint follows type and payload."""
    fields: dict[str, Any] = {
        "id": ids.new_id(),
        "event_id": ids.new_id(),
        "type": "example",
        "payload": {"path": "a.jpg"},
        "correlation_id": ids.new_id(),
        "queue": "default",
        "priority": limits.PRIORITY_DEFAULT,
        "max_attempts": limits.ATTEMPTS_DEFAULT,
        "timeout_seconds": limits.TIMEOUT_S_DEFAULT,
    }
    fields |= changes
    if "fingerprint" not in fields:
        body = canonical([fields["type"], fields["payload"]])
        fields["fingerprint"] = hashlib.sha256(body).hexdigest()
    return NewJob(**fields)


def full_new_job(ids: Ids, **changes: Any) -> NewJob:
    """As `new_job`, with a value in every optional field but `run_at`."""
    every_field: dict[str, Any] = {
        "payload": {"path": "ä/🦑.jpg", "sizes": [1, 2.5, None, True], "deep": {"empty": {}, "none": []}},
        "metadata": {"team": "pictures"},
        "idempotency_key": "order-1",
        "retry_of": ids.new_id(),
        "causation_id": ids.new_id(),
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    return new_job(ids, **(every_field | changes))


def type_info(name: str = "example", **changes: Any) -> TypeInfo:
    """What a processor may announce about the type *name*."""
    fields: dict[str, Any] = {
        "runs_in": Isolation.THREAD,
        "max_attempts": limits.ATTEMPTS_DEFAULT,
        "timeout_seconds": limits.TIMEOUT_S_DEFAULT,
        "payload_schema": {"type": "object"},
    }
    return TypeInfo(type=name, **(fields | changes))


class JobHistory:
    """One job in memory with the events that led to it, as a consumer reads them."""

    def __init__(self, factory: "JobFactory", new: NewJob) -> None:
        self._factory = factory
        step = transition(None, Accept(new), factory.clock.now())
        self.job: Job = step.job
        self.events: list[Event] = []
        self._record(step)

    def give(self, command: Command) -> "JobHistory":
        """Carry out *command* now; raises what the rules raise, and nothing changes then."""
        step = transition(self.job, command, self._factory.clock.now())
        self.job = step.job
        self._record(step)
        return self

    def _record(self, step: Transition) -> None:
        first = step.job.sequence - len(step.facts) + 1
        for sequence, fact in enumerate(step.facts, start=first):
            event = event_of(
                fact,
                event_id=step.job.event_id if sequence == 1 else self._factory.ids.new_id(),
                sequence=sequence,
                occurred_at=step.job.updated_at,
                producer=PRODUCER,
                correlation_id=step.job.correlation_id,
                position=self._factory.next_position(),
                traceparent=step.job.traceparent,
            )
            self.events.append(msgspec.json.decode(msgspec.json.encode(event), type=Event))


class JobFactory:
    """
    Makes job histories in a named state. They share the clock, the ids and one run of positions.

    Keyword arguments of every method are fields of `NewJob`.
    """

    def __init__(self, *, clock: ManualClock | None = None, ids: Ids | None = None) -> None:
        self.clock = clock or ManualClock(BEGINNING)
        self.ids = ids or SeededIds()
        self.histories: list[JobHistory] = []
        self._position = 0

    def next_position(self) -> int:
        """The position of the next event of any job of this factory."""
        self._position += 1
        return self._position

    @property
    def events(self) -> list[Event]:
        """Every event of every job made here, in the order of their positions."""
        events = [event for history in self.histories for event in history.events]
        return sorted(events, key=lambda event: event.position or 0)

    def pending(self, **fields: Any) -> JobHistory:
        """Accepted and due."""
        history = JobHistory(self, new_job(self.ids, **fields))
        self.histories.append(history)
        return history

    def scheduled(self, *, in_s: float = 60.0, **fields: Any) -> JobHistory:
        """Accepted, due *in_s* from now."""
        return self.pending(run_at=self.clock.now() + timedelta(seconds=in_s), **fields)

    def buffered(self, **fields: Any) -> JobHistory:
        """Claimed, waiting for a slot: VALIDATED."""
        return self.pending(**fields).give(Claim(worker="worker-1", lease_s=limits.LEASE_S, buffered=True))

    def executing(self, **fields: Any) -> JobHistory:
        """Its first attempt runs."""
        return self.pending(**fields).give(Claim(worker="worker-1", lease_s=limits.LEASE_S))

    def retrying(self, *, attempt: int = 1, **fields: Any) -> JobHistory:
        """Failed *attempt* times, due again after a second."""
        history = self.pending(**({"max_attempts": attempt + 1} | fields))
        for number in range(1, attempt + 1):
            history.give(Claim(worker="worker-1", lease_s=limits.LEASE_S))
            history.give(fail(history.job, retry_in_s=1.0))
            if number < attempt:
                self.clock.advance(1.0)
                history.give(BecomeDue())
        return history

    def completed(self, **fields: Any) -> JobHistory:
        """Done, after some progress."""
        history = self.buffered(**fields)
        fence = history.job.fence
        history.give(Start(fence=fence)).give(Report(fence=fence, progress=Progress(fraction=0.5, message="half")))
        return history.give(Succeed(fence=fence, result={"width": 256}, run_s=0.25))

    def failed(self, **fields: Any) -> JobHistory:
        """Its only attempt failed."""
        history = self.executing(**({"max_attempts": 1} | fields))
        return history.give(fail(history.job, retry_in_s=1.0))

    def cancelled(self, **fields: Any) -> JobHistory:
        """Cancelled while it waited."""
        return self.pending(**fields).give(Cancel())


def fail(job: Job, *, retry_in_s: float | None = None, outcome: Outcome = Outcome.FAILED) -> Fail:
    """The failure of the attempt that *job* runs."""
    return Fail(fence=job.fence, outcome=outcome, error=ERROR, retry_in_s=retry_in_s, run_s=0.5)


def new_schedule(name: str, at: datetime, **definition: Any) -> Schedule:
    """A schedule that was created at *at*; *definition* are fields of `ScheduleDefinition`, by default every minute."""
    fields: dict[str, Any] = {"type": "example"} | definition
    if not {"cron", "every"} & set(fields):
        fields["cron"] = "* * * * *"
    return begun(name, checked(ScheduleDefinition(**fields)), at)
