"""From a handler's signature to the JSON Schema of its payload and the function that checks one."""

import inspect
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, cast, get_type_hints

import msgspec

from observatory.core import limits, strict_json
from observatory.core.errors import BadJson, InvalidJob
from observatory.core.job import JsonObject

_Kind = inspect.Parameter
_BY_NAME = (_Kind.POSITIONAL_OR_KEYWORD, _Kind.KEYWORD_ONLY)


class Payload(msgspec.Struct, frozen=True):
    """What the payload of one type may be."""

    schema: JsonObject
    """JSON Schema 2020-12, complete in itself."""
    check: Callable[[JsonObject], JsonObject]
    """As `core.handler.Handler.check_payload`."""


def payload_of(function: Callable[..., Any], type_name: str) -> Payload:
    """
    What *function* takes as keyword arguments after the context.

    A parameter without annotation takes any value; `**parameters` take every further member.

    Raises:
        ValueError: The signature cannot be that of a handler, a default does not fit its annotation, or
            the schema has more than `limits.TYPE_SCHEMA_BYTES_MAX`.
    """
    context, *parameters = _parameters(function, type_name)
    hints = _hints(function, type_name)
    takes_more = any(parameter.kind is _Kind.VAR_KEYWORD for parameter in parameters)
    named = [parameter for parameter in parameters if parameter.kind is not _Kind.VAR_KEYWORD]
    try:
        struct = msgspec.defstruct(
            "Payload",
            [_field(parameter, hints.get(parameter.name, Any)) for parameter in named],
            kw_only=True,
            forbid_unknown_fields=not takes_more,
        )
        schema = _schema_of(struct, type_name)
    except Exception as error:  # noqa: BLE001 — an annotation may be anything
        raise ValueError(
            f"{_at_fault(named, hints, type_name, error)}; a payload holds JSON, so take what can be written as it, "
            "such as the path of a file or the id of a row"
        ) from None
    for parameter in named:
        if parameter.default is not _Kind.empty:
            _check_default(parameter, hints.get(parameter.name, Any), type_name)
    _check_schema(schema, type_name)
    names = frozenset(parameter.name for parameter in named)
    reserved = context.name if takes_more and context.kind is not _Kind.POSITIONAL_ONLY else None
    return Payload(schema, _checker(struct, names, reserved))


def _parameters(function: Callable[..., Any], type_name: str) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind not in (_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD):
        raise ValueError(f"the handler of {type_name} must take the context as its first parameter")
    for parameter in parameters[1:]:
        if parameter.kind in (_Kind.VAR_POSITIONAL, _Kind.POSITIONAL_ONLY):
            raise ValueError(
                f"parameter {parameter} of {type_name} cannot be given by name, as in a payload: give each a name, "
                "behind a star, as in (ctx, *, path: str)"
            )
    return parameters


def _hints(function: Callable[..., Any], type_name: str) -> dict[str, Any]:
    try:
        return get_type_hints(inspect.unwrap(function), include_extras=True)
    except Exception as error:  # noqa: BLE001 — an annotation that is a text is code of the author
        raise ValueError(f"an annotation of {type_name} cannot be read: {error}") from None


def _at_fault(named: Sequence[inspect.Parameter], hints: Mapping[str, Any], type_name: str, error: Exception) -> str:
    """The first parameter whose annotation is none for JSON. If each is one by itself, what *error* says."""
    for parameter in named:
        annotation = hints.get(parameter.name, Any)
        if not _has_json_form(annotation):
            kind = reprlib.repr(inspect.formatannotation(annotation)).strip("'\"")
            return f"{parameter.name} of {type_name} has a type without JSON form, {kind}"
    return f"a parameter of {type_name} has a type without JSON form: {' '.join(str(error).split())}"


def _has_json_form(annotation: Any) -> bool:
    try:
        msgspec.json.schema_components([annotation], schema_hook=_schema_of_other)
    except Exception:  # noqa: BLE001 — as above
        return False
    return True


