from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.errors import InvalidJob, Refused
from observatory.core.strict_json import canonical
from observatory.gateway.batch import documents_of_array, documents_of_lines
from observatory.gateway.payload_schema import payload_check
from observatory.gateway.submit import CallContext, checked_document, fingerprint_of, new_job
from observatory.testing.manual_sources import BEGINNING, SeededIds

CONTEXT = CallContext(correlation_id="00000000-0000-7000-8000-000000000000")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def checked(**fields: Any) -> Any:
    return checked_document({"type": "a"} | fields, now=BEGINNING)


@given(st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=4))
def test_the_fingerprint_depends_on_the_value_and_not_on_its_spelling(payload: dict[str, Any]) -> None:
    backwards = dict(reversed(payload.items()))

    assert fingerprint_of({"type": "a", "payload": payload}) == fingerprint_of({"payload": backwards, "type": "a"})


@pytest.mark.parametrize(
    "other",
    [{"type": "b"}, {"payload": {"x": 1}}, {"queue": "default"}, {"priority": 5}, {"metadata": {}}],
)
def test_the_fingerprint_tells_type_payload_and_options_as_given(other: dict[str, Any]) -> None:
    assert fingerprint_of({"type": "a"} | other) != fingerprint_of({"type": "a"})


@pytest.mark.parametrize("beside", [{"correlationId": "x"}, {"idempotencyKey": "k"}, {"unknown": 1}, {"payload": {}}])
def test_what_says_nothing_about_the_run_leaves_the_fingerprint(beside: dict[str, Any]) -> None:
    assert fingerprint_of({"type": "a"} | beside) == fingerprint_of({"type": "a"})


def test_whole_floats_are_whole_numbers() -> None:
    request = checked(priority=3.0, maxAttempts=2.0, timeoutSeconds=7).request

    assert (request.priority, request.max_attempts, request.timeout_seconds) == (3, 2, 7.0)


@pytest.mark.parametrize(("ahead_s", "is_accepted"), [(0, True), (1, False)])
def test_a_job_may_be_due_within_the_window(ahead_s: int, is_accepted: bool) -> None:
    run_at = BEGINNING + timedelta(days=limits.RUN_AHEAD_DAYS_MAX, seconds=ahead_s)

    if is_accepted:
        assert checked(runAt=run_at.isoformat()).run_at == run_at
    else:
        with pytest.raises(InvalidJob) as refused:
            checked(runAt=run_at.isoformat())
        assert refused.value.pointer == "/runAt"


@pytest.mark.parametrize(
    ("name", "bytes_max"), [("payload", limits.PAYLOAD_BYTES_MAX), ("metadata", limits.METADATA_BYTES_MAX)]
)
def test_documents_are_bounded_in_canonical_bytes(name: str, bytes_max: int) -> None:
    pairs, rest = divmod(bytes_max - len(canonical({"t": ""})), len("é".encode()))
    fitting = {"t": "é" * pairs + "x" * rest}
    over = {"t": fitting["t"] + "x"}
    assert len(canonical(fitting)) == bytes_max

    checked(**{name: fitting})
    with pytest.raises(InvalidJob) as refused:
        checked(**{name: over})
    assert (refused.value.code, refused.value.pointer) == (f"{name}_too_large", f"/{name}")


def test_a_time_out_of_every_bound_is_told_the_bound() -> None:
    with pytest.raises(InvalidJob, match="at most 366 days ahead, not"):
        checked(runAt="9999-12-31T23:59:59Z")


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(InvalidJob) as refused:
        checked(type="", priority=10, queue=1)

    assert [fault.pointer for fault in refused.value.violations] == ["/priority", "/queue", "/type"]


def test_the_job_draws_its_identities_and_keeps_the_callers_correlation() -> None:
    ids = SeededIds()
    own = "0190F3A0-7B1C-7D3E-8F00-000000000001"

    job = new_job(checked(correlationId=own), CONTEXT, info=None, ids=ids)
    other = new_job(checked(), CONTEXT, info=None, ids=ids)

    assert len({job.id, job.event_id, other.id, other.event_id}) == 4
    assert job.correlation_id == own.lower()
    assert other.correlation_id == CONTEXT.correlation_id


class TestBatchBodies:
    def test_lines_are_read_one_by_one(self) -> None:
        first, broken, last = documents_of_lines(b' {"type":"a"} \r\n\n{\n{"type":"b"}')

        assert (first, last) == ({"type": "a"}, {"type": "b"})
        assert isinstance(broken, Refused)

    @pytest.mark.parametrize("body", [b"{}", b"1", b"null", b"[]"])
    def test_an_array_of_at_least_one_is_needed(self, body: bytes) -> None:
        with pytest.raises(Refused) as refused:
            documents_of_array(body)

        assert refused.value.code == "invalid_batch"


PICTURE: dict[str, Any] = {
    "type": "object",
    "required": ["path"],
    "additionalProperties": False,
    "properties": {"path": {"type": "string"}, "sizes": {"type": "array", "items": {"type": "integer"}}},
}


class TestPayloadSchemas:
    def test_faults_point_into_the_body_of_the_request(self) -> None:
        check = payload_check(PICTURE)
        assert check is not None

        faults = check({"sizes": [1, "x"], "other": 1})

        assert [(fault.pointer, fault.keyword) for fault in faults] == [
            ("/payload", "additionalProperties"),
            ("/payload/path", "required"),
            ("/payload/sizes/1", "type"),
        ]
        assert check({"path": "a"}) == []

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "no-such-type"},
            {"$ref": "http://127.0.0.1:9/schema.json"},
            {"$ref": "file:///etc/passwd"},
            {"properties": {"a": {"pattern": "(?=x)(a+)+$"}}},
        ],
    )
    def test_a_schema_that_cannot_be_used_safely_is_not_used(self, schema: dict[str, Any]) -> None:
        assert payload_check(schema) is None

    def test_a_reference_inside_the_schema_is_followed(self) -> None:
        check = payload_check({"$defs": {"n": {"minimum": 2}}, "properties": {"a": {"$ref": "#/$defs/n"}}})
        assert check is not None

        assert [fault.pointer for fault in check({"a": 1})] == ["/payload/a"]
