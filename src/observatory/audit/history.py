"""One job's events, taken in order: the fold, and what is wrong with each step."""

import hashlib
from collections.abc import Iterator

import msgspec

from observatory.audit.report import Code
from observatory.core.errors import BadEnvelope
from observatory.core.event import EVENT_ONLY_KEYS, Event, EventType
from observatory.core.folds import comparable, fold_job, wire_form
from observatory.core.job import FINAL, Job, JobStatus, JsonObject
from observatory.core.lifecycle import ALLOWED

CHANGING = frozenset(
    {
        "status",
        "runAt",
        "attempt",
        "fence",
        "worker",
        "leaseExpiresAt",
        "progress",
        "result",
        "error",
        "startedAt",
        "finishedAt",
        "cancelRequestedAt",
    }
)
"""Fields that an event after the first may change; all others are the job's inputs."""

LARGE = ("payload", "metadata", "result", "error")
"""Fields that may be long: they are kept and compared as digests."""

ENDS = frozenset({EventType.COMPLETED, EventType.FAILED, EventType.RETRIED, EventType.QUEUED, EventType.CANCELLED})
"""Events that end an attempt: each stands right after `job.executed`, in the same transaction."""

UNREADABLE = (
    BadEnvelope,
    msgspec.MsgspecError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
)
"""What reading a damaged row, event or view raises."""

Fault = tuple[Code, str]
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


class History(msgspec.Struct, array_like=True):
    """What the events taken so far make of one job."""

    job_id: str
    document: JsonObject | None = None
    """The fold, with digests for large values."""
    sequence: int = 0
    last_type: str = ""
    executed_id: str = ""
    """Event id of the `job.executed` that was taken last, when nothing was taken after it: the next one's cause."""
    is_whole: bool = True
    """False from the first event on that does not follow: nothing can be folded over a hole."""

    @property
    def status(self) -> str:
        return "" if self.document is None else self.document["status"]

    def take(self, event: Event) -> list[Fault]:
        """Fold *event*; returns what is wrong with it. A legal event comes back with nothing."""
        expected, self.sequence = self.sequence + 1, max(self.sequence, event.sequence)
        if event.sequence != expected:
            self.is_whole = False
            return [_out_of_sequence(event, expected)]
        if not self.is_whole:
            return []
        try:
            faults = [*_faults_of_envelope(self, event), *_faults(self, event)]
            self.document = fold_job(self.document, with_digests(event))
        except UNREADABLE as error:
            self.is_whole = False
            return [(Code.EVENT_UNREADABLE, f"{_name(event)} is not an event of ours ({error!r})")]
        self.last_type = event.event_type
        self.executed_id = event.event_id if event.event_type == EventType.EXECUTED else ""
        return faults


def with_digests(event: Event) -> Event:
    """*event* with digests for the large values of its payload."""
    if not any(name in event.payload for name in LARGE):
        return event
    return msgspec.structs.replace(event, payload=_shrunk(event.payload))


def row_document(job: Job) -> JsonObject:
    """What a history's document must equal for this row."""
    return normal(_shrunk(wire_form(job)))


