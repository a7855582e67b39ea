"""The door for JSON: what passes is kept alike by every store and read alike by every client.

`decode` accepts RFC 8259 in UTF-8, less the texts on which parsers and stores disagree, and gives
what the standard library's `json.loads` would give. Codes are stable; they are refused in this
order, and faults below the line in the order of the text:

| code              | refused because                                                    | pointer to        | offset |
|-------------------|--------------------------------------------------------------------|-------------------|--------|
| too_large         | more bytes than `body_bytes_max`                                   |                   |        |
| invalid_utf8      | byte order mark, UTF-16, UTF-32, overlong form, any byte not UTF-8 |                   | yes    |
| too_many_members  | more commas or brackets than `limits.JSON_ELEMENTS_MAX` can need   |                   |        |
| too_deep          | arrays and objects nested deeper than `depth_max`                  |                   |        |
| malformed_json    | not one JSON value                                                 |                   | yes    |
|-------------------|--------------------------------------------------------------------|-------------------|--------|
| duplicate_key     | a name occurs twice in one object, as written or after NFC         | the second member |        |
| not_finite        | NaN, Infinity, or a number beyond 64-bit floats                    | the number        |        |
| unsafe_integer    | an integer outside ±(2^53-1)                                       | the number        |        |
| nul_character     | U+0000 in a string or name                                         | string; object    |        |
| lone_surrogate    | half of a surrogate pair in a string or name                       | string; object    |        |
| string_too_long   | a string longer than `limits.JSON_STRING_BYTES_MAX`                | the string        |        |
| key_too_long      | a name longer than `limits.JSON_KEY_BYTES_MAX`                     | its object        |        |
| too_many_members  | more names than `limits.JSON_OBJECT_KEYS_MAX` in one object        | the object        |        |
|                   | more than `limits.JSON_ELEMENTS_MAX` in all                        |                   |        |

Pointers follow RFC 6901 and never contain a refused name; the empty pointer is the whole text.
Accepted on purpose: `-0` is 0, `1e-400` is 0.0, and names such as `__proto__` or `$where` are only
names.

The text is parsed once, into pairs, and walked once with a pointer. Measured, that is faster than a
search for suspicious bytes that would make the walk unnecessary.
"""

import json
import re
import unicodedata
from typing import Any, Final, TypeAlias, cast

from observatory.core import limits
from observatory.core.errors import BadJson

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"

_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER_CHARS_MAX = len(str(-limits.JSON_INTEGER_MAX))
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_IS_OPENER = bytes(int(byte in b"[{") for byte in range(256))


def decode(
    body: bytes,
    *,
    body_bytes_max: int = limits.BODY_BYTES_MAX,
    depth_max: int = limits.JSON_DEPTH_MAX,
) -> JsonValue:
    """
    The value that *body* says; equal to that of `json.loads`.

    Time and memory are linear in the length of *body*, whatever it contains.

    Args:
        body_bytes_max: Bytes in *body*.
        depth_max: Levels of arrays and objects, at most `limits.JSON_DEPTH_MAX`; a lone number has none.

    Raises:
        BadJson: See the table of codes above. The same body is refused again.
    """
    assert 1 <= depth_max <= limits.JSON_DEPTH_MAX, "the parser's own stack bounds the depth"
    if len(body) > body_bytes_max:
        raise BadJson("too_large", f"the body has {len(body)} bytes; at most {body_bytes_max} are accepted")
    text = _text(body)
    if body.count(b"{") + body.count(b"[") > depth_max or body.count(b",") > limits.JSON_ELEMENTS_MAX:
        _refuse_structure(body, depth_max)
    try:
        parsed = _PAIRS.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(text, error) from None
    return _Walk().value(parsed)


