import re
from datetime import datetime
from typing import Any

import jsonschema
import pytest
import referencing

from observatory import contracts
from observatory.contracts import catalog
from observatory.contracts.violation import pointer_of
from observatory.core import strict_json
from observatory.core.event import EventType
from observatory.core.job import JobStatus
from tests.contracts.cases import FIXTURES, Case, faults_of, golden_cases, negative_cases

GOLDEN = golden_cases()
NEGATIVE = negative_cases()


@pytest.mark.parametrize("case", GOLDEN, ids=str)
def test_golden_document_is_accepted(case: Case):
    assert contracts.validate(case.name, case.document, case.version) == []
    assert contracts.is_valid(case.name, case.document, case.version)
    strict_json.decode(case.path.read_bytes())


@pytest.mark.parametrize("case", NEGATIVE, ids=str)
def test_negative_document_is_refused_for_its_one_fault(case: Case):
    faults = contracts.validate(case.name, case.document, case.version)

    assert [fault.pointer for fault in faults] == [case.pointer]
    assert faults[0].keyword == case.keyword
    assert not contracts.is_valid(case.name, case.document, case.version)


@pytest.mark.parametrize("case", [*GOLDEN, *NEGATIVE], ids=str)
def test_an_independent_validator_finds_the_same_faults(case: Case):
    ours = {fault.pointer for fault in contracts.validate(case.name, case.document, case.version)}

    assert _second_opinion(catalog.schema(case.name, case.version), case.document) == ours


def test_fault_lists_name_exactly_the_negative_files():
    for folder in (path for path in (FIXTURES / "negative").iterdir() if path.is_dir()):
        faults = faults_of(folder)
        assert set(faults) == {path.name for path in folder.glob("*.json")}
        assert all(fault["why"] for fault in faults.values())


def test_every_schema_has_enough_fixtures():
    def count(cases: list[Case], name: str) -> int:
        return sum(case.name == name and case.version is None for case in cases)

    for name in contracts.names():
        is_central = name in {"job", "job-request", "event-envelope"}
        assert count(GOLDEN, name) >= (5 if is_central else 3), name
        assert count(NEGATIVE, name) >= (12 if is_central else 3), name


def test_golden_jobs_show_every_status_and_golden_events_every_type():
    statuses = {case.document["status"] for case in GOLDEN if case.name == "job" and case.version is None}
    types = {case.document["eventType"] for case in GOLDEN if case.name == "event-envelope" and case.version is None}

    assert statuses >= set(JobStatus)
    assert types >= set(EventType)


@pytest.mark.parametrize("name", ["job", "event-envelope"])
def test_what_fits_the_newest_version_fits_every_earlier_one(name):
    for case in GOLDEN:
        if case.name == name and case.version is None:
            for version in contracts.versions(name):
                assert contracts.validate(name, case.document, version) == [], str(case)


@pytest.mark.parametrize("case", [case for case in GOLDEN if case.name == "event-envelope"], ids=str)
def test_an_event_is_held_to_the_version_it_declares(case: Case):
    assert contracts.validate_envelope(case.document) == []
    assert contracts.envelope_version(case.document) == case.version


def test_a_reader_accepts_an_unknown_status_and_a_writer_does_not():
    job = next(case for case in GOLDEN if str(case) == "job/unknown-field-and-status").document

    faults = contracts.validate("job", job, known_values_only=True)

    assert contracts.validate("job", job) == []
    assert [(fault.pointer, fault.keyword) for fault in faults] == [("/status", "enum")]
    assert faults[0].detail.endswith('"FAILED", "CANCELLED", not "QUARANTINED"')


def test_known_values_are_checked_inside_of_lists_too():
    job = next(case for case in GOLDEN if str(case) == "job/unknown-field-and-status").document
    page = {"items": [job], "nextCursor": None, "asOf": "2026-01-31T12:00:00Z"}

    assert contracts.is_valid("job-list", page)
    assert not contracts.is_valid("job-list", page, known_values_only=True)


# --- the independent validator ------------------------------------------------------------------


def _ecma_pattern(validator, pattern, instance, _schema):
    """`$` is the end of the text in JSON Schema; in Python it is also before a last line break."""
    if validator.is_type(instance, "string") and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError("pattern")


_FORMATS = jsonschema.FormatChecker(formats=["uuid"])


@_FORMATS.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or (datetime.fromisoformat(value).tzinfo is not None and "T" in value)


_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _ecma_pattern})
_REGISTRY = referencing.Registry().with_contents(catalog.schemas_by_id().items())


def _second_opinion(schema: dict[str, Any], document: Any) -> set[str]:
    found = set()
    for error in _Validator(schema, registry=_REGISTRY, format_checker=_FORMATS).iter_errors(document):
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            found |= {pointer_of([*error.absolute_path, name]) for name in missing}
        else:
            found.add(pointer_of(list(error.absolute_path)))
    return found
