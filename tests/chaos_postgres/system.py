"""All roles on this host, over a private PostgreSQL: what a campaign is run against."""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil

from observatory.core import limits
from observatory.core.job import FINAL, JobStatus
from tests.e2e.process import PROGRAM, ROOT, environment

DEADLINE_S = 300.0
GATEWAYS = ("gateway", "gateway 2")
PROCESSORS = 3
SLOTS = 2
"""Of each processor."""


class System:
    """
    `up` with two gateways, three processors and one of every other role, ready.

    Args:
        folder: Of the data folder and of the log of all roles.
        app: Application whose handlers run besides the built-in ones.
        variables: Added to the environment of every role.
    """

    def __init__(self, folder: Path, url: str, *, app: str | None = None, **variables: str) -> None:
        self.data_dir = folder / "data"
        self.log = folder / "log"
        self.environ = environment(self.data_dir) | variables | {"POSTGRES_URL": url}
        fleet = ("--gateways", str(len(GATEWAYS)), "--processors", str(PROCESSORS), "--slots", str(SLOTS))
        ports = ("--gateway-port", "0", "--read-model-port", "0", "--web-port", "0")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*PROGRAM, "up", "--json", *fleet, *ports, *(("--app", app) if app else ())],
                cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self.urls: dict[str, str] = {}
        assert self.process.stdout is not None
        for line in self.process.stdout:
            step = json.loads(line)
            self.urls[step["name"]] = step["text"]
            if step["text"].startswith("ready in "):
                break

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text(encoding="ascii").strip()

    def pids(self, role: str) -> list[int]:
        """Of the processes that play *role* now."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                words = child.cmdline()
                if "serve" in words and words[words.index("serve") + 1] == role:
                    found.append(child.pid)
        return found

    def get(self, path: str) -> Any:
        """Of the read model; tried again while it is away."""
        ends_s = time.monotonic() + DEADLINE_S
        while True:
            try:
                return httpx2.get(self.urls["read model"] + path, timeout=15).raise_for_status().json()
            except (httpx2.HTTPError, OSError):
                if time.monotonic() > ends_s:
                    raise
                time.sleep(0.2)

    def events(self) -> Iterator[dict[str, Any]]:
        """The whole history, in order of position."""
        path: str | None = f"/events?limit={limits.PAGE_ITEMS_MAX}"
        while path is not None:
            page = self.get(path)
            yield from page["items"]
            cursor = page.get("nextCursor")
            path = f"/events?limit={limits.PAGE_ITEMS_MAX}&cursor={cursor}" if cursor else None

    def pid_by_worker(self) -> dict[str, int]:
        """Of every processor that ever announced itself, by its instance id."""
        return {worker["instanceId"]: worker["pid"] for worker in self.get("/workers")["items"]}

    def waiting(self) -> int:
        """Jobs that are due and wait for a processor."""
        return sum(queue["byStatus"].get(JobStatus.PENDING, 0) for queue in self.get("/queues")["items"])

    def open_jobs(self) -> int:
        """Jobs that are not final."""
        return sum(sum(queue["byStatus"].values()) for queue in self.get("/queues")["items"])

    def until_quiet(self) -> None:
        """Return when no job is open and the counters, which follow the events, have seen all of it."""
        ends_s = time.monotonic() + DEADLINE_S
        while self.open_jobs() or not self._is_counted():
            if time.monotonic() > ends_s:
                raise SystemExit(f"{self.open_jobs()} jobs are still open; counters: {self.get('/stats')}")
            time.sleep(0.3)

    def _is_counted(self) -> bool:
        stats = self.get("/stats")
        return stats["totalJobs"] == sum(stats["byStatus"].get(status, 0) for status in FINAL)

    def stop(self) -> int:
        """SIGTERM; gives the exit code. Safe to call twice."""
        assert self.process.stdout is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        finally:
            self.process.stdout.close()

    def audit(self) -> subprocess.CompletedProcess[str]:
        """Of the database, whether or not the system runs."""
        return subprocess.run(
            [*PROGRAM, "audit"], cwd=ROOT, env=self.environ, capture_output=True, text=True, timeout=300, check=False
        )
