"""Where in a result the fault is that keeps it from being stored: for the person who wrote the handler. Pure."""

import math
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from observatory.core import limits, strict_json

_LEVELS_MAX = 8
"""How deep the largest part is looked for: every level costs its own size."""


def place_of_fault(value: Any) -> str | None:
    """
    JSON pointer to the first part of *value* that has no JSON form; None when none is found.

    Looks at no more than `limits.JSON_ELEMENTS_MAX` parts. May raise what a part raises when it is looked at.
    """
    todo: list[tuple[str, Any, int]] = [("", value, 0)]
    for _ in range(limits.JSON_ELEMENTS_MAX):
        if not todo:
            return None
        pointer, part, depth = todo.pop()
        if depth > limits.JSON_DEPTH_MAX or not _has_json_form(part):
            return pointer
        todo.extend(reversed([(f"{pointer}/{_step(name)}", inner, depth + 1) for name, inner in _parts(part)]))
    return None


def largest_part(result: Any) -> tuple[str, int]:
    """
    JSON pointer to the innermost part of *result* that is more than half of what holds it, and its bytes as JSON.

    Args:
        result: Plain JSON values.
    """
    pointer, size = "", len(strict_json.canonical(result))
    for _ in range(_LEVELS_MAX):
        sizes = [(len(strict_json.canonical(inner)), name, inner) for name, inner in _parts(result)]
        most = max(sizes, key=lambda one: one[0], default=None)
        if most is None or most[0] * 2 < size:
            break
        size, result, pointer = most[0], most[2], f"{pointer}/{_step(most[1])}"
    return pointer, size


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if type(value) is dict:
        yield from cast("dict[Any, Any]", value).items()
    elif type(value) in (list, tuple):
        yield from enumerate(cast("list[Any]", value))


def _has_json_form(part: Any) -> bool:
    """Of containers only their keys: what they hold is looked at by itself."""
    if type(part) is dict:
        return all(type(key) is str or _is_encodable({key: None}) for key in cast("dict[Any, Any]", part))
    if type(part) in (list, tuple):
        return True
    if type(part) is float:
        return math.isfinite(part)
    return part is None or type(part) in (str, bool, int) or _is_encodable(part)


def _is_encodable(value: Any) -> bool:
    try:
        strict_json.canonical(msgspec.to_builtins(value, str_keys=True))
    except (TypeError, ValueError, RecursionError, OverflowError):
        return False
    return True


def _step(name: Any) -> str:
    return str(name)[: limits.ECHO_CHARS_MAX].replace("~", "~0").replace("/", "~1")
