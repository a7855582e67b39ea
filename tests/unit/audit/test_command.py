"""What the command says about a long audit and about more faults than it lists."""

import contextlib
import io
import re
import sqlite3
import time
from pathlib import Path

import pytest

from observatory.cli.commands.audit import audit as audit_command
from observatory.cli.options import Folder
from observatory.core import limits
from tests.unit.audit.conftest import Plant

ERASE_LINE = "\x1b[2K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[Terminal, io.StringIO])
def stderr(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv("TERM", "xterm")
    return request.param()


def said_by(folder: Path, stderr: io.StringIO, *, is_json: bool = False) -> str:
    with contextlib.redirect_stderr(stderr):
        audit_command(folder=Folder(data_dir=folder, json=is_json))
    return stderr.getvalue()


def test_a_long_audit_says_on_a_terminal_how_far_it_is_and_wipes_it_away(
    copy: Path, stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROGRESS_LINE_S", 0.0)

    drawn, _, result = said_by(copy, stderr).rpartition("nothing is missing")

    assert result.startswith(" and nothing is double")
    assert bool(re.search(r"comparing jobs, \d+ of \d+", drawn)) == stderr.isatty()
    assert (ERASE_LINE in drawn.rpartition("comparing jobs")[2]) == stderr.isatty()


def test_while_the_file_is_checked_the_line_stands_although_nothing_more_is_said(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(limits, "PROGRESS_LINE_S", 0.05)

    def last_long(connection: sqlite3.Connection) -> list[str]:
        until_s = time.monotonic() + 20
        while "checking the file" not in stderr.getvalue() and time.monotonic() < until_s:
            time.sleep(0.01)
        return [] if "checking the file" in stderr.getvalue() else ["nothing was said"]

    monkeypatch.setattr("observatory.runtime.auditing.damage", last_long)

    assert "nothing is missing" in said_by(copy, stderr)


def test_without_colour_the_line_has_none_and_a_program_sees_no_line(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROGRESS_LINE_S", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = re.compile(r"\x1b\[[0-9;]*m")

    drawn = said_by(copy, Terminal())

    assert "comparing jobs" in drawn
    assert not coloured.search(drawn)
    assert said_by(copy, Terminal(), is_json=True) == ""


def test_what_may_be_right_is_said_beside_the_result(plant: Plant, copy: Path, stderr: io.StringIO) -> None:
    assert not plant(("DELETE FROM views", ())).violations

    said = said_by(copy, stderr)

    assert "view_absent: " in said
    assert "nothing is missing" in said


def test_a_quick_audit_draws_nothing(copy: Path, stderr: io.StringIO) -> None:
    said = said_by(copy, stderr)

    assert "nothing is missing" in said
    assert "checking" not in said


def test_faults_that_are_not_listed_are_counted_in_words(
    plant: Plant, copy: Path, stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(limits, "AUDIT_VIOLATIONS_MAX", 3)
    jobs = plant(("UPDATE jobs SET queue = 'other'", ())).checked.jobs

    said = said_by(copy, stderr)

    assert f"{jobs} faults, of which the last {jobs - 3} are not listed" in said
    assert len(capsys.readouterr().out.splitlines()) == 3
