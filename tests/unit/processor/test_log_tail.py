"""The end of what an attempt says, in bounded memory."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from observatory.core import limits
from observatory.processor.log_tail import LogTail
from observatory.testing.manual_sources import BEGINNING, ManualClock


def tail_of(*pieces: bytes) -> LogTail:
    tail = LogTail(ManualClock())
    for piece in pieces:
        tail.write(piece)
    return tail


def texts(tail: LogTail) -> list[str]:
    return [line.text for line in tail.read().lines]


def test_each_line_has_the_time_at_which_it_began() -> None:
    clock = ManualClock()
    tail = LogTail(clock)
    tail.write(b"first\nsec")
    clock.advance(2.0)
    tail.write(b"ond\nthird")

    lines = tail.read().lines

    assert [line.text for line in lines] == ["first", "second", "third"]
    assert [line.at - BEGINNING for line in lines] == [timedelta(0), timedelta(0), timedelta(seconds=2)]


def test_what_is_no_text_is_written_out_and_keeps_its_place() -> None:
    assert texts(tail_of(b"a\xffb\0c\x1b[31m\r\n", "ü\ud800".encode("utf-8", "surrogatepass"))) == [
        "a\\xffb\\x00c\x1b[31m",
        "ü\\xed\\xa0\\x80",
    ]


def test_of_too_much_the_end_is_kept_and_the_rest_is_counted() -> None:
    lines = [f"line {number:>6}\n".encode() for number in range(20_000)]
    tail = tail_of(*lines)

    kept = tail.read()

    assert kept.lines[-1].text == "line  19999"
    assert kept.dropped_lines + len(kept.lines) == 20_000
    assert len(kept.lines) == limits.ATTEMPT_LOG_LINES_MAX
    assert kept.dropped_bytes == sum(map(len, lines)) - 12 * len(kept.lines)


def test_a_line_without_an_end_keeps_its_end_and_no_half_character() -> None:
    tail = tail_of(*["ü".encode() * 1000] * 100, b"!")

    (line,) = tail.read().lines

    assert line.text.strip("ü") == "!"
    assert limits.ATTEMPT_LOG_BYTES_MAX - 4 <= len(line.text.encode()) <= limits.ATTEMPT_LOG_BYTES_MAX


@given(st.lists(st.binary(max_size=3 * limits.ATTEMPT_LOG_PIECE_BYTES_MAX) | st.just(b"\n"), max_size=60))
def test_memory_and_what_is_read_stay_within_their_bounds(pieces: list[bytes]) -> None:
    tail = tail_of(*pieces * 3)

    kept = tail.read()

    held = sum(len(piece.data) for piece in tail._pieces)
    assert held <= limits.ATTEMPT_LOG_BYTES_MAX
    assert len(kept.lines) <= limits.ATTEMPT_LOG_LINES_MAX
    assert tail.written_bytes == 3 * sum(map(len, pieces))
    assert sum(len(line.text.encode()) for line in kept.lines) <= 4 * limits.ATTEMPT_LOG_BYTES_MAX


def test_only_what_came_since_is_news() -> None:
    tail = tail_of(b"one\n")
    seen = tail.written_bytes

    before = tail.has_news
    tail.note_saved(seen)
    between = tail.has_news
    tail.write(b"two\n")

    assert (before, between, tail.has_news) == (True, False, True)
