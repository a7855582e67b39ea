"""`demo` as a process: the story comes out as told, by the store's own word too, and nothing of it is left."""

import json
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from observatory.cli.demo.cleaning import QUEUES, SCHEDULE
from tests.e2e.process import PROGRAM, READY_S_MAX, ROOT, Up, environment, odd

APP = "observatory.builtin_jobs.demo:app"
IN_A_YEAR = f"{datetime.now(UTC) + timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the program makes its temporary folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def up(tmp_path: Path) -> Generator[Up]:
    up = Up(tmp_path / "data", "--app", APP).until_ready()
    yield up
    up.kill()


def demo(tmp_path: Path, temporary: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return odd(tmp_path / "nobody", "demo", *options, TMPDIR=str(temporary))


def lines_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, (done.stdout[-2_000:], done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def summary_of(lines: list[dict[str, Any]]) -> dict[str, Any]:
    [summary] = [line["summary"] for line in lines if "summary" in line]
    return summary


def rows(data_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(data_dir / "observatory.db")) as database:
        return database.execute(sql).fetchall()


def in_store(data_dir: Path) -> tuple[Counter[str], Counter[str]]:
    """Jobs of the demo by type: all, and those that failed."""
    counted = rows(data_dir, "SELECT type, status, count(*) FROM jobs WHERE type LIKE 'demo.%' GROUP BY 1, 2")
    accepted: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for job_type, status, count in counted:
        accepted[job_type] += count
        if status == "FAILED":
            failed[job_type] += count
        else:
            assert status == "COMPLETED"
    return accepted, failed


def test_it_comes_out_as_told_and_the_store_says_the_same(tmp_path: Path, temporary: Path) -> None:
    lines = lines_of(demo(tmp_path, temporary, "--quick", "--json", "--keep"))

    summary = summary_of(lines)
    [kept] = temporary.iterdir()
    assert (summary["asTold"], summary["differences"]) == (True, [])
    assert all(line["asTold"] for line in lines if "check" in line)
    assert in_store(kept) == (Counter(summary["accepted"]), Counter(summary["failed"]))
    assert summary["accepted"]["demo.square"] == 300
    outcomes = "SELECT json_extract(payload, '$.outcome') FROM events WHERE event_type = 'job.executed' AND job_id IN "
    film = rows(kept, f"{outcomes} (SELECT id FROM jobs WHERE type = 'demo.render') ORDER BY position")
    assert film == [("crashed",), ("succeeded",)]
    redriven = "SELECT repeated.status FROM jobs AS repeated JOIN jobs AS dead ON repeated.retry_of = dead.id"
    assert rows(kept, f"{redriven} WHERE dead.type = 'demo.invoice' AND dead.status = 'FAILED'") == [("COMPLETED",)]
    tags = "json_extract(metadata, '$.demo') IS NOT NULL, json_extract(metadata, '$.seed')"
    assert rows(kept, f"SELECT DISTINCT {tags} FROM jobs WHERE type LIKE 'demo.%'") == [(1, summary["seed"])]
    assert odd(kept, "audit").returncode == 0

    cleaned = demo(tmp_path, temporary, "--clean", "--json")

    assert lines_of(cleaned) == [{"removed": [str(kept)], "cancelled": None}]
    assert list(temporary.iterdir()) == []


def test_it_plays_twice_in_an_observatory_that_runs_and_leaves_it_as_it_was(
    up: Up, tmp_path: Path, temporary: Path
) -> None:
    options = ("--quick", "--data-dir", str(up.data_dir))
    in_a_pipe = demo(tmp_path, temporary, *options, "--seed", "11")
    again = lines_of(demo(tmp_path, temporary, *options, "--json"))

    assert (in_a_pipe.returncode, in_a_pipe.stderr) == (0, "")
    assert not {"\x1b", "\r"} & set(in_a_pipe.stdout)
    assert "all of it came out as told" in in_a_pipe.stdout.splitlines()[-1]
    accepted, failed = in_store(up.data_dir)
    once = Counter(summary_of(again)["accepted"])
    assert failed == {"demo.invoice": 2}
    for job_type in ("demo.square", "demo.invoice", "demo.render"):
        assert accepted[job_type] == 2 * once[job_type]
    assert up.get("/schedules")["items"] == []
    assert [one for one in up.get("/queues")["items"] if "pausedAt" in one or one["depth"]] == []
    assert (list(temporary.iterdir()), (tmp_path / "nobody").exists()) == ([], False)
    assert up.process.poll() is None


def test_what_a_killed_demo_leaves_in_an_observatory_that_runs_is_put_in_order(
    up: Up, tmp_path: Path, temporary: Path
) -> None:
    for queue in QUEUES:
        assert odd(up.data_dir, "queues", "pause", queue).returncode == 0
        assert up.post("/jobs", {"type": "demo.square", "payload": {"n": 1}, "queue": queue}).status_code == 201
    assert odd(up.data_dir, "schedules", "set", SCHEDULE, "demo.square", "n=1", "--every", "1d").returncode == 0
    mine = {"type": "demo.square", "payload": {"n": 2}, "queue": "mine", "runAt": IN_A_YEAR}
    job_id = up.post("/jobs", mine).json()["id"]

    [cleaned] = lines_of(demo(tmp_path, temporary, "--clean", "--json", "--data-dir", str(up.data_dir)))

    assert cleaned == {"removed": [], "cancelled": 2}
    assert [one["queue"] for one in up.get("/queues")["items"] if "pausedAt" in one or one["depth"]] == ["mine"]
    assert up.get("/schedules")["items"] == []
    assert up.get(f"/jobs/{job_id}")["status"] == "SCHEDULED"


def test_the_files_of_a_demo_are_put_away_when_it_was_killed_and_not_while_it_plays(
    up: Up, tmp_path: Path, temporary: Path
) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "demo", "--quick", "--json", "--data-dir", str(up.data_dir)],
        env=environment(tmp_path / "nobody") | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "says" in json.loads(process.stdout.readline())

    while_it_plays = lines_of(demo(tmp_path, temporary, "--clean", "--json"))
    process.kill()
    process.communicate()
    [left] = temporary.iterdir()
    afterwards = lines_of(demo(tmp_path, temporary, "--clean", "--json"))

    assert while_it_plays == [{"removed": [], "cancelled": None}]
    assert afterwards == [{"removed": [str(left)], "cancelled": None}]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("chapter", [2, 4])
def test_interrupted_it_leaves_nothing_running_and_no_folder(
    tmp_path: Path, temporary: Path, number: signal.Signals, chapter: int
) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "demo", "--quick", "--json"],
        cwd=ROOT,
        env=environment(tmp_path / "nobody") | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    until = f'"chapter":{chapter},' if chapter != 4 else "kill -9"
    while until not in process.stdout.readline():
        assert process.poll() is None
    children = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(number)
    _, said = process.communicate(timeout=READY_S_MAX)

    assert (process.returncode, said) == (128 + number, "")
    assert list(temporary.iterdir()) == []
    assert [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []


def test_a_folder_with_somebodys_data_is_left_alone(tmp_path: Path, temporary: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter").write_text("dear", encoding="utf-8")

    for options in (["--quick"], ["--clean"]):
        done = demo(tmp_path, temporary, *options, "--data-dir", str(mine))

        assert (done.returncode, done.stdout) == (2, "")
        assert "holds something that no demo made" in done.stderr
    assert [path.name for path in mine.iterdir()] == ["letter"]


def test_an_observatory_without_its_types_is_not_used(tmp_path: Path, temporary: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    try:
        done = demo(tmp_path, temporary, "--quick", "--data-dir", str(up.data_dir))
    finally:
        up.kill()

    assert (done.returncode, done.stdout) == (2, "")
    assert "does not know the job types of the demo" in done.stderr


def test_a_price_list_that_nobody_mends_is_told_as_a_difference(tmp_path: Path, temporary: Path) -> None:
    code = (
        "import sys\n"
        "from observatory.cli.demo.inputs import Inputs\n"
        "Inputs.mend_prices = lambda self: 1\n"
        "from observatory.cli.app import main\n"
        "sys.exit(main(['demo', '--quick', '--json']))\n"
    )
    done = subprocess.run(
        [PROGRAM[0], "-c", code],
        env=environment(tmp_path / "nobody") | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    summary = summary_of([json.loads(line) for line in done.stdout.splitlines()])
    assert (summary["asTold"], "ended as" in summary["differences"]) == (False, True)
    assert list(temporary.iterdir()) == []
