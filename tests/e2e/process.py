"""`odd-dashboard up` as a child process on free ports and a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import httpx2

from observatory.core.job import FINAL

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "observatory"]
READY_S_MAX = 20.0

_GIVE_UP_OVERRIDES = """
import ctypes, os, sys
if sys.platform == "linux":
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.argv[1], sys.argv[1:])
"""
BY_PERMISSIONS = [sys.executable, "-c", _GIVE_UP_OVERRIDES]
"""Before a command: the permissions of files bind it even when root runs the tests."""


_started: list[subprocess.Popen[str]] = []


def end_all() -> None:
    """Kill what a failed test left running."""
    for process in _started:
        if process.poll() is None:
            process.kill()
            process.wait()


class Up:
    """One run of `up`; what it says on standard error goes to *log*."""

    def __init__(self, data_dir: Path, *options: str, log: IO[bytes] | None = None) -> None:
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [*PROGRAM, "up", "--json", *ports_besides(options), *options],
            cwd=ROOT,
            env=environment(data_dir),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if log is None else log,
            text=True,
        )
        _started.append(self.process)
        self.steps: list[dict[str, Any]] = []
        self.rest: list[str] = []
        """What it said between its start and its end."""

    def until_ready(self, last: str = "see it:") -> "Up":
        """Read what it says until the last line of its start; with a process for each role that is "ready in "."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.steps.append(json.loads(line))
            if self.steps[-1]["text"].startswith(last):
                return self
        raise AssertionError(f"it ended with {self.process.wait()} after {self.steps}")

    def url(self, name: str) -> str:
        return next(step["text"] for step in self.steps if step["name"] == name)

    def get(self, path: str) -> Any:
        """Ask the read model."""
        return httpx2.get(self.url("read model") + path, timeout=10).raise_for_status().json()

    def get_text(self, path: str) -> str:
        """As `get`, for what is no JSON."""
        return httpx2.get(self.url("read model") + path, timeout=10).raise_for_status().text

    def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        """Tell the gateway, with the token of the data folder."""
        token = (self.data_dir / "token").read_text(encoding="utf-8").strip()
        sent = {
            "Authorization": f"Bearer {token}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return httpx2.post(self.url("gateway") + path, json=body, headers=sent, timeout=10)

    def until_final(self, job_id: str) -> dict[str, Any]:
        """Wait for the job through the public API."""
        end_s = time.monotonic() + READY_S_MAX
        while (job := self.get(f"/jobs/{job_id}"))["status"] not in FINAL and time.monotonic() < end_s:
            pass
        return job

    def kill(self) -> None:
        """As a power cut: no handler runs."""
        self.process.kill()
        self._end()

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ctrl-C, or another signal; gives the exit code."""
        self.process.send_signal(number)
        return self._end()

    def _end(self) -> int:
        code = self.process.wait(timeout=READY_S_MAX)
        assert self.process.stdout is not None
        self.rest = [json.loads(line)["text"] for line in self.process.stdout]
        self.process.stdout.close()
        return code


def environment(data_dir: Path) -> dict[str, str]:
    """This one without our settings, and with streams that are buffered as they usually are."""
    kept = {n: value for n, value in os.environ.items() if not n.startswith("ODD_") and n != "PYTHONUNBUFFERED"}
    return {**kept, "ODD_DATA_DIR": str(data_dir)}


def odd(
    data_dir: Path, *arguments: str, stdin: str = "", before: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; *variables* are added to its environment, *before* starts it."""
    return subprocess.run(
        [*before, *PROGRAM, *arguments],
        cwd=ROOT,
        env=environment(data_dir) | variables,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ports_besides(options: tuple[str, ...]) -> list[str]:
    """Free ports for the services whose port *options* do not name."""
    names = ("--gateway-port", "--read-model-port", "--web-port")
    return [word for name in names if name not in options for word in (name, "0")]