def _text(body: bytes) -> str:
    """*body* as text, refused unless it is UTF-8 without a byte order mark."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadJson("invalid_utf8", f"byte {error.start} is not UTF-8", offset=error.start) from None
    if text.startswith("\ufeff"):
        raise BadJson("invalid_utf8", "the body starts with a byte order mark; send UTF-8 without it", offset=0)
    if "\0" in text[:4] and json.detect_encoding(body) != "utf-8":
        # ASCII in UTF-16 or UTF-32 is valid UTF-8 that is full of NUL.
        raise BadJson("invalid_utf8", "the body looks like UTF-16 or UTF-32; send UTF-8", offset=text.index("\0"))
    return text


def _refuse_structure(body: bytes, depth_max: int) -> None:
    """
    Raise when *body* is too deep or too wide, before a parser builds or recurses into it.

    Where *body* is malformed, the depth is right up to the place where a parser stops.
    """
    without_escapes = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_strings = b"".join(without_escapes.split(b'"')[::2])
    openings = outside_strings.translate(_IS_OPENER, _NOT_BRACKETS)
    is_too_wide = outside_strings.count(b",") > limits.JSON_ELEMENTS_MAX
    if openings.count(1) > limits.JSON_ELEMENTS_MAX + 1:
        is_too_wide = True
    # What is too wide is refused anyway; a look at its start tells whether it is too deep as well.
    depth = 0
    for is_opener in openings[: 2 * depth_max] if is_too_wide else openings:
        if is_opener:
            depth += 1
            if depth > depth_max:
                raise BadJson("too_deep", f"arrays and objects are nested deeper than {depth_max} levels")
        elif depth == 0:
            break  # malformed, and a parser stops here
        else:
            depth -= 1
    if is_too_wide:
        raise _too_many_in_all()


def _too_many_in_all() -> BadJson:
    return BadJson("too_many_members", f"the body has more than {limits.JSON_ELEMENTS_MAX} elements in all")


def _malformed(text: str, error: json.JSONDecodeError) -> BadJson:
    offset = len(text[: error.pos].encode())
    if not text.strip(" \t\r\n"):
        return BadJson("malformed_json", "the body is empty; one JSON value is expected", offset=offset)
    return BadJson("malformed_json", f"not JSON at byte {offset}: {error.msg}", offset=offset)


# --- from text to pairs -----------------------------------------------------------------------


class _Members(list[tuple[str, Any]]):
    """An object as it was written: pairs in order, none of them lost."""


class _Unusable:
    """Stands where a number was that cannot be kept, until the walk knows its pointer."""

    __slots__ = ("code", "detail")

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail


def _integer(literal: str) -> int | _Unusable:
    # The length is looked at first: int() takes quadratic time, and refuses beyond 4,300 digits.
    if len(literal) <= _INTEGER_CHARS_MAX:
        number = int(literal)
        if abs(number) <= limits.JSON_INTEGER_MAX:
            return number
    return _Unusable("unsafe_integer", "an integer is outside ±(2^53-1), which not every reader keeps; send a string")


def _float(literal: str) -> float | _Unusable:
    number = float(literal)
    if number - number == 0.0:
        return number
    return _Unusable("not_finite", "a number is larger than a 64-bit float can hold")


def _constant(literal: str) -> _Unusable:
    return _Unusable("not_finite", f"{literal} is not a JSON number")


_PAIRS: Final = json.JSONDecoder(
    object_pairs_hook=_Members, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


# --- from pairs to a checked value -------------------------------------------------------------


class _Walk:
    """Checks a parsed text in its order and turns pairs into objects; its recursion is bounded by the depth limit."""

    def __init__(self) -> None:
        self._path: list[str | int] = []
        self._elements = 0

    def value(self, parsed: Any) -> Any:
        """*parsed* with every object made a dict."""
        if isinstance(parsed, str):
            self._check_string(parsed)
        elif isinstance(parsed, _Members):
            return self._object(parsed)
        elif isinstance(parsed, list):
            return self._array(cast("list[Any]", parsed))
        elif isinstance(parsed, _Unusable):
            raise self._bad(parsed.code, parsed.detail)
        return parsed

    def _array(self, items: list[Any]) -> list[Any]:
        self._count(len(items))
        self._path.append(0)
        for index, item in enumerate(items):
            self._path[-1] = index
            items[index] = self.value(item)
        self._path.pop()
        return items

    def _object(self, pairs: _Members) -> dict[str, Any]:
        if len(pairs) > limits.JSON_OBJECT_KEYS_MAX:
            raise self._bad("too_many_members", f"an object has more than {limits.JSON_OBJECT_KEYS_MAX} members")
        self._count(len(pairs))
        members: dict[str, Any] = {}
        seen: set[str] = set()
        for name, item in pairs:
            self._check_name(name)
            self._path.append(name)
            normal = name if name.isascii() else unicodedata.normalize("NFC", name)
            if normal in seen:
                raise self._bad("duplicate_key", "a name occurs twice in one object, as written or after NFC")
            seen.add(normal)
            members[name] = self.value(item)
            self._path.pop()
        return members

    def _count(self, elements: int) -> None:
        self._elements += elements
        if self._elements > limits.JSON_ELEMENTS_MAX:
            raise _too_many_in_all()

    def _check_string(self, text: str) -> None:
        self._check_characters(text)
        if _is_longer(text, limits.JSON_STRING_BYTES_MAX):
            raise self._bad("string_too_long", f"a string has more than {limits.JSON_STRING_BYTES_MAX} bytes")

    def _check_name(self, name: str) -> None:
        self._check_characters(name)
        if _is_longer(name, limits.JSON_KEY_BYTES_MAX):
            raise self._bad("key_too_long", f"a name has more than {limits.JSON_KEY_BYTES_MAX} bytes")

    def _check_characters(self, text: str) -> None:
        if "\0" in text:
            raise self._bad("nul_character", "U+0000 occurs in a string or name; not every store can hold it")
        if not text.isascii() and _SURROGATE.search(text) is not None:
            raise self._bad("lone_surrogate", "half of a surrogate pair occurs in a string or name; it is no character")

    def _bad(self, code: str, detail: str) -> BadJson:
        return BadJson(code, detail, pointer=pointer_to(*self._path))


def _is_longer(text: str, bytes_max: int) -> bool:
    return len(text) * 4 > bytes_max and len(text.encode()) > bytes_max


def pointer_to(*path: str | int) -> str:
    """The RFC 6901 pointer that follows *path* from the whole text; the empty path gives the empty pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


# --- one form for equal values ----------------------------------------------------------------

_CANONICAL: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
)


def canonical(value: JsonValue) -> bytes:
    """
    The one form of *value*: equal bytes if and only if the JSON values are equal.

    Names are sorted by code point, nothing is put between tokens, text is UTF-8 and escaped only
    where JSON demands it. `1.0` and `1` are the same number and so is `-0.0` and `0`: a float that
    is integral within ±(2^53-1) is written as an integer, every other one in the shortest form that
    reads back as itself. Text is not normalised. This is not RFC 8785, which sorts by UTF-16 and
    writes numbers as ECMAScript does.

    `decode` accepts the result, within its limits, and gives a value equal to *value*.

    Args:
        value: As `decode` gives it.

    Raises:
        ValueError: A number is not finite, or a string has half of a surrogate pair.
        TypeError: Not a JSON value.
    """
    text = _CANONICAL.encode(value)
    # An integral float within the bounds is written with ".0"; the same characters in a string cost a walk.
    if ".0" in text:
        text = _CANONICAL.encode(_with_integers(value))
    return text.encode()


def _with_integers(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: _with_integers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= limits.JSON_INTEGER_MAX:
        return int(value)
    return value
