"""
How much memory does the whole system take in one process, idle and after work?

    python -m benchmarks.memory

`odd-dashboard up` as a process of its own with the jobs that come with it. Proportional set size (PSS) as the kernel
counts it, which shares what several processes map among them; Linux only.
"""

import statistics
import tempfile
import time
from pathlib import Path

from tests.e2e.process import Up

ROUNDS = 3
REST_S = 10.0
JOBS = 10_000
BATCH = 1_000


def main() -> None:
    idle, worked = zip(*(one_round() for _ in range(ROUNDS)), strict=True)
    for name, values in (("idle", idle), (f"after {JOBS:,} jobs", worked)):
        print(f"  {name:<24} {statistics.median(values):>6.1f} MB PSS   ({min(values):.1f} to {max(values):.1f})")


def one_round() -> tuple[float, float]:
    """Megabytes after a rest, and after work and a rest."""
    with tempfile.TemporaryDirectory() as folder:
        up = Up(Path(folder) / "data").until_ready()
        try:
            time.sleep(REST_S)
            idle = pss_mb(up.process.pid)
            work(up)
            time.sleep(REST_S)
            return idle, pss_mb(up.process.pid)
        finally:
            up.kill()


def work(up: Up) -> None:
    """Have jobs done, until all of them are."""
    for _ in range(JOBS // BATCH):
        up.post("/jobs/batch", [{"type": "echo", "payload": {"text": "x" * 200}}] * BATCH).raise_for_status()
    while up.get("/stats")["completedJobs"] < JOBS:
        time.sleep(0.5)


def pss_mb(pid: int) -> float:
    """Of the process and its children."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    kilobytes = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return kilobytes * 1024 / 1e6 + sum(pss_mb(int(child)) for child in children)


if __name__ == "__main__":
    main()
