"""What is said about the keywords of a submit that do not fit the handler."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core.errors import InvalidJob
from observatory.gateway.payload_schema import payload_check
from observatory.sdk.arguments import payload_for
from tests.unit.sdk.shop import Color, Size, app


def payload(type: str, /, **arguments: Any) -> dict[str, Any]:
    return payload_for(app.handlers[type], arguments)


def test_typed_values_become_json_that_the_handler_gets_back() -> None:
    given = {
        "at": datetime(2026, 5, 1, tzinfo=UTC), "id": uuid.UUID(int=1), "color": Color.RED, "sizes": [Size(2)],
    }  # fmt: skip

    sent = payload("rich", **given)

    assert sent == {
        "at": "2026-05-01T00:00:00Z",
        "id": "00000000-0000-0000-0000-000000000001",
        "color": "red",
        "sizes": [{"width": 2, "height": 1}],
    }
    check = app.handlers["rich"].check_payload
    assert check is not None
    assert check(sent) == given


def test_a_path_travels_as_text_and_arrives_as_a_path() -> None:
    sent = payload("thumbnail", path=Path("a") / "b.jpg")

    check = app.handlers["thumbnail"].check_payload
    assert check is not None
    assert sent == {"path": "a/b.jpg"}
    assert check(sent) == {"path": Path("a/b.jpg")}


@pytest.mark.parametrize(
    ("type", "arguments", "pointer", "says"),
    [
        ("thumbnail", {"pth": "a"}, "/payload/pth", "no parameter 'pth'; did you mean 'path'? (it takes path, width)"),
        ("thumbnail", {"path": "a", "color": 1}, "/payload/color", "no parameter 'color' (it takes path, width)"),
        ("child", {"x": 1}, "/payload/x", "child has no parameter 'x' (it takes no parameters)"),
        ("thumbnail", {}, "/payload/path", "thumbnail needs path, which is not given"),
        ("rich", {"at": "x"}, "/payload/id", "rich needs id, color, sizes, which are not given"),
        ("thumbnail", {"path": "a", "width": "5"}, "/payload/width", "width of thumbnail is '5': Expected `int`"),
        ("thumbnail", {"path": 5}, "/payload/path", "path of thumbnail is 5: Expected `str`, got `int`"),
        ("thumbnail", {"path": print}, "/payload/path", "has no JSON form"),
        ("thumbnail", {"path": "a", "a/b~": 1}, "/payload/a~1b~0", "no parameter 'a/b~'"),
    ],
)
def test_what_does_not_fit_is_named_with_what_is_expected(
    type: str, arguments: dict[str, Any], pointer: str, says: str
) -> None:
    with pytest.raises(InvalidJob) as refusal:
        payload(type, **arguments)

    assert refusal.value.pointer == pointer
    assert says in refusal.value.detail


def test_a_fault_deep_inside_is_shown_with_its_own_value() -> None:
    with pytest.raises(InvalidJob) as refusal:
        payload("rich", at=datetime(2026, 1, 1, tzinfo=UTC), id=uuid.UUID(int=1), color="red", sizes=[{"width": "w"}])

    assert refusal.value.detail == "sizes.0.width of rich is 'w': Expected `int`, got `str`"
    assert refusal.value.pointer == "/payload/sizes/0/width"


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
)
NAMES = st.sampled_from(["path", "width", "pth", "queue", "self", "type"])


@given(arguments=st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_is_sent_is_what_the_gateway_accepts_and_nothing_else_is_held_back(arguments: dict[str, Any]) -> None:
    handler = app.handlers["thumbnail"]
    assert handler.payload_schema is not None
    faults_at_the_gateway = payload_check(handler.payload_schema)
    assert faults_at_the_gateway is not None

    sent, refusal = sent_or_refused(arguments)

    assert bool(refusal) == bool(faults_at_the_gateway(arguments))
    assert refusal is None or (refusal.pointer or "").startswith("/payload")
    assert faults_at_the_gateway(sent) == [] or refusal


def sent_or_refused(arguments: dict[str, Any]) -> tuple[dict[str, Any], InvalidJob | None]:
    try:
        return payload_for(app.handlers["thumbnail"], arguments), None
    except InvalidJob as refusal:
        return {}, refusal
