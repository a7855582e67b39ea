"""One fault in a document, and the words for it. The words are a contract too: `contracts/README.md` lists them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from observatory.contracts.wire import ProblemItem
from observatory.core import limits

PathParts = Sequence[str | int]


class Violation(msgspec.Struct, frozen=True):
    """One fault."""

    pointer: str
    """RFC 6901 pointer to the value, or to the field that is missing; empty for the whole document."""
    detail: str
    """What is wrong, as the rest of a sentence that begins with the pointer."""
    keyword: str
    """The JSON Schema keyword that refused it."""


def describe(violations: Sequence[Violation]) -> str:
    """All of *violations* in one line; it names the first `limits.VIOLATIONS_NAMED_MAX` and counts the others."""
    if not violations:
        return "no fault"
    named = [f"{_subject(fault.pointer)} {fault.detail}" for fault in violations[: limits.VIOLATIONS_NAMED_MAX]]
    if len(violations) == 1:
        return named[0]
    text = f"{len(violations)} faults: {'; '.join(named)}"
    rest = len(violations) - len(named)
    return f"{text}; and {rest} more" if rest else text


def problem_items(violations: Sequence[Violation]) -> list[ProblemItem]:
    """*violations* as the `errors` of a problem document; the code is the keyword in snake_case."""
    return [ProblemItem(pointer=v.pointer, detail=v.detail, code=_snake_case(v.keyword)) for v in violations]


def pointer_of(parts: PathParts) -> str:
    """The RFC 6901 pointer to *parts*."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def sort_key(parts: PathParts) -> list[tuple[int, int, str]]:
    """Orders paths part by part: positions in an array by number, names by code point."""
    return [(0, part, "") if isinstance(part, int) else (1, 0, part) for part in parts]


def detail_of(keyword: str, expected: Any, rule: str | None, value: Any) -> str:
    """
    What is wrong with *value*.

    Args:
        keyword: The JSON Schema keyword that refused it.
        expected: What the schema gives for the keyword.
        rule: The schema's own words (`x-rule`) for what it wants, if it has some.
        value: Echoed bounded and escaped, never whole.
    """
    if rule is not None and keyword in _RULED:
        return rule + _not(value)
    words = _WORDS.get(keyword)
    return f"breaks the rule {keyword}" if words is None else words(expected, value)


def quoted(value: Any) -> str:
    """*value* as JSON in printable ASCII without `<`, `>` and `&`; a long string is cut and its length is told."""
    match value:
        case str():
            return _quoted_text(value)
        case dict():
            return "an object"
        case list() | tuple():
            return "an array"
        case int() if abs(value) >= 10**limits.ECHO_CHARS_MAX:
            return f"a number of more than {limits.ECHO_CHARS_MAX} digits"
        case _:
            return json.dumps(value)


def _quoted_text(value: str) -> str:
    text = json.dumps(value[: limits.ECHO_CHARS_MAX])
    for sign in "<>&\x7f":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text if len(value) <= limits.ECHO_CHARS_MAX else f"{text}... ({len(value)} characters)"


def _subject(pointer: str) -> str:
    """*pointer* in printable form: names in it may come from the document."""
    if not pointer:
        return "the document"
    return _quoted_text(pointer)[1:-1] if len(pointer) <= limits.ECHO_CHARS_MAX else _quoted_text(pointer)


def _not(value: Any) -> str:
    return "" if isinstance(value, dict | list) else f", not {quoted(value)}"


def _count_of(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _type_words(expected: Any, value: Any) -> str:
    kinds: list[str] = [expected] if isinstance(expected, str) else expected
    return f"must be {' or '.join(_KINDS[kind] for kind in kinds)}, not {quoted(value)}"


def _bound_words(phrase: str) -> "_Words":
    return lambda expected, value: f"must be {phrase} {quoted(expected)}, not {quoted(value)}"


def _length_words(phrase: str, noun: str) -> "_Words":
    return lambda expected, value: f"must have {phrase} {_count_of(expected, noun)}, not {len(value)}"


_Words = Callable[[Any, Any], str]
_RULED: Final = frozenset({"pattern", "format", "oneOf"})
_KINDS: Final = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_WORDS: Final[Mapping[str, _Words]] = {
    "required": lambda _expected, _value: "is required",
    "type": _type_words,
    "enum": lambda expected, value: f"must be one of {', '.join(map(quoted, expected))}, not {quoted(value)}",
    "minimum": _bound_words("at least"),
    "maximum": _bound_words("at most"),
    "exclusiveMinimum": _bound_words("more than"),
    "minLength": _length_words("at least", "character"),
    "maxLength": _length_words("at most", "character"),
    "minItems": _length_words("at least", "item"),
    "maxItems": _length_words("at most", "item"),
    "uniqueItems": lambda _expected, _value: "must not hold the same item twice",
}


def _snake_case(keyword: str) -> str:
    return re.sub("([A-Z])", r"_\1", keyword).lower()
