"""The check of a payload against the schema that its type announced."""

from collections.abc import Callable
from typing import Any

import jsonschema_rs

from observatory.contracts.violation import Violation, detail_of, pointer_of
from observatory.core import limits
from observatory.core.job import JsonObject

PayloadCheck = Callable[[JsonObject], list[Violation]]
"""Gives the faults of a payload, with pointers into the body of the request."""


def payload_check(schema: JsonObject) -> PayloadCheck | None:
    """
    The check against *schema*; None when it cannot be used, which leaves the payload to the processor.

    The schema comes from a processor. It can load nothing from elsewhere, and its patterns take linear time.
    """
    try:
        validator = jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )
    except ValueError:  # every error of the library is one
        return None

    def faults(payload: JsonObject) -> list[Violation]:
        if validator.is_valid(payload):
            return []
        found = [_violation(schema, error) for error in validator.iter_errors(payload)]
        return sorted(found, key=lambda fault: (fault.pointer, fault.detail))[: limits.VIOLATIONS_MAX]

    return faults


def _violation(schema: JsonObject, error: jsonschema_rs.ValidationError) -> Violation:
    keyword = str(error.schema_path[-1]) if error.schema_path else "false"
    where: list[str | int] = ["payload", *error.instance_path]
    if keyword == "required":
        where.append(error.kind.as_dict()["property"])
    return Violation(pointer_of(where), _words(keyword, _expected(schema, error.schema_path), error.instance), keyword)


def _words(keyword: str, expected: Any, value: Any) -> str:
    if keyword == "additionalProperties":
        return "holds a name that the type does not know"
    return f"breaks the rule {keyword}" if expected is None else detail_of(keyword, expected, None, value)


def _expected(schema: JsonObject, way: list[str | int]) -> Any:
    """What *schema* says at the end of *way*; None when the way leads through a reference."""
    node: Any = schema
    for step in way:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return None
    return node
