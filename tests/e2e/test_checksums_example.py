"""The example as a person runs it, against `sha256sum`."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from examples.checksums.run import ChecksumRun, Progress
from observatory.client.address import find_address
from observatory.client.api import Api
from observatory.runtime.sources import SystemClock
from tests.e2e.process import ROOT, Up, environment


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Up]:
    up = Up(tmp_path_factory.mktemp("data")).until_ready()
    yield up
    up.kill()


def checksums(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.checksums", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(data_dir), capture_output=True, text=True, timeout=60, check=False
    )


def sha256sum(*names: str) -> bytes:
    return subprocess.run(["sha256sum", "--", *names], capture_output=True, check=True).stdout


def test_every_line_is_what_sha256sum_says_whatever_the_names(running: Up, tmp_path: Path) -> None:
    first, second, out = tmp_path / "a", tmp_path / "b", tmp_path / "sums"
    names = ["plain", "with space", "new\nline", "back\\slash", "return\rcarriage", "-n", "ü", "\x1b[31m"]
    for folder in (first, second / "deep" / "er"):
        folder.mkdir(parents=True)
        for number, name in enumerate(names):
            (folder / name).write_bytes(b"x" * number * 1000)
    (first / "link").symlink_to("plain")

    done = checksums(running.data_dir, str(first), str(second), "--out", str(out))

    assert done.returncode == 0
    paths = sorted((str(path) for folder in (first, second) for path in folder.rglob("*")), key=os.fsencode)
    assert out.read_bytes() == sha256sum(
        *(path for path in paths if Path(path).is_file() and not Path(path).is_symlink())
    )
    assert "16 of 16 files" in done.stderr


def test_an_empty_folder_gives_an_empty_file(running: Up, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    done = checksums(running.data_dir, str(tmp_path / "empty"), "--out", str(tmp_path / "sums"))

    assert (done.returncode, (tmp_path / "sums").read_bytes()) == (0, b"")


def test_a_repetition_of_a_run_sums_nothing_twice(running: Up, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    before = running.get("/stats")["totalJobs"]

    for _ in range(2):
        assert (
            checksums(running.data_dir, str(tmp_path), "--run", "r", "--out", str(tmp_path.parent / "sums")).returncode
            == 0
        )

    page = running.get("/jobs?type=checksum&limit=500")["items"]
    assert len([job for job in page if job["payload"]["path"] == str(tmp_path / "file")]) == 1
    assert before <= running.get("/stats")["totalJobs"] <= before + 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_is_no_regular_file_is_written_to_and_stays_what_it_is(running: Up, tmp_path: Path) -> None:
    folder, real, link = tmp_path / "a", tmp_path / "real", tmp_path / "link"
    folder.mkdir()
    (folder / "file").write_bytes(b"x")
    link.symlink_to(real)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE)

    into_link = checksums(running.data_dir, str(folder), "--out", str(link))
    into_fifo = checksums(running.data_dir, str(folder), "--out", str(fifo))

    expected = sha256sum(str(folder / "file"))
    assert (into_link.returncode, into_fifo.returncode) == (0, 0)
    assert link.is_symlink()
    assert fifo.is_fifo()
    assert (real.read_bytes(), reader.communicate(timeout=10)[0]) == (expected, expected)


@pytest.mark.parametrize(
    ("folder", "out", "says"),
    [
        ("missing", "sums", "No such file or directory"),
        (".", "missing/sums", "No such file or directory"),
        (".", ".", "Is a directory"),
    ],
)
def test_what_cannot_work_is_said_at_once(running: Up, tmp_path: Path, folder: str, out: str, says: str) -> None:
    done = checksums(running.data_dir, str(tmp_path / folder), "--out", str(tmp_path / out))

    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_job_whose_row_is_damaged_is_a_failure_and_not_waited_for(running: Up, tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("bad", "good")]
    for name in names:
        Path(name).write_bytes(b"x")

    def damage(progress: Progress) -> None:
        if progress.accepted == len(names) and not progress.done + progress.failed:
            with contextlib.closing(
                sqlite3.connect(running.data_dir / "observatory.db", isolation_level=None)
            ) as database:
                database.execute("UPDATE jobs SET metadata = '{' WHERE payload LIKE ?", (f"%{names[0]}%",))

    with Api(find_address(data_dir=running.data_dir, environ={}), clock=SystemClock()) as api:
        run = ChecksumRun(api, name="damaged", clock=SystemClock(), pause=time.sleep, show=damage)
        outcome = run.of_files(names)

    assert outcome.failures == {names[0]: "its row cannot be read"}
    assert list(outcome.digests) == [names[1]]


def test_without_a_service_it_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")

    done = checksums(
        tmp_path / "nobody", str(tmp_path), "--out", str(tmp_path / "sums"), "--run", "a b",
        "--gateway", "http://127.0.0.1:9", "--give-up-after", "0.1",
    )  # fmt: skip

    assert done.returncode == 1
    assert "--run 'a b'" in done.stderr
    assert not (tmp_path / "sums").exists()
