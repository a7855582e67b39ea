"""The scripts by which shells complete, run by the shells that are there."""

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from observatory.cli.app import COMMANDS

NAMES = [name for name, _, _ in COMMANDS]

BASH = """
source /dev/stdin
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_odd_dashboard
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def bash_script() -> str:
    return script("bash")


def script(shell: str) -> str:
    from observatory.cli.app import make_app

    return make_app().generate_completion(shell=shell)  # pyright: ignore[reportArgumentType]


def completed(bash_script: str, *words: str) -> list[str]:
    quoted = " ".join(f"'{word}'" for word in ("odd-dashboard", *words))
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", BASH.format(words=quoted)],
        input=bash_script,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_every_command_is_completed(bash_script: str) -> None:
    assert sorted(completed(bash_script, "")) == sorted(NAMES)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["wa"], {"watch"}),
        (["jobs", "--st"], {"--status"}),
        (["watch", "--a"], {"--after"}),
        (["contracts", ""], {"list", "validate"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
        (["up", "--open", ""], {"yes", "no"}),
        (["nothing"], set()),
    ],
)
def test_commands_options_and_choices_are_completed(bash_script: str, words: list[str], found: set[str]) -> None:
    assert set(completed(bash_script, *words)) == found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_prints_the_script_and_nothing_else(here: Callable, shell: str) -> None:
    done = here("completion", shell)

    assert (done.code, done.err) == (0, "")
    assert done.out.strip() == script(shell).strip()
    assert all(name in done.out for name in NAMES)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_reads_its_script_without_a_fault(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        why = f"{shell} is not installed; on Debian:  apt-get install {shell}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)

    done = subprocess.run([program, "-n"], input=script(shell), capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_shell_that_it_does_not_know_is_refused(here: Callable) -> None:
    done = here("completion", "tcsh")

    assert (done.code, done.out) == (2, "")
    assert "bash" in done.err
