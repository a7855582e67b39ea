"""Text from outside on its way to a person: harmless in a terminal, and no longer than agreed."""

import re

ELLIPSIS = "…"
"""Marks a cut."""

_ELLIPSIS_BYTES = len(ELLIPSIS.encode())

# Written as code points, because most of these characters cannot be seen in an editor.
_UNSAFE_RANGES: tuple[tuple[int, int], ...] = (
    (0x0000, 0x001F),  # C0: ESC, CR, BEL, TAB, …
    (0x007F, 0x009F),  # DEL and C1, which some terminals take as ESC sequences in one byte
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers: letters without a shape
    (0x17B4, 0x17B5),  # Khmer vowels without a shape
    (0x180B, 0x180F),  # Mongolian variation selectors and vowel separator
    (0x200B, 0x200F),  # zero width space, joiners, direction marks
    (0x2028, 0x202E),  # line and paragraph separator, bidi embeddings and overrides
    (0x2060, 0x206F),  # word joiner, invisible operators, bidi isolates, deprecated format characters
    (0x3164, 0x3164),  # Hangul filler
    (0xD800, 0xDFFF),  # surrogates: no characters, and no terminal can be sent them
    (0xFE00, 0xFE0F),  # variation selectors: terminals disagree about the width they leave
    (0xFEFF, 0xFEFF),  # zero width no-break space
    (0xFFA0, 0xFFA0),  # half-width Hangul filler
    (0xFFF0, 0xFFFB),  # unassigned ignorable, interlinear annotation
    (0x13430, 0x1343F),  # Egyptian hieroglyph format controls
    (0x1BCA0, 0x1BCA3),  # shorthand format controls
    (0x1D173, 0x1D17A),  # musical format controls
    (0xE0000, 0xE0FFF),  # tags and further variation selectors: text that nobody sees
)


def _character_class(*, newline_allowed: bool) -> re.Pattern[str]:
    ranges = "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in _UNSAFE_RANGES)
    return re.compile(f"(?!\n)[{ranges}]" if newline_allowed else f"[{ranges}]")


_UNSAFE = _character_class(newline_allowed=False)
_UNSAFE_BUT_NEWLINE = _character_class(newline_allowed=True)


def sanitize_terminal(text: str, *, newline_allowed: bool = False) -> str:
    r"""
    *text* with every character that acts on a terminal, or hides in it, written out.

    The result holds no control character, bidi control, zero-width character, line or paragraph
    separator or surrogate; ESC, for one, is shown as `\x1b`. What is visible stays as it is,
    combining accents and emoji included; an emoji made of joined ones falls apart. A second call
    changes nothing. The result cannot be turned back: a backslash of *text* is not escaped.

    Args:
        newline_allowed: Let U+000A through, for text that may have several lines.
    """
    if text.isascii() and text.isprintable():
        return text
    return (_UNSAFE_BUT_NEWLINE if newline_allowed else _UNSAFE).sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code_point = ord(match[0])
    if code_point <= 0xFF:
        return f"\\x{code_point:02x}"
    return f"\\u{code_point:04x}" if code_point <= 0xFFFF else f"\\U{code_point:08x}"


def truncate_utf8(text: str, bytes_max: int) -> str:
    """
    *text* in at most *bytes_max* bytes of UTF-8, cut between code points and marked with `…`.

    Text within the limit stays as it is. The result can always be encoded: a lone surrogate, as
    file names and tracebacks may contain, becomes U+FFFD.

    Args:
        bytes_max: At least the three bytes of the mark.
    """
    assert bytes_max >= _ELLIPSIS_BYTES, "the mark needs three bytes"
    if text.isascii() and len(text) <= bytes_max:
        return text
    # Every code point has at least one byte, so more of them than bytes_max + 1 cannot matter.
    head = text[: bytes_max + 1]
    try:
        encoded = head.encode()
    except UnicodeEncodeError:
        head = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in head)
        encoded = head.encode()
    if len(encoded) <= bytes_max:
        return head
    return encoded[: bytes_max - _ELLIPSIS_BYTES].decode(errors="ignore") + ELLIPSIS
