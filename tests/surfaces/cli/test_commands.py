"""Each command beside a running observatory: exit code, data on standard output, talk on standard error."""

import contextlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from observatory import contracts
from tests.e2e.process import PROGRAM, ROOT, Up, environment, odd

ACTING = "\x1b[31mred\x1b]0;title\x07 \u202eback \u200bhidden"
"""Text that changes a terminal's colour and title, turns its direction round and hides."""
NOBODY = "01a20000-0000-7000-8000-000000000000"


def fits(name: str, document: Any) -> bool:
    return contracts.validate(name, document, known_values_only=True) == []


def submitted(command: Callable, *arguments: str) -> dict[str, Any]:
    done = command("submit", *arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


# --- submit ---------------------------------------------------------------------------------------


def test_submit_prints_the_id_alone(command: Callable) -> None:
    done = command("submit", "echo", "n=1")

    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"[0-9a-f-]{36}\n", done.out)


def test_submit_as_json_prints_the_job(command: Callable) -> None:
    job = submitted(command, "echo", "n=1", "word=a.jpg", 'text="3"', "--queue", "cli", "--priority", "2")

    assert fits("job", job)
    assert job["payload"] == {"n": 1, "word": "a.jpg", "text": "3"}
    assert (job["queue"], job["priority"]) == ("cli", 2)


def test_submit_wait_prints_the_result_and_says_the_id_and_the_end(command: Callable) -> None:
    done = command("submit", "echo", "n=1", "--wait")

    assert done.code == 0
    assert json.loads(done.out) == {"n": 1}
    assert re.fullmatch(r"job [0-9a-f-]{36}\n  ✓ COMPLETED, attempt 1\n", done.err)


def test_submit_wait_as_json_prints_the_final_job_and_says_nothing(command: Callable) -> None:
    done = command("submit", "echo", "n=1", "--wait", "--json")

    assert (done.code, done.err) == (0, "")
    job = json.loads(done.out)
    assert fits("job", job)
    assert (job["status"], job["result"]) == ("COMPLETED", {"n": 1})


@pytest.mark.parametrize("written", [["--payload", "-"], ["--payload=-"]], ids=" ".join)
def test_the_payload_comes_from_standard_input(system: Up, written: list[str]) -> None:
    done = odd(system.data_dir, "submit", "echo", *written, "--wait", stdin='{"month": "2026-01"}\n')

    assert (done.returncode, json.loads(done.stdout)) == (0, {"month": "2026-01"})


@pytest.mark.parametrize("given", ["", "not json", '{"a": 1', '{"a":1,"a":2}', '{"a":"\\ud800"}', "\x00"])
def test_a_payload_that_is_not_json_is_refused_before_it_is_sent(system: Up, given: str) -> None:
    done = odd(system.data_dir, "submit", "echo", "--payload=-", stdin=given)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("  ✕ --payload is not usable JSON")


def test_standard_input_that_is_closed_is_said(system: Up) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *PROGRAM, "submit", "echo", "--payload", "-"],
        cwd=ROOT, env=environment(system.data_dir), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("  ✕ --payload - reads standard input, which is closed")


def test_the_same_key_finds_the_first_job_and_says_so(command: Callable) -> None:
    first = submitted(command, "echo", "n=1", "--key", "cli/one")

    again = command("submit", "echo", "n=1", "--key", "cli/one")
    other = command("submit", "echo", "n=2", "--key", "cli/one")

    assert (again.code, again.out) == (0, first["id"] + "\n")
    assert "submitted before with this key" in again.err
    assert (other.code, other.out) == (4, "")
    assert "refused with 409 idempotency_conflict" in other.err


@pytest.mark.parametrize(
    ("arguments", "code", "pointer"),
    [
        (["bad type!"], "invalid_job", "/type"),
        (["echo", "--priority", "10"], "invalid_job", "/priority"),
        (["echo", "--priority", "-1"], "invalid_job", "/priority"),
        (["echo", "--max-attempts", "0"], "invalid_job", "/maxAttempts"),
        (["echo", "--timeout", "0"], "invalid_job", "/timeoutSeconds"),
        (["echo", "--key", ""], "bad_idempotency_key", None),
        (["echo", "--key", "two words"], "bad_idempotency_key", None),
    ],
    ids=str,
)
def test_what_the_gateway_refuses_ends_with_4_its_code_and_its_place(
    command: Callable, arguments: list[str], code: str, pointer: str | None
) -> None:
    for_people = command("submit", *arguments)
    for_programs = command("submit", *arguments, "--json")

    assert (for_people.code, for_people.out) == (4, "")
    assert f"refused with 400 {code}" in for_people.err
    assert (for_programs.code, for_programs.out) == (4, "")
    fault = json.loads(for_programs.err)["error"]
    assert (fault["exitCode"], fault["code"], fault.get("pointer")) == (4, code, pointer)


