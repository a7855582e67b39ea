"""`explain`, beside a running observatory: the code, the sentence, the facts, and what changes it."""

import contextlib
import json
from collections.abc import Callable, Generator
from types import SimpleNamespace

import pytest

from observatory import Client, contracts
from observatory.cli.commands import explaining
from observatory.core.explain.delayed import DUE_LOOP
from observatory.core.explain.leased import RESCUER, SETTLE_LOOP
from observatory.core.explain.situation import CLAIM_LOOP
from tests.e2e.process import Up

NOBODY = "01a20000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Up]:
    up = Up(tmp_path_factory.mktemp("explain") / "data").until_ready()
    yield up
    up.kill()


@pytest.fixture
def command(here: Callable, running: Up, monkeypatch: pytest.MonkeyPatch) -> Callable:
    monkeypatch.setenv("ODD_DATA_DIR", str(running.data_dir))
    return here


def submitted(running: Up, **fields: object) -> str:
    return running.post("/jobs", {"type": "echo"} | fields).json()["id"]


def test_a_paused_queue_is_named_with_who_why_and_the_command_that_helps(command: Callable, running: Up) -> None:
    running.post("/queues/post/pause", {"by": "ann", "reason": "server down"})
    job_id = submitted(running, queue="post")

    done = command("explain", job_id)

    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert lines[0] == "PENDING  queue_paused"
    assert lines[1].startswith("Its queue post has been paused since ")
    assert lines[1].endswith("by ann: server down.")
    assert lines[2] == ""
    facts = dict(line.split("  ", 1) for line in lines[3:] if line)
    assert (facts["paused by"].strip(), facts["pause reason"].strip()) == ("ann", "server down")
    assert facts["changes"].strip() == "when somebody resumes the queue: odd-dashboard queues resume post"
    assert "as of" in facts


def test_a_part_of_another_process_is_named_with_that_process(here: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    process = {"role": "maintenance", "host": "db-host", "pid": 77, "heartbeatAgeSeconds": 61.0}
    down = [
        {"name": "due_jobs", "reason": "not_heard_of"} | process,
        {"name": "relay", "reason": "behind", "behindSeconds": 6.0},
        {"name": "rescuer", "reason": "never_announced"},
    ]
    found = {"jobId": NOBODY, "status": "SCHEDULED", "code": "due_loop_down", "evidence": {"down": down}}
    api = SimpleNamespace(explain=lambda _: found)
    monkeypatch.setattr(explaining, "connect", lambda _: contextlib.nullcontext(api))

    done = here("explain", NOBODY)

    assert [line.partition("down")[2].strip() for line in done.out.splitlines() if line.startswith("down ")] == [
        "due_jobs (not_heard_of), maintenance process 77 on db-host, heard of 61 s ago",
        "relay (behind by 6 s)",
        "rescuer (never_announced)",
    ]


def test_as_json_it_is_the_document(command: Callable, running: Up) -> None:
    job_id = submitted(running, type="nobody-knows")

    done = command("explain", job_id, "--json")

    document = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert contracts.validate("explanation", document, known_values_only=True) == []
    assert (document["jobId"], document["code"]) == (job_id, "type_never_announced")


def test_processors_and_what_they_do_are_one_line_each(command: Callable, running: Up) -> None:
    job_id = submitted(running, type="sleep", payload={"seconds": 20})
    while (found := running.get(f"/jobs/{job_id}/explain"))["status"] == "PENDING":
        pass

    done = command("explain", job_id)

    [line] = [line for line in done.out.splitlines() if line.startswith("processor ")]
    worker = found["evidence"]["worker"]
    assert (found["code"], done.out.splitlines()[0]) == ("running", "EXECUTING  running")
    assert f"{worker} on " in line
    assert f"process {running.process.pid}, 1 running in " in line
    command("cancel", job_id)


def test_what_an_error_says_reaches_no_terminal(command: Callable, running: Up) -> None:
    job_id = submitted(running, type="fail", payload={"message": "no \x1b[31mdisk"}, maxAttempts=1)
    running.until_final(job_id)

    done = command("explain", job_id)

    assert done.out.startswith("FAILED  attempts_used_up\n1 attempt of 1 failed, and none is left: ")
    assert "\x1b" not in done.out
    assert "no \\x1b[31mdisk" in done.out


def test_a_handle_explains_its_job(running: Up) -> None:
    with Client(data_dir=str(running.data_dir)) as client:
        handle = client.submit("echo", {"n": 1})
        handle.result(timeout_s=30)

        assert handle.explain()["code"] == "completed"


def test_an_unknown_job_is_one_clear_line(command: Callable) -> None:
    done = command("explain", NOBODY)

    assert (done.code, done.out) == (1, "")
    assert f"no job has the id {NOBODY}" in done.err


def test_the_loops_that_a_code_names_are_loops_of_the_process(running: Up) -> None:
    names = {check["name"] for check in running.get("/readyz")["checks"]}

    assert {DUE_LOOP, RESCUER, SETTLE_LOOP, CLAIM_LOOP} <= names
