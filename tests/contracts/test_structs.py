"""
The structs and the schemas are one contract.

The check of a document from outside is: schema first, then `wire.convert`. The struct alone is looser (it knows
no form, bound or length, and takes null for an optional field), never stricter.
"""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from observatory import contracts
from observatory.contracts import wire
from observatory.contracts.schedules import Preview, ScheduleInfo, ScheduleList, SchedulePauseRequest
from observatory.contracts.violation import Violation
from observatory.core.event import Event
from observatory.core.explain.explanation import Explanation
from observatory.core.folds import StatsView, fold_stats
from observatory.core.handler import Isolation, TypeInfo
from observatory.core.job import Job, JobStatus
from observatory.core.lifecycle import ALLOWED
from observatory.core.queue import QueueSetting
from observatory.core.schedule import ScheduleDefinition, Tick
from observatory.job_store.port import WorkerInfo
from tests.contracts.cases import golden_cases, negative_cases
from tests.contracts.histories import IDS, INSTANTS, JSON, KEYS, OBJECTS, QUEUES, START, TYPES, WAIT_S, histories

STRUCTS: dict[str, Any] = {
    "job": Job,
    "event-envelope": Event,
    "event-batch": wire.EventBatch,
    "job-request": wire.JobRequest,
    "job-batch-response": wire.BatchAnswer,
    "bulk-request": wire.BulkRequest,
    "bulk-response": wire.BulkAnswer,
    "queue-pause-request": wire.QueuePauseRequest,
    "queue-concurrency-request": wire.QueueConcurrencyRequest,
    "queue-setting": QueueSetting,
    "dead-letter": wire.DeadLetter,
    "problem": wire.Problem,
    "stats": wire.Stats,
    "view-rebuild": wire.ViewRebuild,
    "stream-notice": wire.StreamNotice,
    "job-list": wire.JobList,
    "event-list": wire.Page[Event],
    "queue-list": wire.Page[wire.QueueInfo],
    "worker-list": wire.Page[WorkerInfo],
    "type-list": wire.Page[wire.SeenType],
    "attempt-log": wire.AttemptLogSeen,
    "explanation": Explanation,
    "schedule-request": ScheduleDefinition,
    "schedule-pause-request": SchedulePauseRequest,
    "schedule": ScheduleInfo,
    "schedule-list": ScheduleList,
    "schedule-preview": Preview,
    "tick-list": wire.Page[Tick],
}
GOOD, BAD = (
    {name: [case.document for case in cases if case.name == name and not case.version] for name in STRUCTS}
    for cases in (golden_cases(), negative_cases())
)

LOOSER = frozenset(
    {
        "enum",
        "exclusiveMinimum",
        "format",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "oneOf",
        "pattern",
    }
)
"""Rules of the schemas that no struct knows."""

DEFAULTED = frozenset({"accepted", "completed", "failed", "cancelled", "retried", "contractVersion", "position"})
"""Fields a struct can do without: counters are then 0, a batch's version is ours; a position is required in batches."""

INSIDES = ("/payload/", "/original_event")
"""Insides of events that the struct keeps as plain JSON, but the schema looks into."""


def fits_the_struct(name: str, document: Any) -> bool:
    try:
        msgspec.convert(document, STRUCTS[name])
    except msgspec.ValidationError:
        return False
    except AssertionError:
        return False  # BatchItem: neither or both
    return True


def is_looseness(document: Any, fault: Violation) -> bool:
    if fault.keyword in LOOSER or any(inside in fault.pointer for inside in INSIDES):
        return True
    if fault.keyword == "required":
        return fault.pointer.rsplit("/", 1)[1] in DEFAULTED
    return fault.keyword == "type" and _at(document, fault.pointer) is None


def _at(document: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


# --- documents near the golden ones ---------------------------------------------------------------

_ODD_VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 5, 5.0, 5.5, 9, 10, 100, 101, 86400, 2**53 - 1, 2**53, 10**30, 1e300,
    "", "a", "a b", "5", "true", "resize", "x" * 51, "\x00", "é", "<script>", "PENDING", "pending", "UNKNOWN",
    "job.created", "job.unknown", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456789Z",
    "2026-01-31T12:00:00+01:00", "2026-01-31t12:00:00z", "2026-01-31 12:00:00Z", "2026-01-31T12:00:00",
    "2026-01-31T12:00:60Z", "2016-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
    "2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00-00:00",
    "0196a0c4-7d01-7025-905b-000000000001", "0196A0C4-7D01-7025-905B-000000000001", "0196a0c47d0170259",
    [], ["a"], [1, 2], {}, {"a": 1}, {"id": 1}, {"type": "T", "message": "m"},
    {"type": "T", "message": "m", "traceback": None},
    {"fraction": 1}, {"fraction": None}, {"fraction": 0.5, "message": "n"},
]  # fmt: skip