def test_a_wrong_token_ends_with_1_and_the_cure(command: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_TOKEN", "some-other-token")

    done = command("submit", "echo")

    assert (done.code, done.out) == (1, "")
    assert "refused with 401 unauthenticated" in done.err
    assert "ODD_TOKEN" in done.err
    assert "some-other-token" not in done.err


def test_a_token_that_cannot_be_one_is_not_sent(command: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_TOKEN", "two words")

    done = command("submit", "echo")

    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("  ✕ ODD_TOKEN does not hold a token")


def test_a_named_gateway_tells_where_the_read_model_is(here: Callable, system: Up, tmp_path: Path) -> None:
    done = here("jobs", "-n", "1", "--gateway", system.url("gateway"), "--data-dir", str(tmp_path))

    assert done.code == 0
    assert done.out


def test_writes_through_a_read_model_alone_are_refused(here: Callable, system: Up, tmp_path: Path) -> None:
    done = here("submit", "echo", "--read-model", system.url("read model"), "--data-dir", str(tmp_path))

    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("  ✕ the gateway's address is not known")


@pytest.mark.parametrize("json_flag", [[], ["--json"]], ids=["people", "programs"])
def test_waiting_too_long_ends_with_6_and_says_that_the_job_goes_on(command: Callable, json_flag: list[str]) -> None:
    done = command("submit", "echo", "--delay", "1h", "--wait", "--wait-timeout", "0", *json_flag)

    assert (done.code, done.out) == (6, "")
    assert "is SCHEDULED after 0 s" in done.err
    assert "it goes on; look again:  odd-dashboard job " in done.err


@pytest.mark.parametrize("json_flag", [[], ["--json"]], ids=["people", "programs"])
def test_ctrl_c_while_waiting_ends_with_130_and_says_that_the_job_goes_on(system: Up, json_flag: list[str]) -> None:
    before = newest(system)
    process = subprocess.Popen(
        [*PROGRAM, "submit", "echo", "--delay", "1h", "--wait", *json_flag],
        cwd=ROOT, env=environment(system.data_dir), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while (job_id := newest(system)) == before:
        assert process.poll() is None

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert err.count(f"odd-dashboard job {job_id}") == 1
    assert system.get(f"/jobs/{job_id}")["status"] == "SCHEDULED"


def newest(system: Up) -> str:
    return system.get("/jobs?limit=1")["items"][0]["id"]


# --- what only asks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "contract"),
    [
        (["jobs"], "job-list"),
        (["events", "-n", "3"], "event-list"),
        (["stats"], "stats"),
        (["queues"], "queue-list"),
        (["workers"], "worker-list"),
        (["types"], "type-list"),
    ],
    ids=str,
)
def test_json_is_what_the_contract_says_and_nothing_else(
    command: Callable, arguments: list[str], contract: str
) -> None:
    submitted(command, "echo", "--delay", "1h")

    done = command(*arguments, "--json")

    assert (done.code, done.err) == (0, "")
    (line,) = done.out.splitlines()
    assert contracts.validate(contract, json.loads(line), known_values_only=True) == []


def test_job_as_json_is_the_job_and_its_events(command: Callable) -> None:
    job_id = submitted(command, "echo", "n=1", "--wait")["id"]

    done = command("job", job_id, "--json")

    assert (done.code, done.err) == (0, "")
    shown = json.loads(done.out)
    assert set(shown) == {"job", "events"}
    assert fits("job", shown["job"])
    assert [fits("event-envelope", event) for event in shown["events"]] == [True] * 4


def test_job_shows_its_fields_and_its_history(command: Callable) -> None:
    job_id = submitted(command, "echo", "n=1", "--wait")["id"]

    done = command("job", job_id)

    assert (done.code, done.err) == (0, "")
    fields, history = done.out.split("\n\n")
    assert re.search(rf"^id +{job_id}$", fields, re.MULTILINE)
    assert re.search(r"^status +COMPLETED$", fields, re.MULTILINE)
    assert [line.split()[0] for line in history.splitlines()] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("written", [str.lower, str.upper])
def test_an_id_is_found_however_it_is_written(command: Callable, written: Callable[[str], str]) -> None:
    job_id = submitted(command, "echo")["id"]

    assert command("job", written(job_id)).code == 0


def test_an_unknown_job_ends_with_1_and_where_to_look(command: Callable) -> None:
    done = command("job", NOBODY)

    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[0] == f"  ✕ no job has the id {NOBODY}"
    assert "odd-dashboard jobs" in done.err


def test_jobs_are_filtered_and_paged(command: Callable) -> None:
    ids = [submitted(command, "echo", "--queue", "cli-pages", "--delay", "1h")["id"] for _ in range(3)]

    first = command("jobs", "--queue", "cli-pages", "--status", "scheduled", "--type", "echo", "-n", "2")
    cursor = first.err.split("--cursor ")[1].strip()
    second = command("jobs", "--queue", "cli-pages", "--status", "scheduled", "--type", "echo", "--cursor", cursor)

    assert "there is more:" in first.err
    shown = [line.split()[0] for line in (first.out + second.out).splitlines()]
    assert shown == ids[::-1]


def test_an_empty_list_says_so_on_standard_error(command: Callable) -> None:
    done = command("jobs", "--queue", "nobody-uses-it")

    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("no job matches (as of ")


@contextlib.contextmanager
def damaged(system: Up, *job_ids: str) -> Generator[None]:
    """The rows of the jobs hold what nobody wrote; later they are as before."""
    with contextlib.closing(sqlite3.connect(system.data_dir / "observatory.db", isolation_level=None)) as database:
        database.executemany("UPDATE jobs SET payload = 'x' || payload WHERE id = ?", [(one,) for one in job_ids])
        try:
            yield
        finally:
            database.executemany("UPDATE jobs SET payload = substr(payload, 2) WHERE id = ?", [(i,) for i in job_ids])


def test_a_list_names_the_jobs_whose_rows_are_damaged(command: Callable, system: Up) -> None:
    kept, bad = (submitted(command, "echo", "--queue", "cli-bad", "--delay", "1h")["id"] for _ in range(2))

    with damaged(system, bad):
        done, as_json = (command("jobs", "--queue", "cli-bad", *options) for options in ([], ["--json"]))

    assert (done.code, [line.split()[0] for line in done.out.splitlines()]) == (0, [kept])
    assert done.err == f"  ! left out, because the stored row is damaged: {bad}\n"
    document = json.loads(as_json.out)
    assert (as_json.code, as_json.err, document["unreadable"]) == (0, "", [bad])
    assert fits("job-list", document)


def test_a_list_of_damaged_jobs_alone_is_not_called_empty(command: Callable, system: Up) -> None:
    ids = [submitted(command, "echo", "--queue", "cli-all-bad", "--delay", "1h")["id"] for _ in range(12)]

    with damaged(system, *ids):
        done = command("jobs", "--queue", "cli-all-bad")

    named = ", ".join(ids[:1:-1])
    assert (done.code, done.out) == (0, "")
    assert done.err == f"  ! left out, because the stored row is damaged: {named} and 2 more\n"


@pytest.mark.parametrize(
    "arguments",
    [["jobs", "--limit", "0"], ["jobs", "-n", "-1"], ["jobs", "--status", "LOST"], ["jobs", "--cursor", "other"],
     ["jobs", "--limit", "501"], ["events", "--job", "nope"], ["events", "--limit", "0"], ["events", "--limit", "501"],
     ["dead-letters", "--limit", "0"], ["dead-letters", "--limit", "501"], ["schedules", "list", "--limit", "0"],
     ["schedules", "list", "--limit", "501"], ["schedules", "preview", "--every", "1h", "--count", "0"],
     ["schedules", "preview", "--every", "1h", "--count", "101"]],
    ids=" ".join,
)  # fmt: skip
def test_a_filter_that_the_service_refuses_ends_with_4(command: Callable, arguments: list[str]) -> None:
    done = command(*arguments)

    assert (done.code, done.out) == (4, "")
    assert "refused with 400 " in done.err
    assert len(done.err.splitlines()) <= 3


def test_events_of_one_job_are_in_order(command: Callable) -> None:
    job_id = submitted(command, "echo", "--wait")["id"]

    done = command("events", "--job", job_id)

    rows = [line.split() for line in done.out.splitlines()]
    assert (done.code, done.err) == (0, "")
    assert [row[3] for row in rows] == ["job.created", "job.validated", "job.executed", "job.completed"]
    assert [row[4] for row in rows] == [job_id] * 4


@pytest.mark.parametrize(
    ("command_name", "part"),
    [("stats", "completed jobs"), ("queues", "SCHEDULED="), ("workers", "0.1.0"), ("types", "checksum")],
)
def test_a_list_for_people_has_its_rows_on_standard_output(command: Callable, command_name: str, part: str) -> None:
    submitted(command, "echo", "--delay", "1h")

    done = command(command_name)

    assert done.code == 0
    assert part in done.out


# --- what a job holds does not act on the terminal ------------------------------------------------


@pytest.fixture(scope="module")
def acting_job(system: Up) -> str:
    """A job whose payload and error hold escape sequences; gives its id."""
    body = {"type": "fail", "maxAttempts": 1, "payload": {"message": ACTING}, "metadata": {ACTING: ACTING}}
    answer = system.post("/jobs", body)
    assert answer.status_code == 201, answer.text
    return system.until_final(answer.json()["id"])["id"]


@pytest.mark.parametrize("json_flag", [[], ["--json"]], ids=["people", "programs"])
@pytest.mark.parametrize("name", ["job", "jobs", "events"])
def test_escape_sequences_in_a_job_are_written_out(
    command: Callable, acting_job: str, name: str, json_flag: list[str]
) -> None:
    where = {"job": [acting_job], "jobs": ["--type", "fail"], "events": ["--job", acting_job]}[name]

    done = command(name, *where, *json_flag)

    assert done.code == 0
    assert acting_job in done.out
    assert acting(done.out + done.err) == []
    if name == "job":
        assert r"\x1b[31mred" in done.out or r"\u001b[31mred" in done.out


@pytest.mark.parametrize("json_flag", [[], ["--json"]], ids=["people", "programs"])
def test_escape_sequences_in_a_failure_are_written_out(command: Callable, json_flag: list[str]) -> None:
    done = command("submit", "fail", f"message={ACTING}", "--max-attempts", "1", "--wait", *json_flag)

    assert done.code == 5
    assert acting(done.out + done.err) == []
    assert r"[31mred" in done.out + done.err


def test_escape_sequences_in_a_refusal_are_written_out(command: Callable) -> None:
    done = command("submit", ACTING)

    assert done.code == 4
    assert acting(done.err) == []


def acting(text: str) -> list[str]:
    """The characters that would act on a terminal, or hide in it."""
    return [char for char in text if char != "\n" and not char.isprintable()]


# --- audit ----------------------------------------------------------------------------------------


def test_audit_beside_the_running_system_is_clean(command: Callable) -> None:
    for_people, for_programs = command("audit"), command("audit", "--json")

    assert (for_people.code, for_people.out) == (0, "")
    assert "nothing is missing and nothing is double" in for_people.err
    assert (for_programs.code, for_programs.err) == (0, "")
    assert json.loads(for_programs.out)["violations"] == []


def test_audit_prints_one_line_per_fault_and_ends_with_1(command: Callable, system: Up, tmp_path: Path) -> None:
    job_id = submitted(command, "echo", "--wait")["id"]
    copy = tmp_path / "copy"
    shutil.copytree(system.data_dir, copy, ignore=shutil.ignore_patterns("lock", "running.json"))
    with sqlite3.connect(copy / "observatory.db") as connection:
        connection.execute("UPDATE jobs SET attempt = 2 WHERE id = ?", (job_id,))
    connection.close()

    for_people = command("audit", "--data-dir", str(copy))
    for_programs = command("audit", "--data-dir", str(copy), "--json")

    assert for_people.code == 1
    (line,) = for_people.out.splitlines()
    assert line.split()[:2] == ["row_differs", job_id]
    assert "✕ 1 faults" in for_people.err
    assert (for_programs.code, for_programs.err) == (1, "")
    (violation,) = json.loads(for_programs.out)["violations"]
    assert (violation["code"], violation["jobId"]) == ("row_differs", job_id)


def test_audit_without_data_ends_with_1_and_names_the_file(here: Callable, tmp_path: Path) -> None:
    done = here("audit", "--data-dir", str(tmp_path))

    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[0] == f"  ✕ {tmp_path}/observatory.db does not exist"
    assert list(tmp_path.iterdir()) == []


# --- contracts ------------------------------------------------------------------------------------


@pytest.fixture
def job_file(command: Callable, tmp_path: Path) -> Path:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(submitted(command, "echo")), encoding="utf-8")
    return path


def test_a_file_that_fits_ends_with_0_and_prints_nothing(here: Callable, job_file: Path) -> None:
    done = here("contracts", "validate", str(job_file), "--schema", "job")

    assert (done.code, done.out) == (0, "")
    assert done.err == "  ✓ job.json fits job\n"


def test_a_file_that_does_not_fit_ends_with_1_and_a_line_per_fault(here: Callable, job_file: Path) -> None:
    document = json.loads(job_file.read_text(encoding="utf-8"))
    job_file.write_text(json.dumps(document | {"priority": 10, "type": "\x1b[31m"}), encoding="utf-8")

    for_people = here("contracts", "validate", str(job_file), "--schema", "job")
    for_programs = here("contracts", "validate", str(job_file), "--schema", "job", "--json")

    assert for_people.code == 1
    assert sorted(line.split()[0] for line in for_people.out.splitlines()) == ["/priority", "/type"]
    assert acting(for_people.out + for_people.err) == []
    assert for_people.err == "  ✕ job.json does not fit job\n"
    assert (for_programs.code, for_programs.err) == (1, "")
    answer = json.loads(for_programs.out)
    assert answer["valid"] is False
    assert sorted(fault["pointer"] for fault in answer["faults"]) == ["/priority", "/type"]


def test_a_file_that_is_not_json_is_a_fault_of_the_whole(here: Callable, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"a": ', encoding="utf-8")

    done = here("contracts", "validate", str(path), "--schema", "job")

    assert done.code == 1
    assert done.out.startswith("(document)  ")


def test_a_version_that_a_schema_does_not_have_is_a_wrong_command(here: Callable, job_file: Path) -> None:
    done = here("contracts", "validate", str(job_file), "--schema", "job", "--version", "9.0.0")

    assert (done.code, done.out) == (2, "")
    assert "9.0.0" in done.err


def test_contracts_list_names_every_schema(here: Callable) -> None:
    for_people, for_programs = here("contracts", "list"), here("contracts", "list", "--json")

    assert (for_people.code, for_people.err, for_programs.code, for_programs.err) == (0, "", 0, "")
    assert [line.split()[0] for line in for_people.out.splitlines()] == list(contracts.names())
    assert [row["schema"] for row in json.loads(for_programs.out)] == list(contracts.names())


# --- config ---------------------------------------------------------------------------------------


def test_config_show_names_every_setting_once(here: Callable, tmp_path: Path) -> None:
    done = here("config", "show", "--data-dir", str(tmp_path))

    assert (done.code, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines()]
    assert ["ODD_DATA_DIR", str(tmp_path)] in rows
    assert ["ODD_GATEWAY_PORT", "3000"] in rows
    assert len({row[0] for row in rows}) == len(rows)


def test_config_show_origin_says_where_each_value_is_from(
    here: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text("slots = 7\nweb_port = 1\n", encoding="utf-8")
    monkeypatch.setenv("ODD_WEB_PORT", "9000")

    done = here("config", "show", "--origin", "--data-dir", str(tmp_path))

    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines()}
    assert (done.code, done.err) == (0, "")
    assert rows["ODD_DATA_DIR"] == [str(tmp_path), "flag"]
    assert rows["ODD_WEB_PORT"] == ["9000", "environment"]
    assert rows["ODD_SLOTS"] == ["7", "file"]
    assert rows["ODD_HOST"] == ["127.0.0.1", "default"]


@pytest.mark.parametrize(
    "secret",
    ["postgresql://ann:hunter2@db/x", "host=db user=ann password=hunter2", "postgresql://db/x?password=hunter2",
     "host=db password = 'hun\\'ter2 hunter2' user=ann"],
)  # fmt: skip
@pytest.mark.parametrize("json_flag", [[], ["--json"]], ids=["people", "programs"])
def test_config_show_masks_passwords_and_ends_with_2_for_what_cannot_be_used(
    here: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str, json_flag: list[str]
) -> None:
    monkeypatch.setenv("MONGO_URL", secret)
    monkeypatch.setenv("ODD_SLOT", "3")

    done = here("config", "show", "--data-dir", str(tmp_path), *json_flag)

    assert done.code == 2
    assert "hunter2" not in done.out + done.err
    assert "***" in done.out
    problems = json.loads(done.out)["problems"] if json_flag else done.err.splitlines()
    assert len(problems) == 2
    assert any("ODD_SLOT is not a setting; did you mean ODD_SLOTS?" in problem for problem in problems)
    assert any("MONGO_URL names an engine that this release has no driver for yet" in problem for problem in problems)
