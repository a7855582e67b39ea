"""Who decides about colour: one function, and everything that colours asks it."""

import io
import re

import pytest

from observatory.cli.output import Output, has_colour
from tests.architecture.source_tree import ROOT


class Terminal(io.StringIO):
    """A stream that a person sees."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "in_a_terminal", "in_a_pipe"),
    [
        ({}, True, False),
        ({"TERM": "xterm"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"NO_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"FORCE_COLOR": ""}, True, False),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, True, False),
        ({"CLICOLOR": "0"}, False, False),
        ({"CLICOLOR": "1"}, True, False),
        ({"CLICOLOR": "0", "CLICOLOR_FORCE": "1"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
    ],
)
def test_the_environment_and_the_stream_decide(environ: dict[str, str], in_a_terminal: bool, in_a_pipe: bool) -> None:
    assert has_colour(Terminal(), environ) == in_a_terminal
    assert has_colour(io.StringIO(), environ) == in_a_pipe


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}, {"CLICOLOR": "0"}, {"FORCE_COLOR": "1"}, {"TERM": "dumb"}])
@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_pictures_have_colour_when_lines_have(
    environ: dict[str, str], stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    out = stream()

    Output(out, io.StringIO(), environ).console(out).print("text", style="red")

    assert ("\x1b[31m" in out.getvalue()) == has_colour(out, environ)


def test_nothing_but_the_output_opens_a_console_or_writes_an_escape() -> None:
    """Help is written without styles, by a console that only gives its width."""
    folder = ROOT / "src" / "observatory" / "cli"
    inside = re.compile(r"\bConsole\(|\\x1b|\\033")

    found = {path.name for path in folder.rglob("*.py") if inside.search(path.read_text(encoding="utf-8"))}

    assert found == {"output.py", "help_page.py", "reference.py"}
