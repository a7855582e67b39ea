"""
`up` that keeps a process for each role, and `serve`, `worker` and `migrate`, as commands over a real PostgreSQL.
"""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from observatory.core import limits
from tests.e2e.process import PROGRAM, READY_S_MAX, ROOT, environment
from tests.servers.postgres import PrivatePostgres

FREE = {"ODD_GATEWAY_PORT": "0", "ODD_READ_MODEL_PORT": "0", "ODD_WEB_PORT": "0"}
S_MAX = 30.0
PASSWORD = "hunter2"

_number = itertools.count(1)


class Host:
    """One data folder, an empty database, and the environment of every command on them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.data_dir = folder / "data"
        self.url = url.replace("@", f":{PASSWORD}@")  # the server asks for none, so it takes any
        self.environ = environment(self.data_dir) | FREE | {"POSTGRES_URL": self.url}
        self.begun: list[subprocess.Popen[str]] = []
        self.log = folder / "log"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *words], cwd=ROOT, env=self.environ, capture_output=True, text=True, timeout=60, check=False
        )

    def begin(self, *words: str) -> "Running":
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*PROGRAM, *words, "--json"], cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.begun.append(process)
        return Running(process)

    @property
    def said(self) -> str:
        return self.log.read_text()


class Running:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.steps: list[dict[str, Any]] = []
        self.seen: set[int] = set()

    def until_ready(self) -> "Running":
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.steps.append(json.loads(line))
            if self.steps[-1]["text"].startswith("ready in "):
                return self
        raise AssertionError(f"it ended with {self.process.wait()} after {self.steps}")

    def url(self, name: str) -> str:
        return next(step["text"] for step in self.steps if step["name"] == name)

    def roles(self) -> dict[str, list[int]]:
        """Process ids by role."""
        found: dict[str, list[int]] = {}
        for child in psutil.Process(self.process.pid).children():
            words: list[str] = []
            with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                words = child.cmdline()
            if "serve" in words:
                found.setdefault(words[words.index("serve") + 1], []).append(child.pid)
        self.seen |= {pid for pids in found.values() for pid in pids}
        return found

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=READY_S_MAX)


def until(holds: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + S_MAX
    while not holds():
        assert time.monotonic() < ends_s, "it did not come true"
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def host(tmp_path: Path, postgres_server: PrivatePostgres) -> Generator[Host]:
    name = f"roles_{next(_number)}"
    host = Host(tmp_path, postgres_server.create_database(name))
    yield host
    for process in host.begun:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    postgres_server.drop_database(name)


def test_up_keeps_every_role_and_a_job_runs_through_them(host: Host, postgres_server: PrivatePostgres) -> None:
    up = host.begin("up", "--gateways", "2", "--processors", "2").until_ready()

    assert {role: len(pids) for role, pids in up.roles().items()} == {
        "gateway": 2, "processor": 2, "metrics-engine": 1, "read-model": 1, "web": 1, "maintenance": 1,
    }  # fmt: skip
    for name in ("gateway", "gateway 2", "read model", "dashboard", "processor 2", "metrics engine", "maintenance"):
        assert httpx2.get(up.url(name) + "/readyz").status_code == 200
    assert _connected(host, postgres_server) == {
        f"odd-dashboard {role}" for role in ("gateway", "processor", "metrics-engine", "read-model", "maintenance")
    }
    done = host.run("submit", "echo", "n=1", "--wait")
    assert json.loads(done.stdout) == {"n": 1}
    again = host.run("up")
    assert again.returncode == 0
    assert up.url("gateway") in again.stderr
    del host.environ["POSTGRES_URL"]
    embedded = host.run("up")
    assert embedded.returncode == 1
    assert f"{host.url.replace(PASSWORD, '***')}; this start asks for embedded" in embedded.stderr

    assert up.end(signal.SIGTERM) == 0
    assert all(map(is_gone, up.seen))
    assert not (host.data_dir / "running.json").exists()
    assert PASSWORD not in host.said + json.dumps(up.steps) + again.stderr


def _connected(host: Host, server: PrivatePostgres) -> set[str]:
    """As whom the database has connections."""
    ours = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = $1"
    return {row[0] for row in server.execute(ours, host.url.rpartition("/")[2])}


def test_a_role_that_is_killed_comes_back_at_the_same_address(host: Host) -> None:
    up = host.begin("up").until_ready()
    (before,) = up.roles()["gateway"]

    os.kill(before, signal.SIGKILL)
    until(lambda: up.roles().get("gateway", [before]) != [before])

    until(lambda: _is_ready(up.url("gateway")))
    assert json.loads(host.run("submit", "echo", "n=2", "--wait").stdout) == {"n": 2}
    assert "role ended, beginning it again" in host.said
    assert up.end(signal.SIGINT) == 0
    assert all(map(is_gone, up.seen))


def _is_ready(url: str) -> bool:
    try:
        return httpx2.get(url + "/readyz").status_code == 200
    except httpx2.HTTPError:
        return False


def test_processes_that_stand_still_are_named_by_the_explanations_of_what_waits_for_them(host: Host) -> None:
    up = host.begin("up", "--app", "tests.handlers:app").until_ready()
    asked = up.url("read model")
    until(lambda: not _explained(asked, _submitted(host, "echo", "--delay", "1h"))["evidence"].get("down"))
    running = _submitted(host, "sleep", "seconds=600")
    until(lambda: _explained(asked, running)["code"] == "running")
    delayed = _submitted(host, "echo", "--delay", "1s")
    stopped = {role: up.roles()[role][0] for role in ("maintenance", "processor")}
    for pid in stopped.values():
        os.kill(pid, signal.SIGSTOP)
    waiting = _submitted(host, "echo")
    codes: dict[str, list[str]] = {running: [], delayed: [], waiting: []}

    def note() -> bool:
        for job_id, seen in codes.items():
            code = _explained(asked, job_id)["code"]
            if seen[-1:] != [code]:
                seen.append(code)
        return [seen[-1] for seen in codes.values()] == ["rescuer_down", "due_loop_down", "no_live_processor"]

    try:
        until(note)
        down = {one["name"]: one for one in _explained(asked, delayed)["evidence"]["down"]}
    finally:
        for pid in stopped.values():
            os.kill(pid, signal.SIGCONT)

    assert "due_loop_behind" in codes[delayed]
    assert "heartbeat_late" in codes[running]
    assert set(down) == {"relay", "due_jobs", "rescuer", "scheduler", "pruner"}
    assert {(one["reason"], one["role"], one["pid"]) for one in down.values()} == {
        ("not_heard_of", "maintenance", stopped["maintenance"])
    }
    assert all(one["heartbeatAgeSeconds"] > limits.LEASE_S for one in down.values())
    until(lambda: _explained(asked, delayed)["code"] == _explained(asked, waiting)["code"] == "completed")


def _submitted(host: Host, *words: str) -> str:
    done = host.run("submit", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["id"]


def _explained(read_model: str, job_id: str) -> dict[str, Any]:
    return httpx2.get(f"{read_model}/jobs/{job_id}/explain", timeout=10).raise_for_status().json()


def test_a_kill_of_up_leaves_no_role_behind(host: Host) -> None:
    up = host.begin("up").until_ready()
    up.roles()

    up.end(signal.SIGKILL)

    assert len(up.seen) == 6
    until(lambda: all(map(is_gone, up.seen)))


def test_an_application_that_cannot_be_imported_ends_up_with_a_clear_message(host: Host) -> None:
    up = host.begin("up", "--app", "no_such_module:app")

    assert up.process.wait(timeout=READY_S_MAX) == 2
    assert "no_such_module" in host.said
    assert "processor cannot run with these settings" in host.said


def test_a_port_that_somebody_has_is_said_before_anything_begins(host: Host) -> None:
    first = host.begin("up").until_ready()
    port = first.url("gateway").rpartition(":")[2]
    host.environ["ODD_DATA_DIR"] = str(host.data_dir.with_name("other"))

    done = host.run("up", "--gateway-port", port)

    assert done.returncode == 1
    assert f"port {port} for the gateway is in use" in done.stderr


def test_a_gateway_more_takes_the_next_port_that_is_free(host: Host) -> None:
    up = host.begin("up").until_ready()
    taken = int(up.url("gateway").rpartition(":")[2])
    up.end(signal.SIGINT)

    up = host.begin("up", "--gateway-port", str(taken), "--gateways", "2").until_ready()

    first, second = (int(up.url(name).rpartition(":")[2]) for name in ("gateway", "gateway 2"))
    assert first == taken
    assert taken < second <= taken + 100


def test_reload_goes_with_embedded_data_alone(host: Host) -> None:
    done = host.run("up", "--app", "tests.handlers:app", "--reload")

    assert done.returncode == 2
    assert "POSTGRES_URL" in done.stderr


def test_serve_refuses_a_schema_that_must_be_migrated_and_migrate_brings_it_forward(host: Host) -> None:
    refused = host.run("serve", "gateway")
    status = host.run("migrate", "--status")
    migrated = host.run("migrate")
    worker = host.begin("worker", "--app", "tests.handlers:app").until_ready()

    assert refused.returncode == 1
    assert "odd-dashboard migrate" in refused.stderr
    assert status.returncode == 1
    assert migrated.stdout.splitlines()[0] == "applied 001 begin"
    assert host.run("migrate").stdout.startswith("nothing to do")
    assert worker.steps[0]["name"] == "processor"
    assert worker.end(signal.SIGTERM) == 0


def test_up_waits_for_a_database_that_is_away_and_ends_when_it_is_told(host: Host) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        host.environ["POSTGRES_URL"] = f"postgresql://ann:{PASSWORD}@127.0.0.1:{nobody.getsockname()[1]}/jobs"
    up = host.begin("up")
    assert up.process.stdout is not None

    assert "cannot be used; waiting: PostgreSQL: nothing listens at " in up.process.stdout.readline()
    assert up.end(signal.SIGTERM) == 0
    assert PASSWORD not in host.said


@pytest.mark.parametrize("words", [("serve", "gateway"), ("worker", "--app", "tests.handlers:app")])
def test_without_a_shared_database_a_role_is_refused_with_the_reason(host: Host, words: tuple[str, ...]) -> None:
    del host.environ["POSTGRES_URL"]

    done = host.run(*words)

    assert done.returncode == 2
    assert "POSTGRES_URL is not set: embedded data has one owner process" in done.stderr
