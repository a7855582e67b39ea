"""One command, as a stranger uses it: start, first job, second start, Ctrl-C, kill -9, and what cannot start."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

from observatory import contracts
from tests.e2e.process import READY_S_MAX, ROOT, Up, environment, odd

FREE_PORTS = ("--gateway-port", "0", "--read-model-port", "0", "--web-port", "0")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Up]:
    up = Up(tmp_path_factory.mktemp("data")).until_ready()
    yield up
    up.kill()


def first_job(up: Up) -> str:
    line = next(step["text"] for step in up.steps if step["text"].startswith("first job"))
    return re.search(r"[0-9a-f-]{36}", line)[0]  # pyright: ignore[reportOptionalSubscript] — the line has it


def test_the_first_job_is_the_checksum_of_the_readme_and_completes(running: Up) -> None:
    job = running.until_final(first_job(running))

    assert job["status"] == "COMPLETED"
    assert job["result"]["size"] == (ROOT / "README.md").stat().st_size


def test_a_second_start_on_the_same_data_says_where_it_runs_and_ends_well(running: Up) -> None:
    again = odd(running.data_dir, "up")

    assert again.returncode == 0
    assert running.url("gateway") in again.stdout + again.stderr


def test_submit_wait_prints_the_result_on_standard_output(running: Up) -> None:
    done = odd(running.data_dir, "submit", "echo", "n=1", "--wait")

    assert done.returncode == 0
    assert json.loads(done.stdout) == {"n": 1}


def test_submit_wait_ends_with_5_when_the_job_failed(running: Up) -> None:
    done = odd(running.data_dir, "submit", "fail", "message=no", "--max-attempts", "1", "--wait")

    assert done.returncode == 5
    assert "no" in done.stderr


def test_the_proof_paths_hold_as_deltas(running: Up) -> None:
    def accepted() -> float:
        text = httpx2.get(running.url("gateway") + "/metrics").text
        return float(re.search(r"^odd_jobs_accepted_total (\S+)$", text, re.MULTILINE)[1])  # pyright: ignore[reportOptionalSubscript]

    def counted() -> dict[str, int]:
        while (stats := running.get("/stats"))["lag"]:
            pass
        return stats

    before, stats = accepted(), counted()

    answers = [running.post("/jobs", {"type": "echo", "payload": {"n": n}}) for n in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    jobs = [running.until_final(answer.json()["id"]) for answer in answers]
    for answer, job in zip(answers, jobs, strict=True):
        assert contracts.validate("job", answer.json(), known_values_only=True) == []
        assert contracts.validate("job", job, known_values_only=True) == []
        assert job["status"] == "COMPLETED"
        events = running.get(f"/jobs/{job['id']}/events")["items"]
        assert [event["jobId"] for event in events] == [job["id"]] * 4
        assert [contracts.validate("event-envelope", event, known_values_only=True) for event in events] == [[]] * 4
    assert accepted() - before == 3
    assert counted()["completedJobs"] - stats["completedJobs"] == 3


def test_one_key_from_64_callers_at_once_is_one_job(running: Up) -> None:
    body = {"type": "echo", "payload": {"same": True}, "idempotencyKey": "only-one"}
    with ThreadPoolExecutor(64) as callers:
        answers = list(callers.map(lambda _: running.post("/jobs", body), range(64)))

    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted({answer.status_code for answer in answers}) == [200, 201]
    assert [answer.status_code for answer in answers].count(201) == 1
    assert running.post("/jobs", {**body, "payload": {"same": False}}).status_code == 409


def test_ctrl_c_ends_in_order_and_nothing_is_wrong_afterwards(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    accepted = up.post("/jobs", {"type": "sleep", "payload": {"seconds": 60}}).json()

    code = up.stop()

    assert code == 0
    audit = odd(up.data_dir, "audit", "--json")
    assert (audit.returncode, json.loads(audit.stdout)["violations"]) == (0, [])
    again = Up(up.data_dir).until_ready()
    assert again.get(f"/jobs/{accepted['id']}")["attempt"] <= 1
    again.kill()


def test_whatever_handlers_do_the_jobs_beside_them_complete_in_bounded_memory(tmp_path: Path) -> None:
    up = Up(tmp_path / "data", "--app", "tests.handlers:app").until_ready()
    up.until_final(up.post("/jobs", {"type": "quick.process"}).json()["id"])
    process = psutil.Process(up.process.pid)
    before, grown = process.memory_info().rss, 0
    jobs = [{"type": "quick", "payload": {"n": n}} for n in range(20)]
    for isolation in ("async", "thread", "process"):
        suffix = "" if isolation == "async" else f".{isolation}"
        jobs += [
            {"type": f"raise{suffix}", "payload": {"kind": "Ending"}, "maxAttempts": 1},
            {"type": f"recurse{suffix}", "maxAttempts": 1},
            {"type": f"flood.{isolation}", "payload": {"mib": 256}},
            {"type": f"count.{isolation}", "payload": {"count": 50_000}},
        ]
    jobs += [{"type": f"give{suffix}", "payload": {"what": "endless"}, "maxAttempts": 1} for suffix in ("", ".process")]

    items = up.post("/jobs/batch", jobs).json()["items"]
    ended = []
    for item in items:
        ended.append(up.until_final(item["job"]["id"]))
        grown = max(grown, process.memory_info().rss - before)

    told = {job["type"]: job["error"]["type"] if "error" in job else job["status"] for job in ended}
    failed = {"raise": "Ending", "recurse": "RecursionError", "give": "ResultNotJson"}
    assert told == {job["type"]: failed.get(job["type"].partition(".")[0], "COMPLETED") for job in jobs}
    assert grown < 128 * 1024 * 1024
    assert up.stop() == 0
    assert odd(up.data_dir, "audit").returncode == 0


def test_a_stop_lets_an_attempt_end_that_needs_no_more_than_its_time(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    job_id = up.post("/jobs", {"type": "sleep", "payload": {"seconds": 1}}).json()["id"]
    until_all_run(up, [job_id])

    code = up.stop(signal.SIGTERM)

    with contextlib.closing(sqlite3.connect(up.data_dir / "observatory.db")) as database:
        ended = database.execute("SELECT status, attempt FROM jobs WHERE id = ?", (job_id,)).fetchone()
    assert (code, ended) == (0, ("COMPLETED", 1))


def test_a_stop_gives_back_what_does_not_end_and_costs_no_attempt(tmp_path: Path) -> None:
    up = Up(tmp_path / "data", "--app", "tests.handlers:app", "--slots", "4").until_ready()
    types = ("forever.process", "forever.thread", "forever.deaf", "wait")
    accepted = [up.post("/jobs", {"type": job_type, "payload": {}}).json()["id"] for job_type in types]
    until_all_run(up, accepted)
    half_sent = socket.create_connection(("127.0.0.1", int(up.url("gateway").rpartition(":")[2])))
    half_sent.sendall(b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")

    with half_sent:
        code = up.stop()

    assert code == 0
    again = Up(up.data_dir, "--slots", "1").until_ready()  # knows none of these types
    jobs = [again.get(f"/jobs/{job_id}") for job_id in accepted]
    assert [(job["status"], job["attempt"]) for job in jobs] == [("PENDING", 0)] * 4
    assert all("error" not in job for job in jobs)
    again.kill()


def test_a_handler_that_blocks_the_loop_cannot_prevent_the_stop(tmp_path: Path) -> None:
    up = Up(tmp_path / "data", "--app", "tests.handlers:app").until_ready()
    with contextlib.suppress(httpx2.ReadTimeout):  # the loop may be blocked before it answers
        up.post("/jobs", {"type": "block.loop", "payload": {}, "maxAttempts": 1}, Idempotency_Key="blocker")
    until_blocked(up)

    code = up.stop()

    assert code == 1
    assert up.rest == ["stopped late: what still ran was not given back and counts as an attempt"]
    again = Up(up.data_dir).until_ready()
    (job,) = again.get("/jobs?type=block.loop")["items"]
    job = again.until_final(job["id"])
    assert (job["status"], job["attempt"], job["error"]["type"]) == ("FAILED", 1, "LeaseLost")
    again.kill()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_copy_that_a_handler_forked_holds_neither_the_data_nor_the_ports(tmp_path: Path) -> None:
    ports = ("--gateway-port", str(free_port()), "--read-model-port", str(free_port()))
    up = Up(tmp_path / "data", "--app", "tests.handlers:app", *ports).until_ready()
    pid_file = tmp_path / "pid"
    forked = up.post("/jobs", {"type": "fork.thread", "payload": {"pid_file": str(pid_file)}}).json()
    up.until_final(forked["id"])
    copy = int(pid_file.read_text(encoding="ascii"))
    try:
        up.process.kill()
        up.process.wait()

        again = Up(up.data_dir, *ports).until_ready()

        assert again.get(f"/jobs/{forked['id']}")["status"] == "COMPLETED"
        again.kill()
    finally:
        os.kill(copy, signal.SIGTERM)  # which a copy obeys, so that nobody holds our pipe any more
        up.kill()


def test_a_second_start_believes_no_address_that_does_not_answer(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    running = (up.data_dir / "running.json").read_text(encoding="utf-8")
    up.kill()
    with (up.data_dir / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        done = odd(up.data_dir, "up")

    assert done.returncode == 1
    assert "is held by another process" in done.stderr
    assert "already running" not in done.stdout + done.stderr
    assert (up.data_dir / "running.json").read_text(encoding="utf-8") == running


def test_a_second_start_over_another_database_fails_and_names_both(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()

    done = odd(up.data_dir, "up", POSTGRES_URL="postgresql://ann:secret@127.0.0.1:1/jobs")

    assert done.returncode == 1
    assert "another database: embedded; this start asks for postgresql://ann:***@127.0.0.1:1/jobs" in done.stderr
    assert "already running" not in done.stdout + done.stderr
    up.kill()


def until_blocked(up: Up) -> None:
    for _ in range(100):
        try:
            httpx2.get(up.url("read model") + "/healthz", timeout=0.5)
        except httpx2.ReadTimeout:
            return
    raise AssertionError("the loop still answers")


def until_all_run(up: Up, job_ids: list[str]) -> None:
    end_s = time.monotonic() + READY_S_MAX
    while {up.get(f"/jobs/{job_id}")["status"] for job_id in job_ids} != {"EXECUTING"}:
        assert time.monotonic() < end_s, "not all of them began"


def test_what_was_accepted_survives_kill_9_and_is_finished_afterwards(tmp_path: Path) -> None:
    up = Up(tmp_path / "data", "--slots", "2").until_ready()
    slow = up.post("/jobs", {"type": "sleep", "payload": {"seconds": 0.5}}).json()["id"]
    accepted = [up.post("/jobs", {"type": "echo", "payload": {"n": n}}).json()["id"] for n in range(50)]

    up.kill()
    again = Up(up.data_dir).until_ready()

    assert [again.until_final(job_id)["status"] for job_id in (slow, accepted[0], accepted[-1])] == ["COMPLETED"] * 3
    page = again.get("/jobs?limit=500")
    assert {slow, *accepted} <= {job["id"] for job in page["items"]}
    again.stop()
    assert odd(up.data_dir, "audit").returncode == 0


# --- what cannot start ----------------------------------------------------------------------------


def test_a_taken_port_is_one_clear_line_with_its_cure(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = odd(tmp_path / "data", "up", "--gateway-port", port, "--read-model-port", "0", "--web-port", "0")

    assert done.returncode != 0
    assert f"port {port}" in done.stderr
    assert "ODD_GATEWAY_PORT=0" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_of_a_later_release_is_refused_untouched(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    connection = sqlite3.connect(folder / "observatory.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    before = (folder / "observatory.db").read_bytes()

    done = odd(folder, "up")

    assert done.returncode != 0
    assert "999" in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "observatory.db").read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "observatory.db").write_text("this is no database, and long enough to be looked at" * 100)

    done = odd(folder, "up")

    assert done.returncode != 0
    assert "damaged" in done.stderr


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1 / 0", "cannot be imported: ZeroDivisionError: division by zero (PATH, line 1)"),
        ("import json\n\njson.loads('{')", "(PATH, line 3)"),
        ("x = (", "(PATH, line 1)"),
        ("import sys\nsys.exit(0)", "cannot be imported: SystemExit: 0 (PATH, line 2)"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("from observatory import Observatory\napp = Observatory()\n@app.job('a b')\ndef f(ctx): ...", "line 3"),
        ("", "has no app"),
        ("app = 1", "is not an application"),
    ],
)
def test_an_application_that_cannot_be_used_is_named_with_its_place(tmp_path: Path, source: str, says: str) -> None:
    module = tmp_path / "own_jobs.py"
    module.write_text(source, encoding="utf-8")

    done = odd(tmp_path / "data", "up", *FREE_PORTS, "--app", "own_jobs:app", PYTHONPATH=str(tmp_path))

    assert done.returncode == 2
    assert "own_jobs" in done.stderr
    assert says.replace("PATH", str(module)) in done.stderr
    assert "internal error" not in done.stderr


def test_broken_settings_are_all_reported_together(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('gateway_port = "many"\nslot = 4\n')

    done = odd(tmp_path, "up")

    assert done.returncode != 0
    assert "gateway_port" in done.stderr
    assert "did you mean slots" in done.stderr


def test_an_engine_that_this_release_cannot_use_is_refused_with_the_reason(tmp_path: Path) -> None:
    shown = environment(tmp_path)
    assert "REDIS_URL" not in shown
    done = subprocess.run(
        [sys.executable, "-m", "observatory", "up"],
        cwd=ROOT, env={**shown, "REDIS_URL": "redis://u:secret@127.0.0.1/x"}, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert "REDIS_URL" in done.stderr
    assert "secret" not in done.stdout + done.stderr


# --- the audit finds what was planted ---------------------------------------------------------------


DOUBLED_EVENT = """
INSERT INTO events
SELECT NULL, job_id, 99, event_type, event_id, occurred_at, producer, correlation_id, causation_id, traceparent, payload
FROM events WHERE job_id = :id AND sequence = 3
"""


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM jobs WHERE id = :id",
        "DELETE FROM events WHERE job_id = :id AND sequence = 2",
        "UPDATE jobs SET status = 'FAILED' WHERE id = :id",
        DOUBLED_EVENT,
        "UPDATE views SET document = json_set(document, '$.byStatus.COMPLETED', 77) WHERE :id <> ''",
    ],
    ids=["deleted job", "deleted event", "changed status", "doubled event", "wrong counter"],
)
def test_a_planted_fault_is_found_and_the_job_is_named(tmp_path: Path, running: Up, sql: str) -> None:
    running.until_final(first_job(running))
    job_id = running.until_final(running.post("/jobs", {"type": "echo", "payload": {}}).json()["id"])["id"]
    until_counted(running)
    copy = tmp_path / "copy"
    shutil.copytree(running.data_dir, copy, ignore=shutil.ignore_patterns("lock"))
    with sqlite3.connect(copy / "observatory.db") as connection:
        assert connection.execute(sql, {"id": job_id}).rowcount > 0
    connection.close()

    done = odd(copy, "audit")

    assert done.returncode == 1
    assert job_id in done.stdout


def until_counted(up: Up) -> None:
    end_s = time.monotonic() + READY_S_MAX
    while up.get("/stats")["lag"]:
        assert time.monotonic() < end_s, "the counters do not catch up"


def test_a_type_that_nobody_knows_is_warned_about(running: Up) -> None:
    done = odd(running.data_dir, "submit", "exmaple")

    assert done.returncode == 0
    assert 'no processor has announced the type "exmaple"' in done.stderr
    assert re.fullmatch(r"[0-9a-f-]{36}\n", done.stdout)
