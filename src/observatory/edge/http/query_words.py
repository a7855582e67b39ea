"""What is wrong with a query parameter, in the words of its caller; the framework says it in those of our functions."""

from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin
from uuid import UUID

from litestar.handlers import HTTPRouteHandler
from litestar.typing import FieldDefinition


def wire_name(name: str, field: FieldDefinition) -> str:
    """The parameter as it stands in the address; *name* is the argument of our function."""
    return getattr(field.kwarg_definition, "name", None) or name


def query_fault(handler: object, name: str) -> str:
    """
    That the parameter which *handler* takes as *name* has a wrong value, and what it must be.

    The value is not repeated: it may be long, and hostile.
    """
    known = handler.parsed_fn_signature.parameters if isinstance(handler, HTTPRouteHandler) else {}
    if name not in known:
        return f"{name} is wrong"
    return f"{wire_name(name, known[name])} must be {_wanted(known[name])}"


def _wanted(field: FieldDefinition) -> str:
    kind = _kind(field.annotation)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if issubclass(kind, Enum):
        return f"one of {', '.join(str(member.value) for member in kind)}"
    if issubclass(kind, str):
        return _wanted_text(field.kwarg_definition)
    if issubclass(kind, int) and kind is not bool:
        return f"a whole number{_bounds(field.kwarg_definition)}"
    return _NAMES.get(kind, "something else")


def _kind(annotation: Any) -> Any:
    """The type of a value that is given: of `int | None` it is `int`."""
    if get_origin(annotation) is Literal:
        return annotation
    return next((one for one in get_args(annotation) if one is not type(None)), annotation)


def _wanted_text(rule: Any) -> str:
    pattern, most = getattr(rule, "pattern", None), getattr(rule, "max_length", None)
    if pattern is not None:
        return f"of the form {pattern}"
    return "text" if most is None else f"text of at most {most} characters"


def _bounds(rule: Any) -> str:
    least, most = getattr(rule, "ge", None), getattr(rule, "le", None)
    said = f" from {least}" if least is not None else ""
    return said if most is None else f"{said} to {most}"


_NAMES: Final[dict[Any, str]] = {bool: "true or false", UUID: "a UUID", float: "a number"}
