"""A disk that is full: before the start, and while the system runs."""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from tests.e2e.process import READY_S_MAX, Up, odd

KIB = 1024
FREE_PORTS = ("--gateway-port", "0", "--read-model-port", "0", "--web-port", "0")
_LIMIT_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def small_disk() -> Generator[Path]:
    """A file system of its own with 2 MiB. Not below pytest's folders, which nobody could clean after a kill."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None or not sys.platform.startswith("linux"):
        pytest.skip("only root can mount a small disk")
    disk = Path(tempfile.mkdtemp(prefix="small-disk-"))
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    if done.returncode:
        disk.rmdir()
        why = f"a small disk cannot be mounted here: {done.stderr.decode()}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)
    disk.rmdir()


def fill(disk: Path, *, left_bytes: int = 0) -> Path:
    """Take the space of *disk* away, but for *left_bytes*."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for _ in range((shutil.disk_usage(disk).free - left_bytes) // KIB):
            file.write(bytes(KIB))
    return filler


def end_of_the_start(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The one fault that `up --json` ended with."""
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "error" in json.loads(line)]
    assert "Traceback" not in done.stderr
    return json.loads(line)["error"]


@pytest.mark.parametrize("left_kib", [0, 8, 24, 64, 150])
def test_up_on_a_full_disk_ends_with_one_clear_line_and_its_cure(small_disk: Path, left_kib: int) -> None:
    fill(small_disk, left_bytes=left_kib * KIB)

    done = odd(small_disk / "data", "up", "--json", *FREE_PORTS)

    fault = end_of_the_start(done)
    assert fault["what"].startswith(f"no space is left for {small_disk}/data")
    assert fault["remedy"] == "free some space, or point ODD_DATA_DIR at another folder"


def test_up_starts_where_it_failed_once_there_is_space(small_disk: Path) -> None:
    filler = fill(small_disk, left_bytes=24 * KIB)
    assert odd(small_disk / "data", "up", "--json", *FREE_PORTS).returncode == 1

    filler.unlink()
    up = Up(small_disk / "data").until_ready()

    assert up.stop() == 0
    assert odd(up.data_dir, "audit").returncode == 0


@pytest.mark.parametrize("bytes_max", [0, 8 * KIB, 100 * KIB])
def test_up_under_a_limit_for_files_ends_with_one_clear_line_and_its_cure(tmp_path: Path, bytes_max: int) -> None:
    limited = [sys.executable, "-c", _LIMIT_FILES, str(bytes_max)]

    done = odd(tmp_path / "data", "up", "--json", *FREE_PORTS, before=limited)

    fault = end_of_the_start(done)
    assert fault["what"].startswith(f"{tmp_path}/data")
    assert "cannot be written" in fault["what"]
    assert "damaged" not in fault["what"]
    assert "ODD_DATA_DIR" in fault["remedy"]


# --- while it runs --------------------------------------------------------------------------------


def test_a_disk_that_becomes_full_costs_nothing_that_was_accepted(small_disk: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as talk:
        up = Up(small_disk / "data", log=talk).until_ready()

    survive(up, take=lambda: fill(small_disk), give_back=(small_disk / "filler").unlink)

    assert up.rest == ["stopping; press Ctrl-C again to stop at once"]
    logged = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert "loop failed" in {record["event"] for record in logged}


def test_a_limit_that_is_reached_costs_nothing_that_was_accepted(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()

    def limit_files(bytes_max: int) -> None:
        resource.prlimit(up.process.pid, resource.RLIMIT_FSIZE, (bytes_max, resource.RLIM_INFINITY))

    survive(up, take=lambda: limit_files(0), give_back=lambda: limit_files(resource.RLIM_INFINITY))


def survive(up: Up, *, take: Callable[[], object], give_back: Callable[[], object]) -> None:
    """The story of a disk that *take* fills and *give_back* empties."""
    try:
        tell_the_story(up, take, give_back)
        assert up.stop() == 0
    finally:
        if up.process.poll() is None:
            up.kill()
    assert odd(up.data_dir, "audit").returncode == 0


def tell_the_story(up: Up, take: Callable[[], object], give_back: Callable[[], object]) -> None:
    accepted = [submit(up, n).json()["id"] for n in range(5)]
    due_s = 2
    accepted.append(submit(up, 5, runAt=(datetime.now(UTC) + timedelta(seconds=due_s)).isoformat()).json()["id"])

    take()
    refused = until(lambda: submit(up, 6, text="x" * 100_000), lambda answer: answer.status_code != 201, accepted)

    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "store_unavailable"
    assert up.process.poll() is None
    assert up.get(f"/jobs/{accepted[0]}")["type"] == "echo"
    for service, down in (("gateway", "job_store"), ("read model", "job_store"), ("read model", "due_jobs")):
        until(lambda name=service: readiness(up, name), lambda answer, name=down: name in reasons(answer))
    # What is small may still find room for a moment, so a single look could meet a store that works.
    until(
        lambda: readiness(up, "gateway"),
        lambda answer: reasons(answer).get("job_store") in {"disk_full", "write_failed"},
    )

    give_back()
    until(lambda: submit(up, 7), lambda answer: answer.status_code == 201, accepted)
    for service in ("gateway", "read model"):
        until(lambda name=service: readiness(up, name), lambda answer: answer.status_code == 200)

    assert [up.until_final(job_id)["status"] for job_id in accepted] == ["COMPLETED"] * len(accepted)
    audit = odd(up.data_dir, "audit", "--json")
    assert (audit.returncode, json.loads(audit.stdout)["violations"]) == (0, [])


def submit(up: Up, n: int, text: str = "", **fields: str) -> httpx2.Response:
    return up.post("/jobs", {"type": "echo", "payload": {"n": n, "text": text}, **fields})


def readiness(up: Up, service: str) -> httpx2.Response:
    return httpx2.get(up.url(service) + "/readyz", timeout=10)


def reasons(answer: httpx2.Response) -> dict[str, str]:
    """Of everything that is down."""
    return {check["name"]: check["reason"] for check in answer.json()["checks"] if not check["isUp"]}


def until(
    ask: Callable[[], httpx2.Response], is_enough: Callable[[httpx2.Response], bool], accepted: list[str] | None = None
) -> httpx2.Response:
    """The first answer that is enough; ids of jobs accepted meanwhile go to *accepted*."""
    end_s = time.monotonic() + READY_S_MAX
    while True:
        answer = ask()
        if accepted is not None and answer.status_code == 201:
            accepted.append(answer.json()["id"])
        if is_enough(answer):
            return answer
        assert time.monotonic() < end_s, answer.text
