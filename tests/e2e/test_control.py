"""An operator's day: a queue is paused over a crash, jobs are cancelled and redriven, and the audit is clean."""

import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import READY_S_MAX, Up, odd


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def up(data_dir: Path) -> Generator[Up]:
    up = Up(data_dir).until_ready()
    yield up
    up.kill()


def submit(up: Up, **fields: Any) -> str:
    answer = up.post("/jobs", {"type": "echo"} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def said(data_dir: Path, *arguments: str) -> Any:
    done = odd(data_dir, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def running_in(up: Up, queue: str) -> int:
    return next((one["running"] for one in up.get("/queues")["items"] if one["queue"] == queue), 0)


def test_a_pause_outlives_a_kill_and_nothing_of_the_queue_runs_until_it_is_resumed(data_dir: Path) -> None:
    first = Up(data_dir).until_ready()
    said(data_dir, "queues", "pause", "mail", "--reason", "the server is down")
    waiting = submit(first, queue="mail")
    assert first.until_final(submit(first))["status"] == "COMPLETED"
    first.kill()

    again = Up(data_dir).until_ready()
    try:
        assert again.until_final(submit(again))["status"] == "COMPLETED"
        assert again.get(f"/jobs/{waiting}")["status"] == "PENDING"
        [shown] = [one for one in again.get("/queues")["items"] if one["queue"] == "mail"]
        assert (shown["pauseReason"], shown["depth"]) == ("the server is down", 1)
        said(data_dir, "queues", "resume", "mail")
        assert again.until_final(waiting)["status"] == "COMPLETED"
    finally:
        again.kill()
    assert odd(data_dir, "audit").returncode == 0


def test_a_limited_queue_runs_one_after_the_other_and_is_done_in_the_end(up: Up, data_dir: Path) -> None:
    said(data_dir, "queues", "limit", "slow", "1")

    ids = [submit(up, type="sleep", payload={"seconds": 0.4}, queue="slow") for _ in range(4)]

    highest, ends_s = 0, time.monotonic() + READY_S_MAX
    while any(up.get(f"/jobs/{job_id}")["status"] != "COMPLETED" for job_id in ids):
        highest = max(highest, running_in(up, "slow"))
        assert time.monotonic() < ends_s
    assert highest == 1


def test_what_failed_is_redriven_and_what_waits_is_cancelled_and_the_audit_is_clean(up: Up, data_dir: Path) -> None:
    dead = [submit(up, type="fail", payload={"message": "no"}, maxAttempts=1, queue="bad") for _ in range(3)]
    for job_id in dead:
        assert up.until_final(job_id)["status"] == "FAILED"
    said(data_dir, "queues", "pause", "bad")

    one = said(data_dir, "dead-letters", "redrive", dead[0])
    rest = said(data_dir, "dead-letters", "redrive", "--queue", "bad", "--yes")
    cancelled = said(data_dir, "cancel", "--queue", "bad", "--yes")

    assert one["retryOf"] == dead[0]
    assert (rest["retried"], cancelled["cancelled"]) == (2, 3)
    assert said(data_dir, "dead-letters", "--queue", "bad")["items"] == []
    assert up.get(f"/jobs/{one['id']}")["status"] == "CANCELLED"
    while up.get("/stats")["lag"]:
        pass
    assert odd(data_dir, "audit").returncode == 0
