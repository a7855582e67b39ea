"""`cancel`, `retry`, `dead-letters` and `queues` beside a running observatory."""

import json
import os
import pty
import subprocess
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from observatory import contracts
from observatory.client.api import Api
from tests.e2e.process import PROGRAM, ROOT, Up, environment

NOBODY = "01a20000-0000-7000-8000-000000000000"


@pytest.fixture
def queue() -> str:
    """Of one test alone: the system is shared."""
    return f"q-{uuid4()}"


def submitted(command: Callable, *arguments: str) -> dict[str, Any]:
    done = command("submit", *arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def waiting(command: Callable, queue: str, count: int = 1) -> list[str]:
    """Jobs that wait for an hour."""
    return [submitted(command, "echo", "--queue", queue, "--delay", "1h")["id"] for _ in range(count)]


def failed(command: Callable, queue: str, count: int = 1) -> list[str]:
    ids = []
    for _ in range(count):
        done = command("submit", "fail", "message=no", "--queue", queue, "--max-attempts", "1", "--wait", "--json")
        assert done.code == 5
        ids.append(json.loads(done.out)["id"])
    return ids


def at_terminal(system: Up, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command whose standard input and error are a terminal, and type *answer*."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, *arguments], cwd=ROOT, env=environment(system.data_dir), stdin=theirs, stdout=subprocess.PIPE,
        stderr=theirs, text=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        out, _ = process.communicate(timeout=30)
    os.close(ours)
    return process.returncode, out


# --- cancel ---------------------------------------------------------------------------------------


def test_cancel_of_named_jobs_prints_each_with_its_status(command: Callable, queue: str) -> None:
    first, second = waiting(command, queue, 2)

    done = command("cancel", first, second)

    assert (done.code, done.err) == (0, "")
    assert done.out == f"{first}  CANCELLED\n{second}  CANCELLED\n"


def test_cancel_goes_on_past_a_job_that_is_refused_and_ends_with_its_code(command: Callable, queue: str) -> None:
    [ended], [good] = failed(command, queue), waiting(command, queue)

    done = command("cancel", NOBODY, ended, good, "--json")

    assert done.code == 1
    assert [json.loads(line)["error"]["code"] for line in done.err.splitlines()] == ["unknown_job", "job_is_final"]
    assert json.loads(done.out)["status"] == "CANCELLED"


def test_cancel_by_filter_says_how_many(command: Callable, queue: str) -> None:
    ids = waiting(command, queue, 3)

    done = command("cancel", "--queue", queue, "--yes")
    again = command("cancel", "--queue", queue, "--yes")

    assert (done.code, done.out, done.err) == (0, "3 cancelled\n", "")
    assert (again.code, again.out) == (0, "no job matches\n")
    assert json.loads(command("job", ids[0], "--json").out)["job"]["status"] == "CANCELLED"


def test_a_dry_run_counts_and_changes_nothing(command: Callable, queue: str) -> None:
    [job_id] = waiting(command, queue)

    people = command("cancel", "--queue", queue, "--dry-run")
    programs = command("cancel", "--queue", queue, "--dry-run", "--json")

    assert (people.code, people.out.split()) == (0, ["SCHEDULED", "echo", "1"])
    assert "nothing was changed" in people.err
    assert contracts.validate("bulk-response", json.loads(programs.out)) == []
    assert json.loads(command("job", job_id, "--json").out)["job"]["status"] == "SCHEDULED"


@pytest.mark.parametrize(
    ("flag", "value", "member"),
    [
        ("--status", "PENDING", "status"),
        ("--type", "thumbnail", "type"),
        ("--queue", "mail", "queue"),
        ("--correlation-id", NOBODY, "correlationId"),
        ("--error-type", "ValueError", "errorType"),
        ("--created-after", "2026-01-31T12:00:00Z", "createdAfter"),
        ("--created-before", "2026-01-31T12:00:00Z", "createdBefore"),
        ("--finished-after", "2026-01-31T12:00:00Z", "finishedAfter"),
        ("--finished-before", "2026-01-31T12:00:00Z", "finishedBefore"),
    ],
)
def test_each_flag_of_a_filter_is_sent_as_its_member(
    command: Callable, monkeypatch: pytest.MonkeyPatch, flag: str, value: str, member: str
) -> None:
    asked: list[dict[str, str]] = []

    def ask(self: Api, *, filter: dict[str, str], **_: Any) -> dict[str, Any]:
        asked.append(filter)
        return {"matched": 0, "counts": []}

    monkeypatch.setattr(Api, "cancel_jobs", ask)

    assert command("cancel", flag, value, "--dry-run").code == 0
    assert asked == [{member: value}]


@pytest.mark.parametrize("arguments", [["cancel"], ["retry"], ["dead-letters", "redrive"]], ids=" ".join)
def test_a_bulk_action_without_somebody_to_ask_needs_yes(command: Callable, queue: str, arguments: list[str]) -> None:
    [job_id] = waiting(command, queue)

    done = command(*arguments, "--queue", queue)

    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    assert json.loads(command("job", job_id, "--json").out)["job"]["status"] == "SCHEDULED"


@pytest.mark.parametrize(("answer", "status"), [("y", "CANCELLED"), ("", "SCHEDULED"), ("no", "SCHEDULED")])
def test_at_a_terminal_the_count_is_asked_about(
    system: Up, command: Callable, queue: str, answer: str, status: str
) -> None:
    [job_id] = waiting(command, queue)

    code, _ = at_terminal(system, answer, "cancel", "--queue", queue)

    assert code == (0 if answer == "y" else 1)
    assert json.loads(command("job", job_id, "--json").out)["job"]["status"] == status


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cancel"], "cancel what?"),
        (["retry"], "retry what?"),
        (["cancel", NOBODY, "--all"], "give one of the two"),
        (["cancel", "no-id"], "is not the id of a job"),
        (["retry", "--key", "k", "--all"], "--key belongs to exactly one job"),
        (["retry", NOBODY, NOBODY, "--key", "k"], "--key belongs to exactly one job"),
        (["retry", NOBODY, "--operation-id", "x"], "--operation-id has no effect"),
        (["dead-letters", "redrive", "--status", "COMPLETED", "--yes"], "every dead letter is FAILED"),
        (["queues", "limit", "mail", "many"], "is not a limit"),
        (["queues", "limit", "mail", "-1"], "-1"),
        (["queues", "limit", "mail", "9" * 30], "is not a limit"),
        (["queues", "limit", "mail", "0"], "a limit is a whole number from 1 to 10000, or none"),
        (["queues", "limit", "mail", "10001"], "is not a limit"),
        (["queues", "pause"], "requires an argument"),
    ],
    ids=str,
)
def test_what_is_written_wrongly_ends_with_2_and_nothing_is_sent(
    here: Callable, arguments: list[str], words: str
) -> None:
    done = here(*arguments)

    assert (done.code, done.out) == (2, "")
    assert words in done.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["cancel", "--dry-run"], "empty_filter"),
        (["cancel", "--status", "COMPLETED", "--yes"], "bad_filter"),
        (["cancel", "--queue", "a b", "--yes"], "invalid_request"),
        (["cancel", "--created-after", "yesterday", "--yes"], "invalid_request"),
        (["retry", "--all", "--yes", "--operation-id", "a/b"], "invalid_request"),
        (["queues", "pause", "a b"], "bad_queue_name"),
        (["queues", "pause", "mail", "--reason", "a\x1b[31m"], "invalid_request"),
        (["dead-letters", "--cursor", "x"], "bad_cursor"),
    ],
    ids=str,
)
def test_what_the_gateway_refuses_ends_with_4_and_its_code(command: Callable, arguments: list[str], code: str) -> None:
    done = command(*arguments, "--json")

    assert (done.code, done.out) == (4, "")
    assert json.loads(done.err)["error"]["code"] == code


