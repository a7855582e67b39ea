"""What a signature says about a payload."""

import enum
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pytest

from observatory import JobContext
from observatory.core import limits
from observatory.core.errors import InvalidJob
from observatory.core.strict_json import canonical
from observatory.sdk.payload import payload_of


class Color(enum.Enum):
    RED = "red"


class Size(msgspec.Struct):
    width: int
    height: int = 1


def thumbnail(ctx: JobContext, *, path: str, width: int = 256) -> None: ...


def many(
    ctx: JobContext,
    *,
    sizes: list[Size],
    color: Color = Color.RED,
    mode: Literal["fast", "good"] = "fast",
    at: datetime | None = None,
    ratio: Annotated[float, msgspec.Meta(gt=0)] = 1.0,
    labels: dict[str, int] = {},  # noqa: B006 — the very default that is tested
) -> None: ...


def untyped(ctx, anything, more=None): ...


def open_ended(ctx: JobContext, *, path: str, **more: Any) -> None: ...


def echo(ctx: JobContext, /, **payload: Any) -> None: ...


def test_the_schema_of_typed_parameters_is_complete_and_closed() -> None:
    assert payload_of(thumbnail, "thumbnail").schema == {
        "title": "thumbnail",
        "type": "object",
        "properties": {"path": {"type": "string"}, "width": {"type": "integer", "default": 256}},
        "required": ["path"],
        "additionalProperties": False,
    }


def test_the_handlers_own_defaults_apply() -> None:
    assert payload_of(thumbnail, "thumbnail").check({"path": "a"}) == {"path": "a"}


GOOD = {"sizes": [{"width": 2}], "color": "red", "mode": "good", "at": "2026-01-01T00:00:00Z", "ratio": 2}


def test_values_are_converted_to_the_declared_types() -> None:
    arguments = payload_of(many, "many").check(GOOD)

    assert arguments == {
        "sizes": [Size(2)],
        "color": Color.RED,
        "mode": "good",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "ratio": 2.0,
    }


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ({"sizes": "x"}, "/payload/sizes"),
        ({"sizes": [{"width": 1}, {"width": "2"}]}, "/payload/sizes/1/width"),
        ({"sizes": [], "color": "blue"}, "/payload/color"),
        ({"sizes": [], "ratio": 0}, "/payload/ratio"),
        ({"sizes": [], "labels": {"a/b": "c"}}, "/payload/labels"),
        ({"sizes": [{}]}, "/payload/sizes/0"),
        ({}, "/payload"),
        ({"sizes": [], "a/b~c": 1}, "/payload/a~1b~0c"),
    ],
)
def test_what_does_not_fit_is_pointed_at_and_the_schema_agrees(payload: dict[str, Any], pointer: str) -> None:
    checked = payload_of(many, "many")

    with pytest.raises(InvalidJob) as refusal:
        checked.check(payload)

    assert refusal.value.pointer == pointer
    assert refusal.value.detail
    assert not jsonschema.Draft202012Validator(checked.schema).is_valid(payload)


def test_the_schema_accepts_what_is_accepted() -> None:
    validator = jsonschema.Draft202012Validator(payload_of(many, "many").schema)

    jsonschema.Draft202012Validator.check_schema(validator.schema)
    assert validator.is_valid(GOOD)


@pytest.mark.parametrize("value", [None, True, 1.5, "x", [1], {"a": {}}])
def test_a_parameter_without_annotation_takes_anything(value: Any) -> None:
    checked = payload_of(untyped, "untyped")

    assert checked.check({"anything": value}) == {"anything": value}
    assert jsonschema.Draft202012Validator(checked.schema).is_valid({"anything": value})


@pytest.mark.parametrize("payload", [{"path": "a", "width": 5.0}, {"path": "a", "width": -0.0}])
def test_a_whole_number_is_an_integer_however_it_is_written(payload: dict[str, Any]) -> None:
    checked = payload_of(thumbnail, "thumbnail")

    width = checked.check(payload)["width"]

    assert (width, type(width)) == (payload["width"], int)
    assert jsonschema.Draft202012Validator(checked.schema).is_valid(payload)


def test_whole_numbers_are_found_at_any_depth_and_a_float_stays_one() -> None:
    checked = payload_of(many, "many")

    assert checked.check({"sizes": [{"width": 1.0}]})["sizes"][0].width == 1
    ratio = checked.check(GOOD | {"ratio": 2.0})["ratio"]
    assert (ratio, type(ratio)) == (2.0, float)


@pytest.mark.parametrize("value", ["5", True, 5.5])
def test_nothing_is_guessed(value: Any) -> None:
    with pytest.raises(InvalidJob):
        payload_of(thumbnail, "thumbnail").check({"path": "a", "width": value})


