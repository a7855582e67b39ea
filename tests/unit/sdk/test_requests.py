"""The options of a submit, within their bounds and one past them."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from observatory.contracts import validate
from observatory.core import limits
from observatory.core.errors import InvalidJob
from observatory.sdk.requests import JobOptions, JobRequest, request_of
from observatory.testing.manual_sources import BEGINNING, ManualClock, SeededIds

CORRELATION = "0192d0a0-0000-7000-8000-000000000001"
DAY_S = 86_400.0


def requested(payload: dict[str, Any] | None = None, /, **options: Any) -> JobRequest:
    return request_of(
        "example", payload or {}, JobOptions(**options), clock=ManualClock(), ids=SeededIds(), correlation_id=None
    )


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"queue": "q" * limits.QUEUE_NAME_CHARS_MAX}, "queue", "q" * limits.QUEUE_NAME_CHARS_MAX),
        ({"priority": 0}, "priority", 0),
        ({"priority": 9}, "priority", 9),
        ({"max_attempts": 1}, "maxAttempts", 1),
        ({"max_attempts": limits.ATTEMPTS_MAX}, "maxAttempts", limits.ATTEMPTS_MAX),
        ({"timeout_s": 0.001}, "timeoutSeconds", 0.001),
        ({"timeout_s": limits.TIMEOUT_S_MAX}, "timeoutSeconds", limits.TIMEOUT_S_MAX),
        ({"delay_s": 0}, "runAt", "2026-01-01T00:00:00+00:00"),
        ({"delay_s": 90}, "runAt", "2026-01-01T00:01:30+00:00"),
        ({"delay_s": limits.RUN_AHEAD_DAYS_MAX * DAY_S}, "runAt", "2027-01-02T00:00:00+00:00"),
        (
            {"run_at": datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))},
            "runAt",
            "2026-01-01T00:00:00+00:00",
        ),
        ({"idempotency_key": "a/b:c." + "k" * 122}, "idempotencyKey", "a/b:c." + "k" * 122),
        ({"correlation_id": CORRELATION.upper()}, "correlationId", CORRELATION),
        ({"metadata": {"team": "x", "at": BEGINNING}}, "metadata", {"team": "x", "at": "2026-01-01T00:00:00Z"}),
    ],
)
def test_an_option_stands_in_the_request_as_the_contract_wants_it(
    options: dict[str, Any], field: str, value: object
) -> None:
    document = requested(**options).document

    assert document[field] == value
    assert validate("job-request", document) == []


@pytest.mark.parametrize(
    ("options", "pointer", "says"),
    [
        ({"queue": "q" * (limits.QUEUE_NAME_CHARS_MAX + 1)}, "/queue", "1 to 64"),
        ({"queue": "a b"}, "/queue", "letters, digits"),
        ({"queue": 5}, "/queue", "letters, digits"),
        ({"priority": -1}, "/priority", "from 0 to 9"),
        ({"priority": 10}, "/priority", "from 0 to 9"),
        ({"priority": True}, "/priority", "a whole number"),
        ({"priority": 1.0}, "/priority", "a whole number"),
        ({"max_attempts": 0}, "/maxAttempts", "from 1 to 100"),
        ({"max_attempts": limits.ATTEMPTS_MAX + 1}, "/maxAttempts", "from 1 to 100"),
        ({"timeout_s": 0}, "/timeoutSeconds", "above 0"),
        ({"timeout_s": limits.TIMEOUT_S_MAX + 1}, "/timeoutSeconds", "at most 86400"),
        ({"timeout_s": math.nan}, "/timeoutSeconds", "above 0"),
        ({"timeout_s": "5"}, "/timeoutSeconds", "a number of seconds"),
        ({"delay_s": -0.1}, "/runAt", "at least 0"),
        ({"delay_s": limits.RUN_AHEAD_DAYS_MAX * DAY_S + 1}, "/runAt", "at most"),
        ({"delay_s": 1, "run_at": BEGINNING}, "/runAt", "give one of them"),
        ({"run_at": datetime(2026, 1, 1)}, "/runAt", "no time zone"),  # noqa: DTZ001 — the mistake itself
        ({"run_at": "2026-01-01"}, "/runAt", "a datetime"),
        ({"run_at": BEGINNING + timedelta(days=limits.RUN_AHEAD_DAYS_MAX, seconds=1)}, "/runAt", "366 days ahead"),
        ({"idempotency_key": ""}, "/idempotencyKey", "1 to 128"),
        ({"idempotency_key": "k" * 129}, "/idempotencyKey", "1 to 128"),
        ({"idempotency_key": "ä"}, "/idempotencyKey", "letters, digits"),
        ({"correlation_id": "x"}, "/correlationId", "a UUID"),
        ({"metadata": [1]}, "/metadata", "a mapping"),
        ({"metadata": {"a": object()}}, "/metadata", "a mapping of JSON values"),
        ({"metadata": {"a": "x" * limits.METADATA_BYTES_MAX}}, "/metadata", "at most 16384"),
    ],
)
def test_an_option_out_of_its_bounds_is_named_before_anything_is_sent(
    options: dict[str, Any], pointer: str, says: str
) -> None:
    with pytest.raises(InvalidJob) as refusal:
        requested(**options)

    assert (refusal.value.pointer, says in refusal.value.detail) == (pointer, True), refusal.value.detail


def test_a_misspelled_option_is_refused_by_its_name() -> None:
    with pytest.raises(TypeError, match="qeue"):
        requested(qeue="slow")


def test_each_request_has_a_key_of_its_own_unless_one_is_given() -> None:
    ids = SeededIds()
    keys = [
        request_of("x", {}, JobOptions(), clock=ManualClock(), ids=ids, correlation_id=None).idempotency_key
        for _ in range(3)
    ]

    assert len(set(keys)) == 3
    assert requested(idempotency_key="order-1").idempotency_key == "order-1"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"n": 2**53}, "unsafe_integer"),
        ({"n": math.inf}, "not_json"),
        ({"n": "\ud800"}, "not_json"),
        ({"n": "x" * limits.PAYLOAD_BYTES_MAX}, "payload_too_large"),
    ],
)
def test_a_payload_that_no_store_can_hold_is_refused_here(payload: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidJob) as refusal:
        requested(payload)

    assert refusal.value.code == code
    assert (refusal.value.pointer or "").startswith("/payload")


@pytest.mark.parametrize(
    ("payload", "says", "pointer"),
    [
        ({"n": 2**60}, "n in the payload: ", "/payload/n"),
        ({"a/b": [1, 2**60]}, "a/b.1 in the payload: ", "/payload/a~1b/1"),
    ],
)
def test_what_no_store_can_hold_is_named_by_its_place(payload: dict[str, Any], says: str, pointer: str) -> None:
    with pytest.raises(InvalidJob) as refusal:
        requested(payload)

    assert refusal.value.detail.startswith(says)
    assert refusal.value.pointer == pointer


def test_the_correlation_of_a_handler_gives_way_to_one_that_is_named() -> None:
    def of(options: JobOptions) -> str:
        return request_of(
            "x", {}, options, clock=ManualClock(), ids=SeededIds(), correlation_id=str(CORRELATION)
        ).document["correlationId"]

    other = CORRELATION[:-1] + "2"
    assert of(JobOptions()) == CORRELATION
    assert of(JobOptions(correlation_id=other)) == other
    assert BEGINNING.tzinfo is UTC
