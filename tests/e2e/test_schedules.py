"""A schedule in a running system: every tick once, also when the process is killed between two."""

import json
import time
from itertools import pairwise
from pathlib import Path

from tests.e2e.process import Up, odd

WAIT_S_MAX = 30.0


def ticks_of(up: Up, name: str) -> list[dict]:
    """Oldest first."""
    return up.get(f"/schedules/{name}/ticks?limit=500")["items"][::-1]


def until_fired(up: Up, name: str, count: int) -> list[dict]:
    """The ticks once *count* of them made a job."""
    until_s = time.monotonic() + WAIT_S_MAX
    while True:
        found = ticks_of(up, name)
        if sum("jobId" in tick for tick in found) >= count:
            return found
        assert time.monotonic() < until_s, f"only {found} in {WAIT_S_MAX} s"
        time.sleep(0.05)


def test_a_schedule_of_every_second_fires_each_tick_once_across_a_kill_9(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    try:
        done = odd(up.data_dir, "schedules", "set", "beat", "echo", "n=1", "--every", "1s", "--missed", "all")
        assert done.returncode == 0, done.stderr
        before = until_fired(up, "beat", 3)
        up.kill()

        up = Up(tmp_path / "data").until_ready()
        after = until_fired(up, "beat", len(before) + 3)
        shown = json.loads(odd(up.data_dir, "schedules", "show", "beat", "--json").stdout)["schedule"]
        assert odd(up.data_dir, "schedules", "delete", "beat").returncode == 0
        job = up.until_final(after[-1]["jobId"])
        assert up.stop() == 0
    finally:
        if up.process.poll() is None:
            up.kill()

    assert after[: len(before)] == before
    jobs = [tick["jobId"] for tick in after if "jobId" in tick]
    assert len(set(jobs)) == len(jobs)
    for earlier, later in pairwise(after):  # no tick is missing and none has two fates
        assert seconds(later["tickAt"]) - seconds(earlier.get("lastTickAt", earlier["tickAt"])) == 1
    assert sum(shown["counts"].values()) >= len(after)
    assert (job["status"], job["result"], job["metadata"]["schedule"]) == ("COMPLETED", {"n": 1}, "beat")
    audit = odd(up.data_dir, "audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def seconds(instant: str) -> int:
    hours, minutes, rest = instant[11:19].split(":")
    return int(hours) * 3_600 + int(minutes) * 60 + int(rest)
