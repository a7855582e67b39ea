import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory import contracts
from observatory.contracts.violation import Violation, describe, pointer_of, problem_items, quoted
from observatory.core import limits
from tests.contracts.cases import CONTRACTS

README = (CONTRACTS / "README.md").read_text()
EXAMPLES = re.findall(r"^\| ([a-z-]+) \| `(.+)` \| `(.+)` \|$", README, re.MULTILINE)


def test_the_page_has_examples():
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize(("name", "document", "text"), EXAMPLES)
def test_text_is_exactly_as_documented(name, document, text):
    assert describe(contracts.validate(name, json.loads(document))) == text


def test_ten_faults_are_spelled_out_and_the_rest_is_counted():
    batch = {"contractVersion": "1.1.0", "events": [{}] * 2}

    text = describe(contracts.validate("event-batch", batch))

    assert text.startswith("22 faults: /events/0/contractVersion is required; /events/0/correlationId is required; ")
    assert text.endswith("; /events/0/producer is required; and 12 more")
    assert text.count(" is required") == limits.VIOLATIONS_NAMED_MAX


def test_array_positions_are_sorted_by_number():
    batch = {"contractVersion": "1.1.0", "events": [5] * 12}

    faults = contracts.validate("event-batch", batch)

    assert [fault.pointer for fault in faults] == [f"/events/{index}" for index in range(12)]


def test_faults_are_bounded():
    batch = {"contractVersion": "1.1.0", "events": [5] * 150}

    assert len(contracts.validate("event-batch", batch)) == limits.VIOLATIONS_MAX


def test_one_wrong_form_is_one_fault():
    faults = contracts.validate("job-request", {"type": "t", "runAt": "soon"})

    assert len(faults) == 1
    assert faults[0].keyword == "format"


def test_faults_become_items_of_a_problem():
    faults = contracts.validate("job-request", {"type": "t", "timeoutSeconds": 0})

    assert [(item.pointer, item.detail, item.code) for item in problem_items(faults)] == [
        ("/timeoutSeconds", "must be more than 0, not 0", "exclusive_minimum")
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (-1, "-1"),
        (2.5, "2.5"),
        (10**60, "a number of more than 60 digits"),
        (-(10**900), "a number of more than 60 digits"),
        ("é☀\n", '"\\u00e9\\u2600\\n"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("</script>", '"\\u003c/script\\u003e"'),
        ("\ud800", '"\\ud800"'),
        ("\x7f", '"\\u007f"'),
        ("x" * 60, f'"{"x" * 60}"'),
        ("x" * 61, f'"{"x" * 60}"... (61 characters)'),
        ({"a": 1}, "an object"),
        ([1], "an array"),
    ],
)
def test_echo_is_bounded_and_escaped(value, text):
    assert quoted(value) == text


@given(st.text(max_size=300))
def test_echo_of_any_text_is_short_printable_ascii_without_markup(text):
    echo = quoted(text)

    assert echo.isascii()
    assert echo.isprintable()
    assert not set(echo) & set("<>&")
    assert len(echo) <= limits.ECHO_CHARS_MAX * len("\\ud83d\\ude00") + 40


@given(st.text(min_size=1, max_size=90))
def test_a_pointer_in_a_line_of_text_is_printable(name):
    line = describe([Violation(pointer_of([name]), "is required", "required")])

    assert line.isascii()
    assert line.isprintable()


@given(st.lists(st.text(max_size=5), max_size=4))
def test_a_pointer_leads_back_to_its_parts(parts):
    read = [part.replace("~1", "/").replace("~0", "~") for part in pointer_of(parts).split("/")[1:]]

    assert read == parts


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("name", contracts.names())
@given(value=_ANYTHING)
def test_validate_answers_for_every_value(name, value):
    faults = contracts.validate(name, value)

    assert (faults == []) == contracts.is_valid(name, value)
    assert describe(faults).isprintable()


@pytest.mark.parametrize("value", [{1: 2}, {"type": b"t"}, {"type": "\ud800"}, {"type": "t", "priority": math.nan}])
def test_what_is_not_json_is_a_fault_where_a_rule_looks_at_it(value):
    assert contracts.validate("job-request", value) != []


def test_nesting_without_end_is_no_crash():
    value: list = []
    for _ in range(5000):
        value = [value]

    assert contracts.validate("job-request", {"type": "t", "payload": {"a": value}}) == []
    assert [fault.pointer for fault in contracts.validate("job-request", {"type": value})] == [""]
