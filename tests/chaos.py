"""
`make chaos`: kill -9 of the whole process under load, then prove that nothing was lost.

Two callers outside the process keep it busy. `examples.checksums` sums every file below a folder; a submitter
writes every 201 to a file of its own, fsynced before the next submit. The process is killed with at least
`WAITING_MIN` jobs waiting, in at least half of the kills with one executing, and started again. At the end
each id that was accepted must be in exactly one final status, every line of the example must be what
`hashlib` says, and the audit must be clean. Ends with 1 when it is not.
"""

import argparse
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx2

from examples.checksums.files import checksum_line, regular_files
from observatory.core.job import FINAL
from tests.e2e.process import ROOT, Up, environment, odd

WAITING_MIN = 100
DONE_BETWEEN = 50
"""Jobs that end between one kill and the next, so that kills meet every part of the run."""
DEADLINE_S = 600.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Submitter(threading.Thread):
    """Keeps jobs coming until told to stop; a submit without an answer is repeated with its key."""

    def __init__(self, gateway: str, token_file: Path, accepted: Path, files: list[Path]) -> None:
        super().__init__(daemon=True)
        self.gateway, self.token_file, self.accepted, self.files = gateway, token_file, accepted, files
        self.stopped = threading.Event()
        self.count = 0
        self.repeated = 0

    def run(self) -> None:
        with self.accepted.open("a", encoding="ascii") as file, httpx2.Client(timeout=5) as client:
            number = 0
            while not self.stopped.is_set():
                job_id = self._submit(client, number)
                if job_id is None:
                    self.repeated += 1
                    self.stopped.wait(0.05)
                    continue
                file.write(job_id + "\n")
                file.flush()
                os.fsync(file.fileno())
                number, self.count = number + 1, self.count + 1

    def _submit(self, client: httpx2.Client, number: int) -> str | None:
        is_slow = number % 20 == 0
        body: dict[str, Any] = (
            {"type": "sleep", "payload": {"seconds": 0.4}}
            if is_slow
            else {"type": "checksum", "payload": {"path": str(self.files[number % len(self.files)])}}
        )
        try:
            answer = client.post(
                f"{self.gateway}/jobs",
                json=body | {"idempotencyKey": f"chaos-{number}", "maxAttempts": 50},
                headers={"Authorization": f"Bearer {self.token_file.read_text(encoding='ascii').strip()}"},
            )
        except (httpx2.HTTPError, OSError):
            return None
        return answer.json()["id"] if answer.status_code in (200, 201) else None


def depth(up: Up) -> tuple[int, int]:
    """Jobs that wait, and jobs that execute."""
    counts: dict[str, int] = {}
    for queue in up.get("/queues")["items"]:
        for status, count in queue["byStatus"].items():
            counts[status] = counts.get(status, 0) + count
    return counts.get("PENDING", 0), counts.get("EXECUTING", 0)


def until_under_load(up: Up, *, wants_executing: bool) -> tuple[int, int]:
    """Wait for the moment of the next kill; gives the jobs that wait and those that execute."""
    end_s = time.monotonic() + DEADLINE_S
    done_before = finished(up)
    while time.monotonic() < end_s:
        waiting, executing = depth(up)
        is_busy = waiting >= WAITING_MIN and (executing or not wants_executing)
        if is_busy and finished(up) >= done_before + DONE_BETWEEN:
            return waiting, executing
    raise SystemExit("the load did not build up")


def finished(up: Up) -> int:
    """Jobs that are final, as the counters say."""
    by_status = up.get("/stats")["byStatus"]
    return sum(by_status[status] for status in FINAL)


def until_quiet(up: Up) -> None:
    """Wait until no job is on its way."""
    end_s = time.monotonic() + DEADLINE_S
    while sum(depth(up)) or up.get("/jobs?status=RETRYING&limit=1")["items"]:
        if time.monotonic() > end_s:
            raise SystemExit(f"{depth(up)} jobs are still waiting and executing")
        time.sleep(0.2)


def start_example(folders: list[str], up: Up, out: Path) -> subprocess.Popen[str]:
    """The example as a process of its own, which outlives every kill of the system."""
    command = [sys.executable, "-m", "examples.checksums", *folders, "--gateway", up.url("gateway"), "--out", str(out)]
    command += ["--read-model", up.url("read model"), "--data-dir", str(up.data_dir)]
    return subprocess.Popen(command, cwd=ROOT, env=environment(up.data_dir), stderr=subprocess.PIPE, text=True)


def judge_final(up: Up, accepted: list[str]) -> list[str]:
    """Which of *accepted* are not in exactly one final status, in words."""
    wrong = (
        [f"{len(accepted) - len(set(accepted))} ids were given twice"] if len(set(accepted)) != len(accepted) else []
    )
    for job_id in accepted:
        events = up.get(f"/jobs/{job_id}/events?limit=500")["items"]
        finals = [event for event in events if event["payload"]["status"] in FINAL]
        if len(finals) != 1:
            wrong.append(f"{job_id} has {len(finals)} final events")
    return wrong


def judge_lines(folders: list[str], out: Path) -> tuple[int, list[str]]:
    """How many lines the example wrote, and what is wrong with them."""
    names = [name for folder in folders for name in regular_files(folder)]
    expected = [checksum_line(name, hashlib.sha256(Path(name).read_bytes()).hexdigest()) for name in names]
    written = out.read_bytes().splitlines(keepends=True) if out.exists() else []
    wrong = [
        f"line {number} differs"
        for number, pair in enumerate(zip(written, expected, strict=False), 1)
        if pair[0] != pair[1]
    ]
    if len(written) != len(expected):
        wrong.append(f"{len(written)} lines for {len(expected)} files")
    return len(written), wrong


def campaign(kills: int, folders: list[str], folder: Path) -> int:
    data, accepted_file, sums = folder / "data", folder / "accepted.txt", folder / "sums.txt"
    gateway_port, read_model_port = free_port(), free_port()
    options = ["--slots", "1", "--gateway-port", str(gateway_port), "--read-model-port", str(read_model_port)]
    files = sorted(path for path in Path(json.__file__).parents[1].glob("*.py"))[:200]
    up = Up(data, *options).until_ready()
    example = start_example(folders, up, sums)
    submitter = Submitter(up.url("gateway"), data / "token", accepted_file, files)
    submitter.start()
    with_executing = 0
    for number in range(kills):
        waiting, executing = until_under_load(up, wants_executing=number % 2 == 0)
        up.kill()
        with_executing += executing > 0
        print(f"kill {number + 1}: {waiting} waiting, {executing} executing, {submitter.count} accepted", flush=True)
        up = Up(data, *options).until_ready()
    submitter.stopped.set()
    submitter.join()
    _, said = example.communicate(timeout=DEADLINE_S)
    until_quiet(up)
    accepted = accepted_file.read_text(encoding="ascii").split()
    lines, wrong = judge_lines(folders, sums)
    wrong += judge_final(up, accepted)
    up.stop()
    audit = odd(data, "audit")
    print(f"{kills} kills, {with_executing} of them with a job executing")
    print(f"submitter: {len(accepted)} accepted, {submitter.repeated} submits repeated")
    print(f"example: exit code {example.returncode}, {lines} lines; {said.strip()}")
    print(f"audit: exit code {audit.returncode}; {audit.stdout}{audit.stderr}")
    for line in wrong[:20]:
        print(line)
    return int(bool(wrong) or audit.returncode != 0 or example.returncode != 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("KILLS", "5")))
    parser.add_argument("folders", nargs="*", default=[str(Path(json.__file__).parents[1])], metavar="DIR")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return campaign(given.kills, given.folders, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
