"""`backup`, `restore` and `rebuild` as a person uses them: beside a running system, on full disks, and killed."""

import contextlib
import json
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.e2e.process import PROGRAM, ROOT, Up, environment, odd
from tests.e2e.test_faults_of_the_disk import KIB, fill, small_disk

__all__ = ["small_disk"]


@contextlib.contextmanager
def submitting(up: Up) -> Generator[None]:
    """Jobs come in and are finished all the while."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            jobs = [{"type": "checksum", "payload": {"path": "README.md"}} for _ in range(20)]
            up.post("/jobs/batch", jobs)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_what_was_backed_up_while_it_ran_is_brought_back_elsewhere_and_goes_on(tmp_path: Path) -> None:
    source, backup, target = tmp_path / "source", tmp_path / "backup", tmp_path / "target"
    up = Up(source).until_ready()
    with submitting(up):
        time.sleep(0.5)  # some history, not a wait for anything
        made = odd(source, "backup", str(backup), "--json")
        compact = odd(source, "backup", str(tmp_path / "compact"), "--compact", "--json")

    restored = odd(source, "restore", str(backup), "--data-dir", str(target), "--json")
    audit = odd(target, "audit", "--json")
    compared = odd(target, "rebuild", "--check")

    assert (made.returncode, made.stderr) == (0, "")
    assert (compact.returncode, restored.returncode, audit.returncode, compared.returncode) == (0, 0, 0, 0)
    manifest = json.loads(made.stdout)
    assert manifest["jobs"] > 1
    assert json.loads(restored.stdout)["audit"]["checked"]["jobs"] == manifest["jobs"]
    again = Up(target).until_ready()
    for job in again.get("/jobs?limit=100")["items"]:
        assert again.until_final(job["id"])["status"] == "COMPLETED"
    assert again.stop() == up.stop() == 0
    assert odd(target, "audit").returncode == 0


def test_a_folder_in_use_is_not_restored_into(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    assert odd(tmp_path / "data", "backup", str(tmp_path / "backup")).returncode == 0

    done = odd(tmp_path / "data", "restore", str(tmp_path / "backup"), "--force")

    assert done.returncode == 1
    assert "is held by another process" in done.stderr
    assert up.stop() == 0


def test_counters_are_made_anew_while_the_system_runs(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    first = up.get("/jobs/recent")[0]["id"]
    up.until_final(first)
    up.post("/jobs/batch", [{"type": "checksum", "payload": {"path": "README.md"}} for _ in range(50)])
    for job in up.get("/jobs?limit=100")["items"]:
        up.until_final(job["id"])
    head = up.get("/stats")["position"] + up.get("/stats")["lag"]
    while up.get("/stats")["position"] < head:
        pass
    before = json.loads(odd(tmp_path / "data", "rebuild", "--check", "--json").stdout)
    connection = sqlite3.connect(tmp_path / "data" / "observatory.db")
    with connection:
        connection.execute("UPDATE views SET document = replace(document, '\"events\":', '\"events\":7')")
    connection.close()
    damaged = odd(tmp_path / "data", "rebuild", "--check")

    done = odd(tmp_path / "data", "rebuild", "--json")

    assert damaged.returncode == 1
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["digest"] == before["digest"]
    assert up.get("/stats")["state"] == "live"
    assert odd(tmp_path / "data", "rebuild", "--check").returncode == 0
    assert up.stop() == 0
    assert json.loads(odd(tmp_path / "data", "rebuild", "--json").stdout)["digest"] == before["digest"]


def test_a_backup_onto_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, small_disk: Path) -> None:
    data = tmp_path / "data"
    Up(data).until_ready().stop()
    fill(small_disk, left_bytes=16 * KIB)

    for options in ([], ["--compact"]):
        done = odd(data, "backup", str(small_disk / "backup"), *options)
        assert done.returncode == 1
        assert "no space is left" in done.stderr
        assert "Traceback" not in done.stderr

    assert [path.name for path in small_disk.iterdir()] == ["filler"]


@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_backup_that_is_ended_leaves_nothing_and_says_so(
    tmp_path: Path, number: signal.Signals, name: str, options: list[str]
) -> None:
    data, target = tmp_path / "data", tmp_path / "backups"
    up = Up(data).until_ready()
    for _ in range(6):
        up.post("/jobs/batch", [{"type": "nobody", "payload": {"text": "x" * 8_000}} for _ in range(900)])
    up.stop()
    target.mkdir()
    process = subprocess.Popen(
        [*PROGRAM, "backup", str(target / "backup"), *options], cwd=ROOT, env=environment(data),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not any(target.iterdir()):
        time.sleep(0.001)

    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (128 + number, "")
    assert err.count("\n") == 1
    assert f"ended by {name}: no backup was made" in err
    assert list(target.iterdir()) == []


def test_what_a_killed_backup_left_is_named_by_the_next_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Up(data).until_ready().stop()
    dead = subprocess.Popen([*PROGRAM, "--version"], stdout=subprocess.DEVNULL)
    dead.wait()
    remains = tmp_path / f"backup.partial-{dead.pid}"
    remains.mkdir()

    done = odd(data, "backup", str(tmp_path / "backup"))

    assert done.returncode == 0
    assert f"a backup that was killed left {remains}: remove it" in done.stderr
    assert remains.is_dir()


def test_a_restore_onto_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path: Path, small_disk: Path) -> None:
    data = tmp_path / "data"
    Up(data).until_ready().stop()
    assert odd(data, "backup", str(tmp_path / "backup")).returncode == 0
    fill(small_disk, left_bytes=16 * KIB)

    done = odd(data, "restore", str(tmp_path / "backup"), "--data-dir", str(small_disk), "--force")

    assert done.returncode == 1
    assert "no space is left" in done.stderr
    assert sorted(path.name for path in small_disk.iterdir()) == ["filler", "lock"]


@pytest.mark.parametrize("after_s", [0.25, 0.35, 0.45, 0.6])
def test_a_restore_that_is_killed_leaves_the_old_or_the_new(tmp_path: Path, after_s: float) -> None:
    data = tmp_path / "data"
    up = Up(data).until_ready()
    up.post("/jobs/batch", [{"type": "nobody", "payload": {"text": "x" * 8_000}} for _ in range(900)])
    assert odd(data, "backup", str(tmp_path / "backup")).returncode == 0
    up.post("/jobs", {"type": "nobody"})
    up.stop()

    restore = subprocess.Popen(
        [*PROGRAM, "restore", str(tmp_path / "backup"), "--force"], cwd=ROOT, env=environment(data),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(after_s)
    restore.kill()
    restore.wait()

    if (data / "observatory.db").exists():
        audit = odd(data, "audit", "--json")
        assert audit.returncode == 0, audit.stdout + audit.stderr
        assert json.loads(audit.stdout)["checked"]["jobs"] in (901, 902)
    assert odd(data, "restore", str(tmp_path / "backup"), "--force").returncode == 0
