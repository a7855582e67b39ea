"""`watch`: events as they happen, over connections that break."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.process import PROGRAM, ROOT, Up, environment, odd
from tests.e2e.test_stream import free_ports

UNKNOWN = "01a20000-0000-7000-8000-000000000000"


@contextlib.contextmanager
def watching(data_dir: Path, *arguments: str, **streams: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PROGRAM, "watch", *arguments],
        cwd=ROOT,
        env=environment(data_dir) | {"TERM": "xterm", "COLUMNS": "110", "LINES": "24"},
        text=True,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams),
    )
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def submit(up: Up, **job: object) -> str:
    return up.post("/jobs", {"type": "echo", "payload": {}} | job).json()["id"]


def test_a_job_is_watched_to_its_end_with_the_exit_codes_of_submit(command: Callable, system: Up) -> None:
    done = command("watch", submit(system))
    failed = command("watch", submit(system, type="checksum", payload={"path": "/nonexistent"}, maxAttempts=1))

    assert [line.split()[3] for line in done.out.splitlines()] == [
        "job.created",
        "job.validated",
        "job.executed",
        "job.completed",
    ]
    assert (done.code, failed.code) == (0, 5)
    assert "COMPLETED" in done.err
    assert "nonexistent" in failed.err


def test_a_job_that_has_not_begun_is_waited_for(command: Callable, system: Up) -> None:
    submitted = odd(system.data_dir, "submit", "echo", "--delay", "1s")

    done = command("watch", submitted.stdout.strip(), "--json")

    assert [json.loads(line)["eventType"] for line in done.out.splitlines()][:2] == ["job.created", "job.queued"]
    assert done.code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["nonsense"], 2, "not the id of a job"),
        ([UNKNOWN], 1, "no job has the id"),
        ([UNKNOWN, "--type", "echo"], 2, "as a whole"),
        (["--after", "-1"], 2, "position"),
        (["--after", str(2**53)], 2, "position"),
        (["--type", "a" * 51], 4, "jobType"),
        (["--read-model", "http://127.0.0.1:9"], 3, "not reachable"),
    ],
)
def test_what_cannot_be_watched_is_one_line_and_an_exit_code(
    command: Callable, arguments: list[str], code: int, word: str
) -> None:
    done = command("watch", *arguments)

    assert (done.code, done.out) == (code, "")
    assert word in done.err.splitlines()[0]


def test_in_a_pipe_each_event_is_one_line_and_ctrl_c_ends_it(system: Up) -> None:
    with watching(system.data_dir, "--after", "0", "--json") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(8)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)

    assert [line["position"] for line in lines] == list(range(1, 9))
    assert (process.returncode, err) == (130, "")


def test_a_reader_of_the_pipe_that_goes_away_ends_it_well(system: Up) -> None:
    with watching(system.data_dir, "--after", "0") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        submit(system)  # it notices when it has something to say
        assert process.wait(timeout=30) == 0


def test_a_lost_connection_is_said_once_and_so_is_its_return(tmp_path: Path) -> None:
    ports = free_ports()
    up = Up(tmp_path, *ports).until_ready()
    try:
        with watching(tmp_path, "--after", "0", "--json") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            lines = [process.stdout.readline() for _ in range(4)]
            up.kill()
            lost = process.stderr.readline()
            up = Up(tmp_path, *ports).until_ready()
            lines += [process.stdout.readline() for _ in range(4)]
            back = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=30)
    finally:
        up.kill()

    assert [json.loads(line)["position"] for line in lines] == list(range(1, 9))
    assert re.search("connection lost at position [1-4]", lost)
    assert "connected again after" in back
    assert rest == ""


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_in_a_terminal_it_draws_a_picture(
    system: Up, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    main, terminal = pty.openpty()
    with watching(
        system.data_dir, "--after", "0", "--event", "job.completed", stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        text = ""
        while not ("job.completed" in text and "COMPLETED" in text and "jobs" in text):
            try:
                text += os.read(main, 65_536).decode()
            except OSError:
                pytest.fail(f"it ended: {text}")
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # a terminal whose last user went away
            while chunk := os.read(main, 65_536):
                text += chunk.decode()
        assert process.wait(timeout=30) == 130
    os.close(main)

    assert "watching job.completed" in text
    assert "live" in text
    assert bool(re.search(r"\x1b\[[0-9;]*3[1-6]m", text)) == (not variables)
    assert "\x1b[?25h" in text, "the cursor is shown again"
