"""The JSON door refuses by stable codes, and what it accepts equals `json.loads`."""

import json
import math
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.errors import BadJson, Refused
from observatory.core.strict_json import JsonValue, canonical, decode, pointer_to
from tests.fixtures.bad_input import corpus

CODES = {
    "too_large",
    "invalid_utf8",
    "too_deep",
    "malformed_json",
    "duplicate_key",
    "not_finite",
    "unsafe_integer",
    "nul_character",
    "lone_surrogate",
    "string_too_long",
    "key_too_long",
    "too_many_members",
}

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
safe_integers = st.integers(-limits.JSON_INTEGER_MAX, limits.JSON_INTEGER_MAX)
scalars = (
    st.none() | st.booleans() | safe_integers | st.floats(allow_nan=False, allow_infinity=False) | st.text(characters)
)
# ASCII names only: two different names may be one after NFC, which is another test.
names = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def refused(body: bytes, **bounds: int) -> BadJson:
    with pytest.raises(BadJson) as caught:
        decode(body, **bounds)
    return caught.value


def is_same(one: Any, other: Any) -> bool:
    """Equality that tells True from 1, 1 from 1.0, -0.0 from 0.0, and sees the order of names."""
    return repr(one) == repr(other)


# --- the corpus -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", corpus.bodies(), ids=lambda case: case.name)
def test_the_corpus_is_answered_as_it_says(case):
    if case.code in CODES:
        error = refused(case.body)
        assert (error.code, error.pointer) == (case.code, case.pointer)
    else:
        # Faults of fields are found by the validation of jobs; the door lets them pass, unchanged.
        assert is_same(decode(case.body), json.loads(case.body))


def test_the_corpus_has_every_code_and_enough_cases():
    bodies = corpus.bodies()
    assert {case.code for case in bodies} >= CODES
    assert {case.code for case in bodies} == CODES | {None, "invalid_job", "payload_too_large"}
    assert len(bodies) >= 150
    assert sum(case.status == 201 for case in bodies) >= 30
    assert all((case.status == 201) == (case.code is None) for case in bodies)
    assert all((case.status == 413) == (case.code in {"too_large", "payload_too_large"}) for case in bodies)
    assert len({case.name for case in bodies}) == len(bodies)


def test_the_payload_sizes_of_the_corpus_are_what_their_answers_say():
    for case in corpus.bodies():
        if case.code == "payload_too_large" or case.name.startswith("size_payload"):
            payload_bytes = len(canonical(json.loads(case.body)["payload"]))
            assert (payload_bytes > limits.PAYLOAD_BYTES_MAX) == (case.status == 413), case.name


def test_the_corpus_of_framing_is_well_formed():
    requests = corpus.framing()
    assert len(requests) >= 40
    assert len({case.name for case in requests}) == len(requests)
    for case in requests:
        assert case.request, case.name
        assert case.answers, case.name
        assert all(answer == "closed" or answer in range(100, 600) for answer in case.answers), case.name


# --- against the standard library -------------------------------------------------------------


@given(values, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_every_value_written_as_json_is_accepted_and_equals_json_loads(value, ensure_ascii, indent):
    body = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent).encode()
    assert is_same(decode(body), json.loads(body))


def assert_refused_with_a_known_code_or_equal(body: bytes) -> None:
    code = None
    try:
        value = decode(body)
    except BadJson as error:
        code = error.code
    else:
        assert is_same(value, json.loads(body))
    assert code is None or code in CODES
    if code == "malformed_json":
        with pytest.raises(ValueError):
            json.loads(body)


STRUCTURE = ["{", "}", "[", "]", ":", ",", '"', " ", "\n", "\0", "\ufeff"]
PIECES = ['"a"', '"b"', "\\", '\\"', "\\u", "00", "d8", "1", "-", ".", "e9", "é", "e\u0301"]
WORDS = ["true", "null", "NaN", "Infinity", "9007199254740993", "1e999"]


@given(st.lists(st.sampled_from(STRUCTURE + PIECES + WORDS), max_size=12).map("".join) | st.text(max_size=20))
@example("[1e5]")
@example('{"a":1,"a":1}')
@example("[NaN]")
def test_whatever_is_accepted_equals_json_loads_and_whatever_is_refused_has_a_known_code(text):
    assert_refused_with_a_known_code_or_equal(text.encode(errors="surrogatepass"))


@given(st.binary(max_size=40))
def test_any_bytes_are_accepted_or_refused_and_nothing_else_is_raised(body):
    assert_refused_with_a_known_code_or_equal(body)


@given(values, st.data())
def test_a_body_cut_anywhere_is_never_another_object(value, data):
    body = json.dumps({"v": value}).encode()
    cut = data.draw(st.integers(0, len(body) - 1))
    assert refused(body[:cut]).code == "malformed_json"


# --- what an answer tells ---------------------------------------------------------------------


def test_a_refusal_is_the_callers_mistake():
    assert isinstance(refused(b""), Refused)


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        (b"", 0),
        (b"{", 1),
        ("[1,é]".encode(), 3),
        ('["é",x]'.encode(), 6),
        ('["\U0001f600" 1]'.encode(), 8),
        (b"[1] 2", 4),
    ],
)
def test_malformed_json_is_located_in_bytes(body, offset):
    error = refused(body)
    assert (error.code, error.offset) == ("malformed_json", offset)


@pytest.mark.parametrize(("body", "offset"), [(b'["a\xff"]', 3), (b"\xef\xbb\xbf[]", 0), (b"[\x00]\x00", 1)])
def test_invalid_utf8_is_located_in_bytes(body, offset):
    error = refused(body)
    assert (error.code, error.offset) == ("invalid_utf8", offset)


def test_an_unsafe_integer_is_told_to_come_as_a_string():
    assert "string" in refused(b"9007199254740992").detail


