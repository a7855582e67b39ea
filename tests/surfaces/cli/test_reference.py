"""`docs/cli.md` is what the commands say about themselves."""

import subprocess
import sys
from pathlib import Path

from observatory.cli.exit_codes import MEANING, ExitCode
from observatory.cli.reference import reference
from observatory.core.job import JobStatus
from tests.e2e.process import ROOT


def test_the_page_of_the_command_line_is_what_the_commands_say() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")

    assert page == reference(), "write it anew:  python -m observatory.cli.reference --write"


def test_the_page_can_be_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "cli.md"

    done = subprocess.run(
        [sys.executable, "-m", "observatory.cli.reference", "--write", str(page)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "")
    assert page.read_text(encoding="utf-8") == reference()


def test_every_exit_code_has_its_meaning_on_the_page() -> None:
    assert set(MEANING) == set(ExitCode)
    assert [code for code in ExitCode if f"\n| {code.value} | {MEANING[code]} |" not in reference()] == []


def test_every_status_that_a_list_can_be_asked_for_is_on_the_page() -> None:
    section = reference().split("Only jobs of this status:")[1].split("--type")[0]

    assert [status for status in JobStatus if status.value not in section] == []
