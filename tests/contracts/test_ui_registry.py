import json

import pytest

from observatory import contracts
from observatory.contracts import ui_registry
from observatory.contracts.ui_registry import BUILT_IN
from tests.contracts.cases import CONTRACTS

DELIVERED = CONTRACTS / "ui-registry.json"


def test_the_delivered_file_has_the_nine_entries_and_no_warning():
    registry = ui_registry()

    assert registry.warning is None
    assert {entry.name: entry.port for entry in registry.entries} == {
        "Web dashboard": 8081,
        "Gateway API": 3000,
        "Read model API": 8080,
        "RabbitMQ": 15672,
        "Grafana": 3002,
        "Prometheus": 9090,
        "pgAdmin": 5050,
        "Mongo Express": 8082,
        "RedisInsight": 8001,
    }


def test_the_built_in_entries_are_those_of_the_delivered_file():
    assert ui_registry().entries == BUILT_IN
    assert contracts.validate("ui-registry", json.loads(DELIVERED.read_bytes())) == []


def test_an_edited_file_is_read_again(tmp_path):
    path = tmp_path / "ui-registry.json"
    document = json.loads(DELIVERED.read_bytes())
    document["entries"] = document["entries"][:2]
    document["entries"][0]["name"] = "Our page"
    path.write_text(json.dumps(document))

    registry = ui_registry(path)

    assert registry.warning is None
    assert [entry.name for entry in registry.entries] == ["Our page", "Gateway API"]


def _entries(**changes):
    first, second = json.loads(DELIVERED.read_bytes())["entries"][:2]
    return json.dumps({"entries": [first, {**second, **changes}]})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "is not a UI registry: "),
        ("{", "is not a UI registry: "),
        ("[]", "is not a UI registry: the document must be an object, not an array"),
        (_entries(port=0), "is not a UI registry: /entries/1/port must be at least 1, not 0"),
        (_entries(port=8081), "has two entries with the port 8081"),
        (_entries(id="web-dashboard"), "has two entries with the id web-dashboard"),
    ],
)
def test_a_missing_or_wrong_file_gives_the_built_in_entries_and_says_why(tmp_path, content, problem):
    path = tmp_path / "ui-registry.json"
    if content is not None:
        path.write_text(content)

    registry = ui_registry(path)

    assert registry.entries == BUILT_IN
    assert registry.warning is not None
    assert problem in registry.warning.problem
    assert str(path) in registry.warning.problem
    assert "ui-registry.json" in registry.warning.remedy


def test_no_entry_holds_credentials():
    for entry in BUILT_IN:
        assert entry.sign_in is None or "from your environment file or secret" in entry.sign_in