def _paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [path for key, value in children for path in [(*here, key), *_paths(value, (*here, key))]]


@st.composite
def near_documents(draw: st.DrawFn, name: str) -> Any:
    start = draw(st.sampled_from([GOOD, GOOD, GOOD, BAD]))
    document = copy.deepcopy(draw(st.sampled_from(start[name])))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3]))):
        paths = _paths(document)
        if not paths:
            break
        *way, last = draw(st.sampled_from(paths))
        parent = document
        for step in way:
            parent = parent[step]
        action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if action == "remove":
            del parent[last]
        elif action == "add" and isinstance(parent, dict):
            field = draw(st.sampled_from([*_fields_of(name), "unknown"]))
            parent[field] = copy.deepcopy(draw(st.sampled_from(_ODD_VALUES)))
        else:
            parent[last] = copy.deepcopy(draw(st.sampled_from(_ODD_VALUES)))
    return document


def _fields_of(name: str) -> list[str]:
    return list(contracts.schema(name)["properties"])


@pytest.mark.parametrize("name", STRUCTS)
def test_struct_and_schema_name_the_same_fields_and_require_the_same(name):
    schema = contracts.schema(name)
    fields = msgspec.structs.fields(STRUCTS[name])
    encoded = {field.encode_name for field in fields}

    assert encoded == set(schema["properties"]) - ({"queues"} if name == "worker-list" else set())
    always_written = {field.encode_name for field in fields if field.required}
    assert always_written - set(schema.get("required", [])) == set()
    if name != "event-batch":  # its version has a default in the struct, because only one is ever written
        assert always_written == set(schema.get("required", []))


@pytest.mark.parametrize("name", STRUCTS)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_what_the_schema_accepts_the_struct_accepts_and_writes_again(name, data):
    document = data.draw(near_documents(name))
    if not contracts.is_valid(name, document, known_values_only=True):
        return

    value = wire.convert(document, STRUCTS[name])

    written = json.loads(msgspec.json.encode(value))
    assert contracts.validate(name, written, known_values_only=True) == []
    assert wire.convert(written, STRUCTS[name]) == value


@pytest.mark.parametrize("name", STRUCTS)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_what_the_struct_accepts_the_schema_refuses_only_by_a_rule_that_no_struct_knows(name, data):
    document = data.draw(near_documents(name))
    if not fits_the_struct(name, document):
        return

    for fault in contracts.validate(name, document):
        assert is_looseness(document, fault), fault


@pytest.mark.parametrize("name", STRUCTS)
def test_the_documents_are_near_enough_to_be_accepted_often(name):
    accepted = 0

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(near_documents(name))
    def count(document):
        nonlocal accepted
        accepted += contracts.is_valid(name, document, known_values_only=True)

    count()

    assert accepted >= 5


# --- what our own code writes ---------------------------------------------------------------------


def _decoded(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


@settings(max_examples=150, deadline=None)
@given(histories())
def test_every_job_and_event_that_the_lifecycle_writes_fits_its_schema(history):
    jobs, events = history

    for job in jobs:
        assert contracts.validate("job", _decoded(job), known_values_only=True) == []
        assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job
    for event in events:
        assert contracts.validate_envelope(_decoded(event)) == []
        assert contracts.is_valid("event-envelope", _decoded(event), known_values_only=True)
    assert contracts.validate("event-batch", _decoded(wire.EventBatch(events=tuple(events)))) == []


def test_the_histories_hold_every_event_that_is_allowed():
    seen = set()

    @settings(max_examples=250, deadline=None, database=None)
    @given(histories())
    def collect(history):
        for event in history[1]:
            seen.add((event.payload.get("previousStatus"), event.event_type, event.payload["status"]))

    for number in range(10):
        seed(number)(collect)()
        if seen == set(ALLOWED):
            break

    assert seen == set(ALLOWED)


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(0, 5), st.none() | WAIT_S)
def test_the_stats_of_every_history_fit_their_schema(history, lag, lag_s):
    view = StatsView()
    for event in history[1]:
        view = fold_stats(view, msgspec.json.decode(msgspec.json.encode(event), type=Event))
    position = len(history[1])

    stats = wire.stats_of(
        view, as_of=START, position=position, log_position=position + lag, source="sqlite", lag_s=lag_s
    )

    assert contracts.validate("stats", _decoded(stats), known_values_only=True) == []
    assert (stats.total_jobs, stats.lag) == (1, lag)
    assert stats.completed_jobs == view.by_status[JobStatus.COMPLETED]