def test_further_members_are_refused_unless_the_handler_takes_them() -> None:
    with pytest.raises(InvalidJob) as refusal:
        payload_of(thumbnail, "thumbnail").check({"path": "a", "wdith": 5})

    assert refusal.value.pointer == "/payload/wdith"
    assert payload_of(open_ended, "x").check({"path": "a", "wdith": 5}) == {"path": "a", "wdith": 5}
    assert payload_of(open_ended, "x").schema.get("additionalProperties") is not False


def test_a_member_with_the_name_of_the_context_does_not_reach_the_call() -> None:
    with pytest.raises(InvalidJob) as refusal:
        payload_of(open_ended, "x").check({"path": "a", "ctx": 1})

    assert refusal.value.pointer == "/payload/ctx"
    assert payload_of(echo, "x").check({"ctx": 1}) == {"ctx": 1}


def no_context() -> None: ...


def context_by_name(*, ctx: JobContext) -> None: ...


def positional(ctx: JobContext, a: int, /) -> None: ...


def starred(ctx: JobContext, *paths: str) -> None: ...


def not_json(ctx: JobContext, *, lock: object) -> None: ...


def complex_number(ctx: JobContext, *, x: complex) -> None: ...


def unreadable(ctx: JobContext, *, path: "NoSuchName") -> None: ...  # noqa: F821 # pyright: ignore[reportUndefinedVariable]


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (no_context, "must take the context as its first parameter"),
        (context_by_name, "must take the context as its first parameter"),
        (positional, "cannot be given by name"),
        (starred, r"parameter \*paths: str of x cannot be given by name, .* as in \(ctx, \*, path: str\)"),
        (not_json, "lock of x has a type without JSON form"),
        (complex_number, "^x of x has a type without JSON form, complex; a payload holds JSON, so [a-z ,]*$"),
        (unreadable, "NoSuchName"),
    ],
)
def test_a_signature_that_no_payload_can_fill_is_refused(function: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        payload_of(function, "x")


def defaulting(annotation: Any, default: Any) -> Any:
    def handler(ctx: JobContext, *, value: Any = default) -> None: ...

    handler.__annotations__["value"] = annotation
    return handler


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, "x"),
        (int, None),
        (int, True),
        (int, 5.0),
        (int, 2**70),
        (int, 2**53),
        (float, float("nan")),
        (float, float("inf")),
        (Any, float("nan")),
        (str, "\ud800"),
        (str, "a\0b"),
        (Annotated[float, msgspec.Meta(gt=0)], 0.0),
        (Literal["fast"], "slow"),
        (Color, "blue"),
        (list[int], ["x"]),
        (list[float], [float("nan")]),
        (int, object()),
        (dict[str, int], {1: 1}),
    ],
)
def test_a_default_that_no_payload_could_give_is_refused(annotation: Any, default: Any) -> None:
    with pytest.raises(ValueError, match=r"the default of value of x is .*; it is a JSON value that fits "):
        payload_of(defaulting(annotation, default), "x")


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, 2**53 - 1),
        (float, 1),
        (int | None, None),
        (Color, Color.RED),
        (Size, Size(1)),
        (tuple[str, ...], ()),
        (set[str], set()),
        (datetime, datetime(2026, 1, 1, tzinfo=UTC)),
        (Any, object()),
        (Any, None),
    ],
)
def test_a_default_that_fits_or_marks_that_nothing_was_given_is_accepted(annotation: Any, default: Any) -> None:
    assert payload_of(defaulting(annotation, default), "x").check({}) == {}


def test_a_schema_may_have_exactly_the_limit_and_not_a_byte_more() -> None:
    rest = len(canonical(payload_of(defaulting(str, ""), "x").schema))
    longest = "x" * (limits.TYPE_SCHEMA_BYTES_MAX - rest)

    payload_of(defaulting(str, longest), "x")
    with pytest.raises(ValueError, match=rf"x take {limits.TYPE_SCHEMA_BYTES_MAX + 1} bytes as a JSON Schema"):
        payload_of(defaulting(str, longest + "x"), "x")


class Scale(msgspec.Struct):
    factor: float = float("nan")


@pytest.mark.parametrize("annotation", ["int[", "os.nothing", "1 + 'a'"])
def test_an_annotation_that_cannot_be_read_is_refused(annotation: str) -> None:
    with pytest.raises(ValueError, match="an annotation of x cannot be read"):
        payload_of(defaulting(annotation, None), "x")


def test_a_schema_without_json_form_is_refused() -> None:
    with pytest.raises(ValueError, match="the parameters of x have no JSON Schema"):
        payload_of(defaulting(list[Scale], []), "x")
