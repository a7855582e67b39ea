"""What `up` says, to people and to programs, and how it ends. What it does is told in `tests/e2e`."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.process import PROGRAM, READY_S_MAX, ROOT, Up, environment, odd

VERSION = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
FREE_PORTS = ("--gateway-port", "0", "--read-model-port", "0", "--web-port", "0")


def test_people_read_where_everything_is_and_what_to_do_next(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "up", *FREE_PORTS],
        cwd=ROOT, env=environment(tmp_path / "data"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line.rstrip())
        if "see it:" in line:
            break
    process.terminate()
    out, rest = process.communicate(timeout=READY_S_MAX)

    title, data, processor, gateway, read_model, dashboard, ready, first_job, see_it = lines
    assert title == f"  Distributed Task Observatory {VERSION} · embedded (one process, SQLite)"
    assert data == f"  ✓ data        {tmp_path}/data   SQLite, observatory.db"
    assert processor == "  ✓ processor   4 slots   4 job types"
    for line, name in ((gateway, "gateway"), (read_model, "read model"), (dashboard, "dashboard")):
        assert re.fullmatch(rf"  ✓ {name:11} http://127\.0\.0\.1:[0-9]+", line)
    assert re.fullmatch(r"    ready in [0-9]+\.[0-9] s", ready)
    job_id = re.search(r"first job ([0-9a-f-]{36})", first_job)
    assert job_id is not None
    assert see_it == f"    see it:   curl -s {read_model.split()[-1]}/jobs/{job_id[1]}"
    assert rest == "    stopping; press Ctrl-C again to stop at once\n"
    assert (process.returncode, out) == (0, "")


def test_a_second_start_tells_a_program_the_addresses(system: Up) -> None:
    again = odd(system.data_dir, "up", "--json")

    assert (again.returncode, again.stderr) == (0, "")
    said = {step["name"]: step["text"] for step in map(json.loads, again.stdout.splitlines())}
    assert {name: said[name] for name in ("gateway", "read model", "dashboard")} == {
        name: system.url(name) for name in ("gateway", "read model", "dashboard")
    }
    assert str(system.process.pid) in said[""]


def test_the_system_goes_on_when_nobody_reads_what_it_says(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    assert up.process.stdout is not None
    up.process.stdout.close()

    job = up.post("/jobs", {"type": "echo", "payload": {}}).json()

    assert up.until_final(job["id"])["status"] == "COMPLETED"
    up.process.terminate()
    assert up.process.wait(timeout=READY_S_MAX) == 0


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("no_such_module:app", "no_such_module"),
        ("observatory.builtin_jobs:nothing", "nothing"),
        ("json:dumps", "json:dumps"),
    ],
)
def test_an_application_that_cannot_be_used_is_one_clear_line(tmp_path: Path, app: str, said: str) -> None:
    done = odd(tmp_path / "data", "up", "--json", "--app", app, *FREE_PORTS)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    fault = json.loads(line)["error"]
    assert fault["code"] == "bad_settings"
    assert said in fault["what"]
    assert "Traceback" not in line


def test_a_second_signal_ends_it_where_it_stands(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    job = up.post("/jobs", {"type": "sleep", "payload": {"seconds": 60}}).json()
    until(lambda: up.get(f"/jobs/{job['id']}")["status"] == "EXECUTING")
    assert up.process.stdout is not None

    up.process.send_signal(signal.SIGINT)
    until(lambda: "stopping" in up.process.stdout.readline())
    up.process.send_signal(signal.SIGINT)

    assert up.process.wait(timeout=READY_S_MAX) == 130
    up.process.stdout.close()
    assert odd(up.data_dir, "audit").returncode == 0


def until(is_reached: Callable[[], bool]) -> None:
    end_s = time.monotonic() + READY_S_MAX
    while not is_reached():
        assert time.monotonic() < end_s
