"""What the command says about a long audit and about more faults than it lists."""

import contextlib
import io
import re
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


def said_by(folder: Path, stderr: io.StringIO) -> str:
    with contextlib.redirect_stderr(stderr):
        audit_command(folder=Folder(data_dir=folder))
    return stderr.getvalue()


def test_a_long_audit_says_on_a_terminal_how_far_it_is_and_wipes_it_away(
    copy: Path, stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AUDIT_SAY_S", 0.0)

    drawn, _, result = said_by(copy, stderr).rpartition("nothing is missing")

    assert result.startswith(" and nothing is double")
    assert bool(re.search(r"auditing, \d+ %", drawn)) == stderr.isatty()
    assert (ERASE_LINE in drawn.rpartition("auditing")[2]) == stderr.isatty()


def test_what_may_be_right_is_said_beside_the_result(plant: Plant, copy: Path, stderr: io.StringIO) -> None:
    assert not plant(("DELETE FROM views", ())).violations

    said = said_by(copy, stderr)

    assert "view_absent: " in said
    assert "nothing is missing" in said


def test_a_quick_audit_draws_nothing(copy: Path, stderr: io.StringIO) -> None:
    said = said_by(copy, stderr)

    assert "nothing is missing" in said
    assert "auditing" not in said


def test_faults_that_are_not_listed_are_counted_in_words(
    plant: Plant, copy: Path, stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(limits, "AUDIT_VIOLATIONS_MAX", 3)
    jobs = plant(("UPDATE jobs SET queue = 'other'", ())).checked.jobs

    said = said_by(copy, stderr)

    assert f"{jobs} faults, of which the last {jobs - 3} are not listed" in said
    assert len(capsys.readouterr().out.splitlines()) == 3