def _field(parameter: inspect.Parameter, annotation: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    if parameter.default is _Kind.empty:
        return parameter.name, annotation
    default = parameter.default
    if _is_in_schema(default):
        return parameter.name, annotation, default
    # Only says that the member may be absent: the function itself knows its default.
    return parameter.name, annotation, msgspec.field(default_factory=lambda: default)


def _is_in_schema(default: object) -> bool:
    return default is None or isinstance(default, bool | int | float | str)


def _check_default(parameter: inspect.Parameter, annotation: Any, type_name: str) -> None:
    """A default without JSON form, such as a marker for "not given", is taken where anything is."""
    try:
        _convert_strictly(parameter.default, annotation)
        if annotation is Any and not _is_in_schema(parameter.default):
            return
        strict_json.decode(strict_json.canonical(to_json(parameter.default)))
    except Exception as error:  # noqa: BLE001 — a default may be anything
        shown, wanted = reprlib.repr(parameter.default), inspect.formatannotation(annotation)
        why = error.detail if isinstance(error, BadJson) else str(error)
        raise ValueError(
            f"the default of {parameter.name} of {type_name} is {shown}; it is a JSON value that fits {wanted}: {why}"
        ) from None


def _check_schema(schema: JsonObject, type_name: str) -> None:
    """Raises ValueError: it has no JSON form that everybody reads alike, or is too large to be announced."""
    try:
        text = strict_json.canonical(schema)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the parameters of {type_name} have no JSON Schema: {error}") from None
    if len(text) > limits.TYPE_SCHEMA_BYTES_MAX:
        raise ValueError(
            f"the parameters of {type_name} take {len(text)} bytes as a JSON Schema, with their defaults; "
            f"at most {limits.TYPE_SCHEMA_BYTES_MAX} are announced"
        )
    try:
        strict_json.decode(text)
    except BadJson as error:
        raise ValueError(f"the JSON Schema of {type_name} has a fault at {error.pointer}: {error.detail}") from None


def _schema_of(struct: type[msgspec.Struct], type_name: str) -> JsonObject:
    (reference,), components = msgspec.json.schema_components(
        [struct], schema_hook=_schema_of_other, ref_template="#/$defs/{name}"
    )
    top: JsonObject = dict(components.pop(reference["$ref"].removeprefix("#/$defs/")))
    top["title"] = type_name
    return top | {"$defs": dict(components)} if components else top


def _checker(
    struct: type[msgspec.Struct], names: frozenset[str], reserved: str | None
) -> Callable[[JsonObject], JsonObject]:
    def check(payload: JsonObject) -> JsonObject:
        if reserved is not None and reserved in payload:
            raise InvalidJob(f"the name {reserved} is the handler's own", pointer=f"/payload/{reserved}")
        try:
            converted = _convert(payload, struct)
        except msgspec.ValidationError as error:
            raise _invalid(str(error)) from None
        return {name: getattr(converted, name) if name in names else payload[name] for name in payload}

    return check


def _convert(payload: JsonObject, struct: type[msgspec.Struct]) -> Any:
    """*payload* as the declared types; raises `msgspec.ValidationError`."""
    try:
        return _convert_strictly(payload, struct)
    except msgspec.ValidationError:
        # To JSON Schema, which has accepted this payload at the door, 5.0 is the integer 5.
        return _convert_strictly(_with_whole_integers(payload), struct)


def _with_whole_integers(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _with_whole_integers(inner) for name, inner in cast("JsonObject", value).items()}
        case list():
            return [_with_whole_integers(inner) for inner in cast("list[Any]", value)]
        case _:
            return value


# --- a path, which has no JSON form of its own -----------------------------------------------------

_PATHS = (Path, PurePath)


def to_json(value: Any) -> Any:
    """
    *value* as plain JSON values; a path is its text.

    Raises:
        TypeError, ValueError, RecursionError: It has no JSON form.
    """
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_text_of)


def _convert_strictly(value: Any, annotation: Any) -> Any:
    return msgspec.convert(value, annotation, dec_hook=_path_from)


def _schema_of_other(annotation: type) -> JsonObject:
    if annotation in _PATHS:
        return {"type": "string"}
    raise NotImplementedError


def _path_from(annotation: type, value: Any) -> Any:
    if annotation not in _PATHS:
        raise NotImplementedError
    if isinstance(value, annotation):
        return value
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")  # msgspec adds the place
    return annotation(value)


def _text_of(value: Any) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"a {type(value).__name__} has no JSON form")


# --- what msgspec says, with a JSON pointer -------------------------------------------------------

_PLACE = re.compile(r" - at `(?:key in )?\$(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)


def _invalid(said: str) -> InvalidJob:
    place = _PLACE.search(said)
    detail = said[: place.start()] if place else said
    steps = ["payload", *(_steps(place["path"]) if place else ())]
    unknown = _UNKNOWN.fullmatch(detail)
    if unknown:
        steps.append(unknown["name"])
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return InvalidJob(detail, pointer=pointer)


def _steps(path: str) -> list[str]:
    """As far as msgspec names them: beyond a member of a free mapping it says `[...]`."""
    steps: list[str] = []
    position = 0
    while step := _STEP.match(path, position):
        steps.append(step["name"] or step["index"])
        position = step.end()
    return steps
