import pytest

from observatory.contracts import catalog, validate_file
from observatory.core import limits
from observatory.core.errors import BadJson, CannotStart, Refused
from tests.contracts.cases import golden_cases, negative_cases


def test_every_golden_file_has_no_fault():
    for case in golden_cases():
        assert validate_file(case.path, case.name, case.version) == [], str(case)


def test_every_negative_file_has_its_fault():
    for case in negative_cases():
        assert [fault.pointer for fault in validate_file(case.path, case.name, case.version)] == [case.pointer]


def test_an_event_file_is_held_to_the_version_it_declares():
    earlier = [case for case in golden_cases() if case.name == "event-envelope" and case.version]

    assert earlier
    for case in earlier:
        assert validate_file(case.path, case.name) == []


def test_a_file_that_is_not_strict_json_is_refused(tmp_path):
    path = tmp_path / "twice.json"
    path.write_text('{"type": "a", "type": "b"}')

    with pytest.raises(BadJson) as refusal:
        validate_file(path, "job-request")

    assert refusal.value.code == "duplicate_key"


def test_a_file_that_cannot_be_read_is_refused_with_its_name(tmp_path):
    with pytest.raises(Refused, match=r"none\.json cannot be read: No such file") as refusal:
        validate_file(tmp_path / "none.json", "job")

    assert refusal.value.code == "unreadable_file"


def test_an_unknown_schema_is_said_before_the_file_is_looked_at(tmp_path):
    with pytest.raises(Refused) as refusal:
        validate_file(tmp_path / "none.json", "nope")

    assert refusal.value.code == "unknown_schema"


def test_a_file_may_be_as_large_as_the_limit_and_no_larger(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "CHECKED_FILE_BYTES_MAX", 20)
    path = tmp_path / "job.json"
    path.write_text('{"type": "resize"}  ')

    assert validate_file(path, "job-request") == []

    path.write_text('{"type": "resize"}   ')
    with pytest.raises(BadJson) as refusal:
        validate_file(path, "job-request")
    assert refusal.value.code == "too_large"


def test_an_unknown_schema_is_refused(tmp_path):
    path = tmp_path / "job.json"
    path.write_text("{}")

    with pytest.raises(Refused, match="no schema 'jobb'"):
        validate_file(path, "jobb")


def test_an_installation_without_contracts_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "__file__", str(tmp_path / "src" / "observatory" / "contracts" / "catalog.py"))

    with pytest.raises(CannotStart, match="contracts are missing"):
        catalog.folder.__wrapped__()


def test_an_installed_package_reads_the_contracts_inside_it(tmp_path, monkeypatch):
    package = tmp_path / "observatory" / "contracts"
    (package / "files" / "schemas").mkdir(parents=True)
    monkeypatch.setattr(catalog, "__file__", str(package / "catalog.py"))

    assert catalog.folder.__wrapped__() == package / "files"
