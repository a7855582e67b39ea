"""
Writes `docs/cli.md` from the commands themselves: `python -m observatory.cli.reference --write [FILE]`.

Without `--write` the page goes to standard output.
"""

import io
import sys
from pathlib import Path

from cyclopts import App
from rich.console import Console

from observatory.cli.app import COMMANDS, NAME, make_app
from observatory.cli.exit_codes import MEANING
from observatory.cli.help_page import WIDTH_MAX

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"

HEAD = f"""\
# Command line

This page is written by `python -m observatory.cli.reference --write`; a test compares the two.

`{NAME}` finds the running services and the token by itself, through the data folder: `--data-dir`, else `ODD_DATA_DIR`,
else the user's data folder. Data goes to standard output, talk to standard error. `--json` prints data, and on standard
error faults, as one JSON object per line. Colour is for terminals that are not dumb; `NO_COLOR` (or `CLICOLOR=0`) turns
it off everywhere, `FORCE_COLOR` or `CLICOLOR_FORCE` on, and `NO_COLOR` wins. `--debug` prints the traceback of a fault.
`{NAME} --version` (or `-V`) prints version, commit, time of the build and Python.
"""


def reference() -> str:
    """The page."""
    parts = [HEAD, "## Exit codes\n\n| code | meaning |\n| --- | --- |\n" + _exit_code_rows(), _section("", ())]
    for name, _, _ in COMMANDS:
        parts.append(_section(f" {name}", (name,)))
        parts += [_section(f" {name} {inner}", (name, inner)) for inner in _inner_commands(name)]
    return "\n".join(parts)


def _exit_code_rows() -> str:
    return "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANING.items())


def _inner_commands(name: str) -> list[str]:
    app = make_app((name,))
    inner: App = app[name]
    return [command for command in inner if not command.startswith("-")]


def _section(title: str, command: tuple[str, ...]) -> str:
    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDTH_MAX, no_color=True, force_terminal=False)
    make_app(command[:1]).help_print(list(command), console=console)
    return f"## {NAME}{title}\n\n```text\n{buffer.getvalue().strip()}\n```\n"


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--write"]:
        page = Path(arguments[1]) if arguments[1:] else PAGE
        page.write_text(reference(), encoding="utf-8")
    else:
        sys.stdout.write(reference())


if __name__ == "__main__":
    main(sys.argv[1:])
