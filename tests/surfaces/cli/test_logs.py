"""`logs`, and what `job` and `submit --wait` show of a job that says something, beside a running observatory."""

import json
import os
import pty
import subprocess
from collections.abc import Callable, Generator

import pytest

from tests.e2e.process import PROGRAM, ROOT, Up, environment

NOBODY = "01a20000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Generator[Up]:
    up = Up(tmp_path_factory.mktemp("logs") / "data", "--app", "tests.handlers:app").until_ready()
    yield up
    up.kill()


@pytest.fixture
def command(here: Callable, talking: Up, monkeypatch: pytest.MonkeyPatch) -> Callable:
    monkeypatch.setenv("ODD_DATA_DIR", str(talking.data_dir))
    return here


def submitted(command: Callable, talking: Up, *arguments: str) -> str:
    job_id = command("submit", *arguments).out.strip()
    talking.until_final(job_id)
    return job_id


def test_what_an_attempt_said_is_shown_harmless_and_with_its_times(command: Callable, talking: Up) -> None:
    job_id = submitted(command, talking, "say.raw")

    done = command("logs", job_id)

    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert [line.split("  ", 1)[1] for line in lines] == ["half \\xff and \\x1b[31mred\\x00", "without an end"]
    assert all(line[2] == ":" and line[5] == ":" for line in lines)


def test_as_json_it_is_the_document_and_followed_one_line_each(command: Callable, talking: Up) -> None:
    job_id = submitted(command, talking, "say.process", "text=hello")

    document = json.loads(command("logs", job_id, "--json").out)
    followed = [json.loads(line) for line in command("logs", job_id, "--follow", "--json").out.splitlines()]

    assert (document["jobId"], document["attempt"], document["isComplete"]) == (job_id, 1, True)
    assert followed == [{"attempt": 1, **line} for line in document["lines"]]


def test_an_attempt_that_said_nothing_is_said(command: Callable, talking: Up) -> None:
    job_id = submitted(command, talking, "quick")

    done = command("logs", job_id, "--attempt", "1")

    assert (done.code, done.out) == (0, "")
    assert "attempt 1 said nothing that was kept" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((NOBODY,), 1, f"no job has the id {NOBODY}"),
        ((NOBODY, "--attempt", "0"), 2, "--attempt 0 is not from 1 to 100"),
        ((NOBODY, "--attempt", "101"), 2, "--attempt 101 is not from 1 to 100"),
        ((NOBODY, "--attempt", "x"), 2, "attempt"),
    ],
)
def test_a_job_or_attempt_that_is_not_there_is_one_clear_line(
    command: Callable, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = command("logs", *arguments)

    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_a_failed_job_shows_its_class_its_calls_and_its_code(command: Callable, talking: Up) -> None:
    job_id = submitted(command, talking, "declared.process", "kind=other")

    out = command("job", job_id).out

    assert "KeyError: 'as declared'" in out
    assert "in _raise_kind" in out
    assert 'raise _KINDS[kind]("as declared")' in out


def test_who_waits_at_a_terminal_sees_how_far_the_job_is(talking: Up) -> None:
    ours, theirs = pty.openpty()
    waiting = subprocess.Popen(
        [*PROGRAM, "submit", "count.slowly", "--wait"],
        cwd=ROOT, env=environment(talking.data_dir) | {"TERM": "xterm", "COLUMNS": "200"},
        stdout=subprocess.DEVNULL, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = _all_of(ours)

    assert waiting.wait(timeout=30) == 0
    assert "50 % (1 of 2) half way" in shown


def _all_of(terminal: int) -> str:
    pieces: list[bytes] = []
    try:
        while piece := os.read(terminal, 65_536):
            pieces.append(piece)
    except OSError:  # how a terminal ends
        pass
    finally:
        os.close(terminal)
    return b"".join(pieces).decode(errors="replace")