@pytest.mark.parametrize("path", [(), ("a",), ("",), ("a/b", "m~n"), ("~1",), ("l", 0, "x"), ("é",)])
def test_pointers_escape_and_lead_back(path):
    pointer = pointer_to(*path)
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    assert steps == [str(step) for step in path]


def test_the_first_fault_in_the_order_of_the_text_is_told():
    assert refused(b'{"a":1e999,"b":9007199254740993}').pointer == "/a"
    assert refused(b'{"b":9007199254740993,"a":1e999}').pointer == "/b"
    assert refused(b'{"a":1e999,"b":}').code == "malformed_json"


def test_a_pointer_never_contains_what_an_answer_cannot():
    for name in ("\\u0000", "\\ud800", "k" * 300):
        assert refused(f'{{"ok":{{"{name}":1}}}}'.encode()).pointer == "/ok"


# --- bounds: the last accepted and the first refused ------------------------------------------


def test_the_size_bound_of_a_body():
    assert decode(b"[1]", body_bytes_max=3) == [1]
    assert refused(b"[1]", body_bytes_max=2).code == "too_large"


@given(st.integers(1, 64), st.sampled_from(["[]", "{}"]), st.sampled_from(["", '"\\\\"', '"\\"]["', '"]}"']))
def test_the_depth_bound_holds_for_every_limit(depth_max, brackets, decoy):
    opening = "[" if brackets == "[]" else '{"k":'
    before = f"[{decoy}," if decoy else ""
    after = "]" if decoy else ""
    levels = depth_max - len(after)
    fits = before + opening * levels + "0" + brackets[1] * levels + after
    assert is_same(decode(fits.encode(), depth_max=depth_max), json.loads(fits))
    deeper = before + opening * (levels + 1) + "0" + brackets[1] * (levels + 1) + after
    assert refused(deeper.encode(), depth_max=depth_max).code == "too_deep"


def test_the_depth_limit_can_be_tightened_but_not_widened():
    with pytest.raises(AssertionError):
        decode(b"[]", depth_max=limits.JSON_DEPTH_MAX + 1)


def test_the_integer_bound():
    bound = limits.JSON_INTEGER_MAX
    assert decode(b"[%d,%d]" % (bound, -bound)) == [bound, -bound]
    assert refused(b"%d" % (bound + 1)).code == "unsafe_integer"
    assert refused(b"%d" % (-bound - 1)).code == "unsafe_integer"


def test_the_elements_bound_counts_all_levels():
    row = b"[" + b",".join([b"0"] * 999) + b"]"
    rows = limits.JSON_ELEMENTS_MAX // 1_000
    assert len(decode(b"[" + b",".join([row] * rows) + b"]")) == rows
    assert refused(b"[" + b",".join([row] * rows) + b",0]").code == "too_many_members"


def test_the_bound_of_one_object():
    def of(count):
        return b"{" + b",".join(b'"%d":0' % number for number in range(count)) + b"}"

    assert len(decode(of(limits.JSON_OBJECT_KEYS_MAX))) == limits.JSON_OBJECT_KEYS_MAX
    assert refused(of(limits.JSON_OBJECT_KEYS_MAX + 1)).code == "too_many_members"


def test_what_is_too_wide_and_too_deep_at_its_start_is_too_deep():
    assert refused(b"[" * 65 + b"," * 200_000).code == "too_deep"


# --- canonical --------------------------------------------------------------------------------


def shuffled(value: Any, chance: random.Random) -> Any:
    """An equal JSON value: names in another order, integral numbers in the other type."""
    if isinstance(value, dict):
        members = [(name, shuffled(item, chance)) for name, item in value.items()]
        chance.shuffle(members)
        return dict(members)
    if isinstance(value, list):
        return [shuffled(item, chance) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.5:
        return float(value)
    return value


def tagged(value: Any) -> Any:
    """A form in which Python's equality is JSON's: True is not 1."""
    if isinstance(value, dict):
        return {name: tagged(item) for name, item in value.items()}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    return ("boolean", value) if isinstance(value, bool) else ("other", value)


@given(values, st.randoms(use_true_random=False))
def test_equal_values_have_equal_bytes(value, chance):
    assert canonical(shuffled(value, chance)) == canonical(value)


@given(values, values)
@example([True], [1])
@example([0.0], [-0.0])
@example([1], ["1"])
@example({"a": None}, {})
def test_bytes_are_equal_only_if_values_are(one, other):
    assert (canonical(one) == canonical(other)) == (tagged(one) == tagged(other))


@given(values)
def test_the_canonical_form_is_accepted_and_is_its_own_canonical_form(value):
    text = canonical(value)
    assert tagged(decode(text)) == tagged(value)
    assert canonical(decode(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1.0, -0.0, 1.5, 1e22]}, '{"a":[1,0,1.5,1e+22],"b":1}'),
        ({"é": "ü\n/", "z": "\U0001f600"}, '{"z":"\U0001f600","é":"ü\\n/"}'),
        ({"\uffff": 1, "\U00010000": 2}, '{"\uffff":1,"\U00010000":2}'),
        (float(limits.JSON_INTEGER_MAX), "9007199254740991"),
        (2.0**53, "9007199254740992.0"),
        (["1.0", True, None], '["1.0",true,null]'),
    ],
)
def test_canonical_forms_are_what_the_documentation_says(value: JsonValue, text: str):
    assert canonical(value) == text.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "\ud800", {"\udfff": 1}])
def test_canonical_refuses_what_is_not_json(value):
    with pytest.raises(ValueError):
        canonical([value])


@pytest.mark.parametrize("value", [b"a", {1}, object()])
def test_canonical_refuses_other_types(value):
    with pytest.raises(TypeError):
        canonical(value)
