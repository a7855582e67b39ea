"""Is a stream of events read the same in whatever pieces it comes, and never beyond its bounds?"""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.client.errors import BadAnswer
from observatory.client.sse import Message, SseParser
from observatory.core import limits

LINE_ENDS = ["\n", "\r", "\r\n"]
TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)
NAMES = st.text("abc-_. ü", min_size=1, max_size=8).map(str.strip).filter(bool)


def read(chunks: Iterable[bytes]) -> list[Message]:
    parser = SseParser()
    return [message for chunk in chunks for message in parser.feed(chunk)]


def whole(text: str) -> list[Message]:
    return read([text.encode()])


def cut(content: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    return [content[begin:end] for begin, end in itertools.pairwise(marks)]


@given(
    messages=st.lists(st.tuples(NAMES, st.lists(TEXT, min_size=1, max_size=3), NAMES), max_size=5),
    comment=TEXT,
    end=st.sampled_from(LINE_ENDS),
    places=st.lists(st.integers(0, 10_000), max_size=20),
)
def test_what_was_written_is_read_in_whatever_pieces_it_comes(messages, comment, end, places) -> None:
    lines: list[str] = [f":{comment}"]
    for name, data, id_ in messages:
        lines += [f"event: {name}", *(f"data: {line}" for line in data), f"id: {id_}", "unknown: x", "", f":{comment}"]

    found = read(cut("".join(line + end for line in lines).encode(), places))

    assert found == [Message(name, "\n".join(data), id_) for name, data, id_ in messages]


@given(
    content=st.lists(st.sampled_from([*b"\r\n: adeit\xef\xbb\xbf\xff\x00"]), max_size=80).map(bytes)
    | st.binary(max_size=80),
    places=st.lists(st.integers(0, 100), max_size=20),
)
def test_any_bytes_are_read_the_same_in_whatever_pieces_they_come(content, places) -> None:
    assert read(cut(content, places)) == read([content])


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("data: a\n\n", [("message", "a", "")]),
        ("data:a\n\n", [("message", "a", "")]),
        ("data:  a\n\n", [("message", " a", "")]),
        ("data\n\n", [("message", "", "")]),
        ("data: a\ndata:\ndata: b\n\n", [("message", "a\n\nb", "")]),
        ("id: 7\n\ndata: a\n\n", [("message", "a", "7")]),
        ("id: 7\ndata: a\n\nid\ndata: b\n\n", [("message", "a", "7"), ("message", "b", "")]),
        ("id: 7\0\ndata: a\n\n", [("message", "a", "")]),
        ("event: x\n\ndata: a\n\n", [("message", "a", "")]),
        ("event: x\ndata: a\n\ndata: b\n\n", [("x", "a", ""), ("message", "b", "")]),
        (": data: a\n\n", []),
        ("data: a\n", []),
        ("data: a", []),
        ("\ufeffdata: a\n\n", [("message", "a", "")]),
        ("data: a\n\n\ufeffdata: b\n\n", [("message", "a", "")]),
        ("", []),
    ],
)
def test_the_rules_of_the_format(text: str, messages: list[tuple[str, str, str]]) -> None:
    assert whole(text) == [Message(*message) for message in messages]


@pytest.mark.parametrize(
    ("text", "retry_s"),
    [("retry: 1500\n", 1.5), ("retry: -1\n", None), ("retry: soon\n", None), ("retry: ٣\n", None), ("data: 1\n", None)],
)
def test_it_says_how_soon_to_come_back_when_the_stream_does(text: str, retry_s: float | None) -> None:
    parser = SseParser()

    parser.feed(text.encode())

    assert parser.retry_s == retry_s


def test_an_event_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    most = limits.STREAM_LINE_BYTES_MAX - len("data: ")

    assert whole(f"data: {'a' * most}\n\n")[0].data == "a" * most
    with pytest.raises(BadAnswer, match="bytes"):
        whole(f"data: {'a' * (most + 1)}\n\n")


def test_a_line_or_an_event_that_never_ends_is_given_up() -> None:
    for piece in (b"a" * 65_536, b"data: a\n" * 8_192):
        with pytest.raises(BadAnswer, match="bytes"):
            read(itertools.repeat(piece, limits.STREAM_LINE_BYTES_MAX // 8_192 + 2))