REQUESTS = st.builds(
    wire.JobRequest,
    type=TYPES,
    payload=st.none() | OBJECTS,
    queue=st.none() | QUEUES,
    priority=st.none() | st.integers(0, 9),
    max_attempts=st.none() | st.integers(1, 100),
    timeout_seconds=st.none() | st.floats(0.001, 86_400),
    run_at=st.none() | INSTANTS,
    idempotency_key=st.none() | KEYS,
    correlation_id=st.none() | IDS,
    metadata=st.none() | OBJECTS,
)
_CODES = st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True)
_ITEMS = st.builds(
    wire.ProblemItem, pointer=st.sampled_from(["", "/type", "/a~1b/0"]), detail=st.text(min_size=1), code=_CODES
)
PROBLEMS = st.builds(
    wire.Problem,
    type=st.sampled_from(["about:blank", "urn:task-observatory:problem:refused"]),
    title=st.text(min_size=1, max_size=200),
    status=st.integers(400, 599),
    code=_CODES,
    detail=st.none() | st.text(),
    instance=st.none() | st.just("/jobs"),
    correlation_id=st.none() | IDS,
    errors=st.lists(_ITEMS, max_size=3).map(tuple),
)
LETTERS = st.builds(
    wire.DeadLetter,
    original_event=JSON,
    validation_error=st.text(min_size=1, max_size=80),
    rejected_at=INSTANTS,
    correlation_id=st.none() | IDS,
    service=st.just("gateway"),
    service_version=st.just("0.1.0"),
)
WORKERS = st.builds(
    WorkerInfo,
    instance_id=st.just("processor-1"),
    host=st.just("worker-a"),
    pid=st.integers(1, 2**22),
    version=st.just("0.1.0"),
    started_at=INSTANTS,
    heartbeat_at=st.none() | INSTANTS,
    slots=st.integers(0, 64),
    is_draining=st.booleans(),
    types=st.lists(TYPES, max_size=2).map(tuple),
    jobs=st.lists(IDS, max_size=2).map(tuple),
)
TYPE_INFOS = st.builds(
    TypeInfo,
    type=TYPES,
    runs_in=st.sampled_from(Isolation),
    max_attempts=st.integers(1, 100),
    timeout_seconds=st.floats(0.001, 86_400),
    payload_schema=st.none() | OBJECTS,
)


@pytest.mark.parametrize(
    ("name", "values", "wrap"),
    [
        ("job-request", REQUESTS, False),
        ("problem", PROBLEMS, False),
        ("dead-letter", LETTERS, False),
        ("worker-list", WORKERS, True),
        ("type-list", TYPE_INFOS, True),
    ],
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_value_within_the_bounds_fits_its_schema_and_comes_back(name, values, wrap, data):
    value = data.draw(values)
    written = _decoded(value)
    document = {"items": [written], "nextCursor": None, "asOf": "2026-01-31T12:00:00Z"} if wrap else written

    assert contracts.validate(name, document, known_values_only=True) == []
    assert wire.convert(written, type(value)) == value


def test_a_number_written_with_a_point_is_an_integer():
    request = {"type": "resize", "priority": 5.0}

    assert contracts.is_valid("job-request", request)
    assert wire.convert(request, wire.JobRequest).priority == 5


@pytest.mark.parametrize("parts", [{}, {"job": 1, "error": 2}])
def test_a_batch_item_is_either_a_job_or_an_error(parts):
    with pytest.raises(AssertionError, match="either a job or an error"):
        wire.BatchItem(**parts)
