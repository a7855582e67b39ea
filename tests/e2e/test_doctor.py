"""`doctor` beside a running observatory, beside one that stands still, and after one that was killed."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from observatory import contracts
from tests.e2e.process import Up, odd


def examined(up: Up) -> tuple[int, dict[str, dict[str, Any]]]:
    # What the settings say of ports does not matter while it runs: it listens on free ones.
    free = {"ODD_GATEWAY_PORT": "0", "ODD_READ_MODEL_PORT": "0", "ODD_WEB_PORT": "0"}
    done = odd(up.data_dir, "doctor", "--json", **free)
    report = json.loads(done.stdout)
    assert contracts.validate("doctor-report", report, known_values_only=True) == []
    return done.returncode, {check["name"]: check for group in report["groups"] for check in group["checks"]}


def state_of(data_dir: Path) -> dict[str, int]:
    names = {path.name: path.stat().st_mtime_ns for path in data_dir.iterdir() if not path.name.endswith("-shm")}
    return names | {".": data_dir.stat().st_mtime_ns}


def bytes_of(data_dir: Path) -> dict[str, bytes]:
    """Of every file but SQLite's shared memory, in which readers note what they read."""
    return {path.name: b"" if path.name.endswith("-shm") else path.read_bytes() for path in data_dir.iterdir()}


def test_beside_a_running_observatory_it_only_reads_and_knows_its_addresses(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    first_job = up.get("/jobs")["items"][0]["id"]
    up.until_final(first_job)
    before = state_of(up.data_dir)

    code, checks = examined(up)

    pid = up.process.pid
    assert code == 0
    assert checks["owner"]["detail"].startswith(f"process {pid} since ")
    for name, service in (("gateway", "gateway"), ("read_model", "read model"), ("web", "dashboard")):
        assert checks[name]["detail"] == f"ours: process {pid} answers at {up.url(service)}"
    assert checks["wal"]["detail"] == f"in use by process {pid}"
    assert checks["fsync"]["level"] == "skip"
    assert checks["permissions"]["level"] == "ok"
    assert checks["schema"]["detail"].endswith("the one of this release")
    after = state_of(up.data_dir)
    assert after["."] == before["."]
    assert set(after) == set(before)
    assert up.stop() == 0


def test_an_observatory_that_stands_still_is_a_failure_that_names_it(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    up.process.send_signal(signal.SIGSTOP)
    try:
        code, checks = examined(up)
    finally:
        up.process.send_signal(signal.SIGCONT)

    assert code == 1
    assert checks["owner"]["level"] == "fail"
    assert f"process {up.process.pid} has the folder and does not answer" in checks["owner"]["detail"]
    assert checks["wal"]["detail"] == f"in use by process {up.process.pid}"
    assert up.stop() == 0


@pytest.mark.parametrize("is_killed", [True, False])
def test_after_its_end_the_folder_is_free_again(tmp_path: Path, is_killed: bool) -> None:
    up = Up(tmp_path / "data").until_ready()
    if is_killed:
        up.kill()
    else:
        up.stop()
    before = bytes_of(up.data_dir)

    code, checks = examined(up)

    assert code == 0
    said = f"nobody; process {up.process.pid} ended without a word" if is_killed else "nobody; the next start takes it"
    assert checks["owner"]["detail"].startswith(said)
    assert checks["wal"]["detail"] == f"works in {up.data_dir}"
    assert checks["schema"]["detail"].endswith("the one of this release")
    assert bytes_of(up.data_dir) == before
