"""How the story is told: lines for a person, with one that moves in a terminal, or one JSON object per line."""

import os
import sys
import textwrap
import threading
from typing import Any, cast

from observatory.cli.output import Output, Style, cell

LINE_BYTES_MAX = 200
COLUMNS_MIN, COLUMNS_MAX = 40, 100
INDENT = "     "
BAR_CHARS = 16


class Teller:
    """
    Args:
        is_json: One object per line, with what was said and what was found.
        is_paced: Leave a reader time between two chapters.
    """

    def __init__(self, out: Output, *, is_json: bool, is_paced: bool) -> None:
        self._out = out
        self._is_json = is_json
        self._is_paced = is_paced and out.is_terminal and not is_json
        self._is_moving = False
        self._shown = ""

    def begin(self, takes: str, where: str) -> None:
        if self._is_json:
            self._out.json({"says": where})
        else:
            self._line(f"{self._out.painted('A demo of the Distributed Task Observatory.', 'bold')} {takes}")
            self._paragraph(where, None, indent="")

    def end(self, text: str, *, is_good: bool) -> None:
        """For a person alone: a program has the summary."""
        if not self._is_json:
            sign, style = self._out.mark_of("ok" if is_good else "fail")
            self._line("")
            self._line(f"  {self._out.painted(sign, style)}  {self._out.painted(text, 'bold')}")

    def chapter(self, number: int, of: int, title: str) -> None:
        self.settle()
        if self._is_json:
            self._out.json({"chapter": number, "title": title})
        else:
            self._line("")
            self._line(self._out.painted(f"{number}/{of}  {title}", "bold"))

    def say(self, text: str, style: Style | None = None) -> None:
        """What happens, or what was seen."""
        self.settle()
        if self._is_json:
            self._out.json({"says": text})
        else:
            self._paragraph(cell(text, bytes_max=LINE_BYTES_MAX), style)

    def why(self, text: str) -> None:
        """Why it is safe."""
        self.settle()
        if self._is_json:
            self._out.json({"why": text})
        else:
            self._paragraph(text, "dim")

    def check(self, what: str, *, expected: Any, found: Any) -> bool:
        """Whether it came out as told."""
        self.settle()
        is_as_told = expected == found
        if self._is_json:
            self._out.json({"check": what, "expected": expected, "found": found, "asTold": is_as_told})
        else:
            sign, style = self._out.mark_of("ok" if is_as_told else "fail")
            differs = "" if is_as_told else f", expected {_shown(expected)}"
            self._line(f"  {self._out.painted(sign, style)}  {what}: {_shown(found)}{differs}")
        return is_as_told

    def data(self, **fields: Any) -> None:
        """Something for programs alone."""
        if self._is_json:
            self.settle()
            self._out.json(fields)

    def move(self, text: str) -> None:
        """A line that changes until something else is said; only its last state is kept, and all that a pipe gets."""
        self._shown = text
        if self._out.is_terminal and not self._is_json:
            width = self._columns() - len(INDENT) - 1
            self._out.again(f"{INDENT}{text[:width]}")
            self._is_moving = True

    def settle(self) -> None:
        """The moving line stays as it is."""
        text, self._shown = self._shown, ""
        if self._is_moving:
            self._is_moving = False
            self._line("")
        elif text:
            self.say(text)

    def pause(self, seconds: float) -> None:
        """Time to read; none when nobody watches."""
        if self._is_paced:
            threading.Event().wait(seconds)

    def line(self, text: str) -> None:
        """A line as it is."""
        self.settle()
        if self._is_json:
            self._out.json({"says": text.strip()})
        else:
            self._paragraph(text, None, indent="")

    def _paragraph(self, text: str, style: Style | None, *, indent: str = INDENT) -> None:
        for line in textwrap.wrap(text, self._columns() - len(indent), break_long_words=False):
            self._line(indent + self._out.painted(line, style))

    def _columns(self) -> int:
        """Of the terminal, as far as lines of text are pleasant to read. One that does not know its size says 0."""
        try:
            columns = os.get_terminal_size(sys.stdout.fileno()).columns
        except (OSError, ValueError):
            return COLUMNS_MAX
        return max(COLUMNS_MIN, min(columns or COLUMNS_MAX, COLUMNS_MAX))

    def _line(self, text: str) -> None:
        self._out.line(text)
        self._out.flush()


def bar(done: int, total: int) -> str:
    """As wide as ever, filled as far as it is done."""
    filled = BAR_CHARS * min(done, total) // max(total, 1)
    return "[" + "#" * filled + "." * (BAR_CHARS - filled) + "]"


def _shown(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(map(str, cast("list[Any]", value))) if isinstance(value, list) else cell(value)