def normal(document: JsonObject) -> JsonObject:
    """*document* without what events do not carry; whole numbers look alike, whether 30 or 30.0."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in comparable(document).items()
    }


def fingerprint(document: JsonObject) -> bytes:
    """16 bytes that differ when normal documents differ."""
    return hashlib.blake2b(_encode_sorted(document), digest_size=16).digest()


def differences(row: JsonObject, folded: JsonObject) -> str:
    """The fields in which *row* is not what its events say."""
    names = [name for name in sorted(row.keys() | folded.keys()) if row.get(name) != folded.get(name)]
    return "; ".join(f"{name} is {_shown(row, name)}, its events say {_shown(folded, name)}" for name in names)


def _shrunk(values: JsonObject) -> JsonObject:
    """A digest for each large value; equal values have equal digests, whatever the order of their keys."""
    shrunk = dict(values)
    for name in LARGE:
        value = values.get(name)
        if value is not None:
            shrunk[name] = "digest:" + hashlib.blake2b(_encode_sorted(value), digest_size=16).hexdigest()
    return shrunk


def _shown(document: JsonObject, name: str) -> str:
    return str(document[name]) if name in document else "absent"


def _name(event: Event) -> str:
    return f"{event.event_type} at position {event.position} (sequence {event.sequence})"


def _out_of_sequence(event: Event, expected: int) -> Fault:
    if event.sequence > expected:
        missing = f"{expected}" if event.sequence == expected + 1 else f"{expected} to {event.sequence - 1}"
        return Code.SEQUENCE_GAP, f"{_name(event)} stands where sequence {expected} should; {missing} is missing"
    return Code.SEQUENCE_REPEATED, f"{_name(event)} comes after sequence {expected - 1}"


def _faults_of_envelope(history: History, event: Event) -> Iterator[Fault]:
    """What an event has from its job, and what it names as its cause."""
    job = event.payload if history.document is None else history.document
    told = [
        ("correlation id", event.correlation_id, job.get("correlationId")),
        ("traceparent", event.traceparent, job.get("traceparent")),
    ]
    if history.document is None:
        told.append(("event id", event.event_id, job.get("eventId")))
    else:
        # One transition writes one event, or `job.executed` with what becomes of the job. What caused a
        # transition is a person or a clock; the creation may name an event of another system.
        told.append(("cause", event.causation_id, history.executed_id or None))
    for name, there, expected in told:
        if there != expected:
            yield Code.ENVELOPE_DIFFERS, f"{_name(event)} has the {name} {there}, which should be {expected}"


def _faults(history: History, event: Event) -> Iterator[Fault]:
    payload = event.payload
    before = history.document["status"] if history.document is not None else None
    after: str = payload["status"]
    if payload["id"] != event.job_id:
        yield Code.EVENT_OF_ANOTHER_JOB, f"{_name(event)} tells of job {payload['id']}"
    if before in FINAL:
        yield Code.EVENT_AFTER_FINAL, f"{_name(event)} follows {before}, which is final"
        return
    if (before, event.event_type, after) not in ALLOWED or payload.get("previousStatus") != before:
        claimed = payload.get("previousStatus")
        said = f" and claims to have found {claimed}" if claimed != before else ""
        yield Code.ILLEGAL_EVENT, f"{_name(event)} leads from {before or 'nothing'} to {after}{said}"
        return
    if before is not None and history.document is not None:
        yield from _faults_of_step(history, history.document, event)


def _faults_of_step(history: History, document: JsonObject, event: Event) -> Iterator[Fault]:
    """What the table of statuses cannot see."""
    payload, kind = event.payload, event.event_type
    is_end = kind in ENDS and document["status"] == JobStatus.EXECUTING and payload.get("reason") != "invalid"
    if is_end != (history.last_type == EventType.EXECUTED):
        yield Code.ILLEGAL_EVENT, f"{_name(event)} cannot follow {history.last_type}"
    if kind == EventType.CANCEL_REQUESTED and "cancelRequestedAt" in document:
        yield Code.ILLEGAL_EVENT, f"{_name(event)} asks again for a cancel that was asked for already"
    for name in payload.keys() - CHANGING - EVENT_ONLY_KEYS:
        if payload[name] != document.get(name):
            yield Code.INPUTS_CHANGED, f"{_name(event)} changes {name}, which is fixed when a job is accepted"
    fence, raised = payload.get("fence", document["fence"]), kind == EventType.VALIDATED
    if fence < document["fence"] + raised or fence > document["fence"] + 1:
        yield Code.FENCE_WRONG, f"{_name(event)} moves the fence from {document['fence']} to {fence}"
    attempt = payload.get("attempt", document["attempt"])
    if not 0 <= attempt <= document["maxAttempts"] or abs(attempt - document["attempt"]) > 1:
        allowed = document["maxAttempts"]
        yield Code.ATTEMPTS_EXCEEDED, f"{_name(event)} sets attempt {attempt} after {document['attempt']} of {allowed}"
