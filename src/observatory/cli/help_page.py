"""How help looks: no boxes, aligned columns, at most 100 characters wide."""

import io
import textwrap
from typing import TYPE_CHECKING, Any

from observatory.cli.output import write

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

WIDTH_MAX = 100
LABEL_CHARS_MAX = 30


class HelpPage:
    """Implements the help formatter of cyclopts."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        if not panel.entries:
            return
        width = min(console.width, WIDTH_MAX)
        rows = [(_label(entry, is_command=panel.format == "command"), _description(entry)) for entry in panel.entries]
        label_chars = min(LABEL_CHARS_MAX, max(len(label) for label, _ in rows))
        lines = [f"{panel.title}:"]
        for label, description in rows:
            lines += _row(label, description, label_chars, width)
        _print(console, [*lines, ""])

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:
        if usage:
            _print(console, [f"Usage: {_plain(usage).removeprefix('Usage:').strip()}", ""])

    def render_description(self, console: "Console", options: "ConsoleOptions", description: Any) -> None:
        text = _plain(description)
        if text:
            _print(console, [*_wrapped(text, min(console.width, WIDTH_MAX)), ""])


def _row(label: str, description: str, label_chars: int, width: int) -> list[str]:
    wrapped = textwrap.wrap(description, max(20, width - label_chars - 4)) or [""]
    if len(label) > label_chars:
        return [f"  {label}", *(f"  {' ' * label_chars}  {line}" for line in wrapped)]
    first, *others = wrapped
    return [f"  {label.ljust(label_chars)}  {first}".rstrip(), *(f"  {' ' * label_chars}  {line}" for line in others)]


def _label(entry: "HelpEntry", *, is_command: bool) -> str:
    if is_command:
        return ", ".join((*entry.positive_shorts, *entry.positive_names))
    if entry.positional_label:
        return entry.positional_label
    names = ", ".join((*entry.positive_shorts, *entry.positive_names))
    return f"{names} {entry.metavar}" if entry.metavar else names


def _description(entry: "HelpEntry") -> str:
    parts = [_plain(entry.description)]
    if entry.choices:
        parts.append(f"One of {', '.join(entry.choices)}.")
    if entry.default not in {None, "False"}:
        parts.append(f"Default: {entry.default}.")
    return " ".join(part for part in parts if part)


def _wrapped(text: str, width: int) -> list[str]:
    """Paragraphs filled to *width*; indented lines, which are examples, as they are."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith(" "):
            lines += [*paragraph.splitlines(), ""]
        else:
            lines += [*textwrap.wrap(paragraph, width), ""]
    return lines[:-1]


def _plain(value: Any) -> str:
    """The text of what cyclopts hands over, without its styles."""
    if value is None:
        return ""
    if hasattr(value, "plain"):
        return str(value.plain).strip("\n")
    from rich.console import Console

    buffer = io.StringIO()
    Console(file=buffer, width=1000, no_color=True, force_terminal=False, highlight=False).print(value, end="")
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()).strip("\n")


def _print(console: "Console", lines: list[str]) -> None:
    # Not `console.print`: it ends the process with 1 when the reader of a pipe went away.
    for line in lines:
        write(console.file, line)
