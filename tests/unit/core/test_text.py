"""Text from outside cannot act on a terminal, and is cut without breaking a character."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core.text import sanitize_terminal, truncate_utf8

# Format characters that are visible signs before Arabic, Syriac or Kaithi numbers.
VISIBLE_FORMAT_CHARACTERS = {*range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD}
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}

any_text = st.text(st.characters())


def is_hidden(char: str) -> bool:
    return unicodedata.category(char) in HIDDEN and ord(char) not in VISIBLE_FORMAT_CHARACTERS


def test_every_hidden_code_point_of_unicode_is_written_out():
    # Given every code point whose category is control, format, surrogate or separator of lines
    hidden = [chr(code_point) for code_point in range(0x110000) if is_hidden(chr(code_point))]
    assert len(hidden) > 2_048
    # When each is sanitized, then what remains is visible ASCII
    for char in hidden:
        shown = sanitize_terminal(char)
        assert shown.startswith("\\"), hex(ord(char))
        assert shown.isascii()
        assert shown.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]52;c;ZXZpbA==\x07", r"\x1b]52;c;ZXZpbA==\x07"),
        ("\x1b]8;;http://example.org\x1b\\link", r"\x1b]8;;http://example.org\x1b\link"),
        ("\x9b6n", r"\x9b6n"),
        ("\x9d0;title\x9c", r"\x9d0;title\x9c"),
        ("safe\rlie", r"safe\x0dlie"),
        ("a\tb\x7f\0", r"a\x09b\x7f\x00"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066a\u2069", r"\u2066a\u2069"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\U000e0041", r"\U000e0041"),
        ("\u2764\ufe0f", "\u2764\\ufe0f"),
        ("\udc9b", r"\udc9b"),
        ("", ""),
    ],
)
def test_what_acts_or_hides_is_shown(text, shown):
    assert sanitize_terminal(text) == shown


@pytest.mark.parametrize(
    "text", ["plain", "Grüße", "cafe\u0301", "日本語", "مرحبا", "\U0001f600", "[link=x]", "a\\x1b", "\u0600"]
)
def test_what_is_visible_stays(text):
    assert sanitize_terminal(text) == text


def test_a_newline_passes_only_where_it_is_allowed():
    assert sanitize_terminal("a\nb") == r"a\x0ab"
    assert sanitize_terminal("a\nb\r\n\x1bc\n", newline_allowed=True) == "a\nb\\x0d\n\\x1bc\n"


@given(any_text, st.booleans())
def test_the_result_holds_nothing_hidden_and_a_second_call_changes_nothing(text, newline_allowed):
    shown = sanitize_terminal(text, newline_allowed=newline_allowed)
    assert not [char for char in shown if is_hidden(char) and not (newline_allowed and char == "\n")]
    assert sanitize_terminal(shown, newline_allowed=newline_allowed) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("text", "bytes_max", "cut"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc…"),
        ("éééé", 8, "éééé"),
        ("ééééé", 8, "éé…"),
        ("日本語", 8, "日…"),
        ("\U0001f600\U0001f600", 7, "\U0001f600…"),
        ("\U0001f600\U0001f600", 6, "…"),
        ("abcd", 3, "…"),
        ("", 3, ""),
        ("a\udcffb", 10, "a\ufffdb"),
    ],
)
def test_a_cut_falls_between_code_points_and_is_marked(text, bytes_max, cut):
    assert truncate_utf8(text, bytes_max) == cut


@given(any_text, st.integers(3, 60))
def test_the_limit_holds_and_nothing_is_lost_without_a_mark(text, bytes_max):
    sound = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    cut = truncate_utf8(text, bytes_max)
    assert len(cut.encode()) <= bytes_max
    if len(sound.encode()) <= bytes_max:
        assert cut == sound
    else:
        assert cut.endswith("…")
        assert sound.startswith(cut[:-1])
        # The next code point would not have fitted beside the mark.
        assert len(sound[: len(cut)].encode()) + 3 > bytes_max


def test_a_limit_too_small_for_the_mark_is_a_programmers_error():
    with pytest.raises(AssertionError):
        truncate_utf8("", 2)
