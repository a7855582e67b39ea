"""
How a command speaks: data on standard output, talk on standard error.

Text from data passes `sanitize_terminal` here, in `cell`, `say` and `fail`; JSON escapes it instead.
"""

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Literal, TextIO

import msgspec

from observatory.cli.failures import Failure, OutputLost
from observatory.core.text import sanitize_terminal, truncate_utf8

if TYPE_CHECKING:
    from rich.console import Console

Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]

_ANSI: dict[Style, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_GLYPHS = {"ok": ("✓", "OK"), "warn": ("!", "WARN"), "note": (" ", " "), "fail": ("✕", "FAIL")}
_GLYPH_STYLES: dict[str, Style] = {"ok": "green", "warn": "yellow", "fail": "red"}

STATUS_STYLES: dict[str, Style] = {
    "COMPLETED": "green",
    "FAILED": "red",
    "RETRYING": "yellow",
    "EXECUTING": "cyan",
    "VALIDATED": "cyan",
    "CANCELLED": "dim",
}
"""The word is always there; the colour only helps to find it."""

CELL_BYTES_MAX = 80
NOTHING = "-"


class Column(msgspec.Struct, frozen=True):
    """One column of a table."""

    title: str
    field: str
    is_number: bool = False


class Output:
    """The two streams of one command."""

    def __init__(self, out: TextIO, err: TextIO, environ: Mapping[str, str]) -> None:
        self._out = out
        self._err = err
        self._environ = environ
        self._out_has_colour = has_colour(out, environ)
        self._err_has_colour = has_colour(err, environ)
        self._out_has_glyphs = _can_show(out, "✓✕")
        self._err_has_glyphs = _can_show(err, "✓✕")
        self.is_terminal = is_lively(out, environ)
        """True when a picture can be drawn on standard output."""
        self.err_is_terminal = is_lively(err, environ)

    # --- data ---

    def json(self, value: Any) -> None:
        """*value* as one line; whatever it holds, only printable ASCII reaches the terminal."""
        write(self._out, json_line(value), is_flushed=True)

    def line(self, text: str) -> None:
        """One line of our own words, or of text that `cell` made harmless."""
        write(self._out, text)

    def again(self, text: str) -> None:
        """*text* in place of the line that the cursor is on, which stays open. Only in a terminal."""
        write(self._out, f"\r\x1b[2K{text}", end="", is_flushed=True)

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
        """Aligned columns without borders; the titles only for a person, so that a pipe gets rows alone."""
        cells = [[cell(row.get(column.field)) for column in columns] for row in rows]
        if self._out.isatty():
            cells.insert(0, [column.title for column in columns])
        widths = [max((len(row[i]) for row in cells), default=0) for i in range(len(columns))]
        for number, row in enumerate(cells):
            is_title = number == 0 and self._out.isatty()
            padded = [
                text.rjust(width) if column.is_number else text.ljust(width)
                for text, width, column in zip(row, widths, columns, strict=True)
            ]
            painted = [self.painted(text, "dim" if is_title else STATUS_STYLES.get(text.strip())) for text in padded]
            self.line("  ".join(painted).rstrip())
        self.flush()

    def flush(self) -> None:
        """Data goes out before what is said about it, also where the stream is buffered. Raises as `write` does."""
        write(self._out, "", end="", is_flushed=True)

    def fields(self, pairs: Sequence[tuple[str, Any]]) -> None:
        """One labelled value per line; values that are None are left out."""
        given = [(label, value) for label, value in pairs if value is not None]
        width = max((len(label) for label, _ in given), default=0)
        for label, value in given:
            text = cell(value, bytes_max=4096)
            self.line(f"{label.ljust(width)}  {self.painted(text, STATUS_STYLES.get(text))}")
        self.flush()

    def painted(self, text: str, style: Style | None) -> str:
        """*text* as it goes to standard output."""
        return paint(text, style) if style and self._out_has_colour else text

    def mark_of(self, kind: str) -> tuple[str, Style | None]:
        """The symbol of `ok`, `warn`, `note` or `fail` as standard output can show it, and its style."""
        return _GLYPHS[kind][0 if self._out_has_glyphs else 1], _GLYPH_STYLES.get(kind)

    def console(self, stream: TextIO) -> "Console":
        """What draws pictures on *stream*, one of the two; with colour as every other line."""
        from rich.console import Console

        is_coloured = self._out_has_colour if stream is self._out else self._err_has_colour
        return Console(
            file=stream,
            color_system="standard" if is_coloured else None,
            no_color=not is_coloured,
            force_terminal=is_lively(stream, self._environ),
            highlight=False,
        )

    # --- talk: that nobody hears it changes nothing about what the command does ---

    def _talk(self, text: str) -> None:
        try:
            print(text, file=self._err, flush=True)
        except OSError:
            close_quietly(self._err)

    def say(self, text: str, style: Style | None = None) -> None:
        """One line on standard error."""
        text = sanitize_terminal(text)
        self._talk(paint(text, style) if style and self._err_has_colour else text)

    def mark(self, kind: str, text: str, detail: str = "") -> None:
        """A line with its symbol in front: `ok`, `warn`, `note` or `fail`."""
        symbol = _GLYPHS[kind][0 if self._err_has_glyphs else 1]
        text, detail = sanitize_terminal(text), sanitize_terminal(detail)
        if self._err_has_colour:
            symbol = paint(symbol, _GLYPH_STYLES[kind]) if kind in _GLYPH_STYLES else symbol
            detail = paint(detail, "dim") if detail else ""
        self._talk(f"  {symbol} {text}{'   ' if detail else ''}{detail}".rstrip())

    def fail(self, failure: Failure) -> None:
        """What happened, why, and what to do; one line each."""
        for what in failure.what.splitlines() or [failure.code]:
            self.mark("fail", truncate_utf8(what, 2000))
        for line in (failure.why, failure.remedy):
            if line:
                self.say(f"    {truncate_utf8(line, 2000)}")

    def fail_json(self, failure: Failure) -> None:
        """As `fail`, for a program."""
        self._talk(json_line({"error": failure}))


def write(stream: IO[str], text: str, *, end: str = "\n", is_flushed: bool = False) -> None:
    """
    *text* and the end of its line, as data.

    Raises:
        BrokenPipeError: Nobody reads any more.
        OutputLost: The stream does not take it; it is given up.
    """
    try:
        print(text, end=end, file=stream, flush=is_flushed)
    except BrokenPipeError:
        raise
    except OSError as error:
        close_quietly(stream)
        raise OutputLost(error) from error


def close_quietly(stream: IO[str]) -> None:
    """What is written from now on is lost. Without this, the interpreter complains when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def of_process() -> Output:
    """The streams as they are now; tests replace them."""
    return Output(sys.stdout, sys.stderr, os.environ)


def json_line(value: Any) -> str:
    """One line of JSON in printable ASCII."""
    plain = msgspec.to_builtins(value)
    return json.dumps(plain, ensure_ascii=True, separators=(",", ":")).replace("\x7f", "\\u007f")


def cell(value: Any, *, bytes_max: int = CELL_BYTES_MAX) -> str:
    """*value* as one harmless line of bounded length."""
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return truncate_utf8(sanitize_terminal(_instant(value)), bytes_max)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):  # pyright: ignore[reportUnknownVariableType] — looked at here
        return truncate_utf8(sanitize_terminal(",".join(value)), bytes_max)  # pyright: ignore[reportUnknownArgumentType] — as above
    return truncate_utf8(sanitize_terminal(json.dumps(value, ensure_ascii=False)), bytes_max)


def _instant(text: str) -> str:
    """A date-time to the second, as people read it; every other text as it is."""
    if len(text) < 20 or text[4:5] != "-" or text[10:11] != "T":
        return text
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{at:%Y-%m-%d %H:%M:%S}Z" if text.endswith(("Z", "+00:00")) else text


def paint(text: str, style: Style) -> str:
    return f"\x1b[{_ANSI[style]}m{text}\x1b[0m"


def is_lively(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """True for a terminal whose lines can be drawn again."""
    return stream.isatty() and environ.get("TERM") != "dumb"


def has_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """
    Whether text for *stream* is coloured: the one place that decides.

    `NO_COLOR` wins, then `FORCE_COLOR` and `CLICOLOR_FORCE`, then `CLICOLOR=0`; else colour is for terminals that are
    not dumb. A variable that is empty counts as absent, and 0 does not force.
    """
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "") not in _NOT_FORCED for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return is_lively(stream, environ) and environ.get("CLICOLOR") != "0"


_NOT_FORCED = frozenset({"", "0", "false"})


def _can_show(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