# --- retry and dead letters -----------------------------------------------------------------------


def test_retry_of_a_named_job_prints_the_new_one_and_a_key_finds_it_again(command: Callable, queue: str) -> None:
    [ended] = failed(command, queue)

    done = command("retry", ended, "--key", f"again-{ended}")
    again = command("retry", ended, "--key", f"again-{ended}", "--json")

    new = done.out.split()[0]
    assert (done.code, json.loads(again.out)["id"], json.loads(again.out)["retryOf"]) == (0, new, ended)


def test_retry_by_filter_twice_is_once(command: Callable, queue: str) -> None:
    failed(command, queue, 2)
    command("queues", "pause", queue)

    done = command("retry", "--queue", queue, "--yes")
    again = command("retry", "--queue", queue, "--yes")

    assert (done.code, done.out) == (0, "2 repeated\n")
    assert again.out == "no job matches\n"
    command("queues", "resume", queue)


def test_dead_letters_are_listed_and_redriven_once(command: Callable, queue: str) -> None:
    first, second = failed(command, queue, 2)

    listed = command("dead-letters", "list", "--queue", queue, "--json")
    for_people = command("dead-letters", "--queue", queue)
    done = command("dead-letters", "redrive", first)
    again = command("dead-letters", "redrive", first)

    assert [job["id"] for job in json.loads(listed.out)["items"]] == [second, first]
    assert [line.split()[0] for line in for_people.out.splitlines()] == [second, first]
    assert done.code == 0
    assert (again.code, again.out) == (4, "")
    assert "was redriven already" in again.err
    assert done.out.split()[0] in again.err


def test_all_dead_letters_of_a_queue_are_redriven(command: Callable, queue: str) -> None:
    failed(command, queue, 2)
    command("queues", "pause", queue)

    done = command("dead-letters", "redrive", "--queue", queue, "--yes", "--json")

    answer = json.loads(done.out)
    assert contracts.validate("bulk-response", answer) == []
    assert answer["retried"] == 2
    assert json.loads(command("dead-letters", "--queue", queue, "--json").out)["items"] == []
    command("cancel", "--queue", queue, "--yes")
    command("queues", "resume", queue)


# --- queues ---------------------------------------------------------------------------------------


def test_a_pause_names_who_and_why_and_the_list_shows_it(command: Callable, queue: str) -> None:
    done = command("queues", "pause", queue, "--reason", "the server is down")
    shown = next(one for one in json.loads(command("queues", "--json").out)["items"] if one["queue"] == queue)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{queue}  paused since 20")
    assert shown["pauseReason"] == "the server is down"
    assert "@" in shown["pausedBy"]
    assert (shown["depth"], shown["running"]) == (0, 0)
    resumed = command("queues", "resume", queue)
    assert resumed.out == f"{queue}  open, no limit\n"


def test_a_limit_is_set_and_lifted(command: Callable, queue: str) -> None:
    done = command("queues", "limit", queue, "3")
    as_json = command("queues", "limit", queue, "4", "--json")
    lifted = command("queues", "limit", queue, "none")

    assert done.out == f"{queue}  open, at most 3 at the same time\n"
    assert json.loads(as_json.out) == {"queue": queue, "concurrencyMax": 4}
    assert lifted.out == f"{queue}  open, no limit\n"
    assert queue not in command("queues").out


def test_who_paused_may_be_said(command: Callable, queue: str) -> None:
    done = command("queues", "pause", queue, "--by", "the deploy of today", "--json")

    assert json.loads(done.out)["pausedBy"] == "the deploy of today"
    command("queues", "resume", queue)
