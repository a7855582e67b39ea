"""
`make chaos`: kill -9 of the whole process under load, then prove that nothing was lost.

A submitter outside the process writes every 201 to a file of its own, fsynced before the next submit.
The process is killed with at least `WAITING_MIN` jobs waiting, in at least half of the kills with one
executing, and started again. At the end each id in the file must be in exactly one final status, and
the audit must be clean. Ends with 1 when it is not.
"""

import argparse
import json
import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx2

from observatory.core.job import FINAL
from tests.e2e.process import Up, odd

WAITING_MIN = 100
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
    end_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < end_s:
        waiting, executing = depth(up)
        if waiting >= WAITING_MIN and (executing or not wants_executing):
            return waiting, executing
    raise SystemExit("the load did not build up")


def judge(up: Up, accepted: list[str]) -> list[str]:
    """What is wrong, in words."""
    wrong: list[str] = []
    for job_id in accepted:
        events = up.get(f"/jobs/{job_id}/events?limit=500")["items"]
        finals = [event for event in events if event["payload"]["status"] in FINAL]
        if len(finals) != 1:
            wrong.append(f"{job_id} has {len(finals)} final events")
    return wrong


def campaign(kills: int, folder: Path) -> int:
    data, accepted_file = folder / "data", folder / "accepted.txt"
    gateway_port, read_model_port = free_port(), free_port()
    options = ["--slots", "1", "--gateway-port", str(gateway_port), "--read-model-port", str(read_model_port)]
    files = sorted(path for path in Path(json.__file__).parents[1].glob("*.py"))[:200]
    up = Up(data, *options).until_ready()
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
    began_s = time.monotonic()
    while sum(depth(up)) and time.monotonic() - began_s < DEADLINE_S:
        time.sleep(0.2)
    while up.get("/jobs?status=RETRYING&limit=1")["items"] and time.monotonic() - began_s < DEADLINE_S:
        time.sleep(0.2)
    accepted = accepted_file.read_text(encoding="ascii").split()
    wrong = judge(up, accepted)
    up.stop()
    audit = odd(data, "audit")
    print(f"{len(accepted)} accepted ({submitter.repeated} submits repeated), {kills} kills, {with_executing} of them")
    print(f"with a job executing; drained in {time.monotonic() - began_s:.1f} s; audit: {audit.stdout}{audit.stderr}")
    for line in wrong:
        print(line)
    return int(bool(wrong) or audit.returncode != 0 or len(set(accepted)) != len(accepted))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("KILLS", "5")))
    with tempfile.TemporaryDirectory() as folder:
        return campaign(parser.parse_args().kills, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
