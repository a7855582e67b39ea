"""The check of a document against its schema. The only module that knows the library which does it."""

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from observatory.contracts.catalog import schema_id, schemas_by_id
from observatory.contracts.violation import PathParts, Violation, detail_of, pointer_of, sort_key
from observatory.core import limits
from observatory.core.job import JsonObject

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

ENVELOPE = "event-envelope"


def is_valid(name: str, value: Any, version: str | None = None, *, known_values_only: bool = False) -> bool:
    """True when `validate` finds no fault. Stops at the first one, so it is the cheap question for the good case."""
    try:
        return _validator(schema_id(name, version), known_values_only=known_values_only).is_valid(value)
    except ValueError:  # the library refuses what is not JSON with it or with a subclass
        return False


def validate(name: str, value: Any, version: str | None = None, *, known_values_only: bool = False) -> list[Violation]:
    """
    The faults of *value*, sorted by where they are; an empty list when there is none.

    At most `limits.VIOLATIONS_MAX`. Total for every *value*; what is not JSON is a fault where a rule looks at it, and
    no rule looks into a payload, metadata or a result. The work grows with the number of faults, so a long array from
    outside is counted before it comes here.

    Args:
        value: As decoded from JSON.
        version: None means the newest.
        known_values_only: True refuses values of an open enum that its schema does not list. A writer checks itself
            so; a reader must not.

    Raises:
        Refused: No such schema (`unknown_schema`).
    """
    validator = _validator(schema_id(name, version), known_values_only=known_values_only)
    try:
        if validator.is_valid(value):
            return []
        faults = _in_order(validator.iter_errors(value))
    except ValueError:  # as above
        return [Violation("", "holds something that is not JSON, or is nested too deeply", "type")]
    return faults[: limits.VIOLATIONS_MAX]


def envelope_version(value: Any) -> str | None:
    """The version of the envelope's schema that *value* is to be held to; None means the newest."""
    declared = cast("JsonObject", value).get("contractVersion") if isinstance(value, dict) else None
    return "1.0.0" if isinstance(declared, str) and declared.startswith("1.0.") else None


def validate_envelope(value: Any) -> list[Violation]:
    """`validate` for an event from any producer, by the version that it declares."""
    return validate(ENVELOPE, value, envelope_version(value))


@functools.cache
def _validator(urn: str, *, known_values_only: bool) -> "Draft202012Validator":
    import jsonschema_rs  # noqa: PLC0415 - native and slow to load; structs and words are used without it

    schemas = _strict_schemas() if known_values_only else schemas_by_id()
    return jsonschema_rs.Draft202012Validator(
        schemas[urn],
        validate_formats=True,
        ignore_unknown_formats=False,
        registry=jsonschema_rs.Registry(list(schemas.items())),
        pattern_options=jsonschema_rs.RegexOptions(),  # linear time, whatever the value
        offline=True,
    )


@functools.cache
def _strict_schemas() -> dict[str, JsonObject]:
    return {urn: _closed(document) for urn, document in schemas_by_id().items()}


def _closed(node: Any) -> Any:
    """*node* with every open enum closed."""
    if isinstance(node, list):
        return [_closed(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    closed = {key: _closed(item) for key, item in cast("JsonObject", node).items()}
    if "x-known-values" in closed:
        closed["enum"] = closed["x-known-values"]
    return closed


def _in_order(errors: "Iterable[ValidationError]") -> list[Violation]:
    """Each fault once: two keywords of one rule (a format and its pattern) say the same sentence."""
    ordered = sorted(map(_violation, errors), key=lambda it: (sort_key(it[0]), it[1].detail, it[1].keyword))
    found: dict[tuple[str, str], Violation] = {}
    for _, violation in ordered:
        found.setdefault((violation.pointer, violation.detail), violation)
    return list(found.values())


def _violation(error: "ValidationError") -> tuple[PathParts, Violation]:
    keyword, expected, rule = _refused_by(error)
    parts: list[str | int] = list(error.instance_path)
    if keyword == "required":
        parts.append(error.kind.as_dict()["property"])
    return parts, Violation(pointer_of(parts), detail_of(keyword, expected, rule, error.instance), keyword)


def _refused_by(error: "ValidationError") -> tuple[str, Any, str | None]:
    """The keyword that refused, what the schema gives for it, and the schema's words for the whole rule."""
    assert error.absolute_keyword_location is not None, "every schema of ours has an $id"
    urn, _, fragment = error.absolute_keyword_location.partition("#")
    *way, keyword = fragment.removeprefix("/").split("/")
    node: Any = schemas_by_id()[urn]
    for step in way:
        node = node[step]
    return keyword, node.get(keyword, node.get("x-known-values")), node.get("x-rule")
