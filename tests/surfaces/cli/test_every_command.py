"""What holds for all commands: help, version, bad arguments, what is loaded, colour, and streams that end early."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from observatory.cli.app import COMMANDS
from tests.e2e.process import PROGRAM, ROOT, Up, environment, odd

SCHEDULES = ("list", "show", "set", "pause", "resume", "delete", "preview", "ticks")
INNER = [
    *(("contracts", "list"), ("contracts", "validate"), ("config", "show")),
    *(("schedules", inner) for inner in SCHEDULES),
    *(("queues", "pause"), ("queues", "resume"), ("queues", "limit")),
    *(("dead-letters", "list"), ("dead-letters", "redrive")),
]
ALL = [(), *((name,) for name, _, _ in COMMANDS), *INNER]
READING = [
    *((name,) for name in ("jobs", "events", "stats", "queues", "dead-letters", "workers", "types", "schedules"))
]
HEAVY = {"litestar", "uvicorn", "uvloop", "jsonschema_rs", "prometheus_client", "pebble", "sqlite3"}
ESCAPE = "\x1b"
SOME_ID = "01a20000-0000-7000-8000-000000000000"


def words(command: tuple[str, ...]) -> str:
    return " ".join(command) or "odd-dashboard"


# --- help and version -----------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", ALL, ids=words)
def test_help_goes_to_standard_output_and_ends_well(here: Callable, command: tuple[str, ...], flag: str) -> None:
    done = here(*command, flag)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(" ".join(["Usage: odd-dashboard", *command]))
    assert all(len(line) <= 100 for line in done.out.splitlines())


def test_without_arguments_the_help_is_shown(here: Callable) -> None:
    done = here()

    assert (done.code, done.err) == (0, "")
    assert done.out == here("--help").out


def test_the_help_names_every_command(here: Callable) -> None:
    shown = here("--help").out

    assert [name for name, _, _ in COMMANDS if f"\n  {name} " not in shown] == []


@pytest.mark.parametrize("command", ["contracts", "config"])
def test_a_group_without_its_command_shows_its_help(here: Callable, command: str) -> None:
    done = here(command)

    assert (done.code, done.err) == (0, "")
    assert done.out == here(command, "--help").out


@pytest.mark.parametrize("command", ALL, ids=words)
def test_help_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    assert heavy_modules_of([*command, "--help"]) == set()


@pytest.mark.parametrize("arguments", [["--version"], ["jobs", "--gateway", "http://127.0.0.1:9"]], ids=" ".join)
def test_a_command_that_only_asks_loads_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    assert heavy_modules_of(arguments) == set()


def heavy_modules_of(arguments: list[str]) -> set[str]:
    code = (
        "import sys\n"
        "from observatory.cli.app import main\n"
        f"main({arguments!r})\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "observatory" in loaded
    return loaded & HEAVY


def test_the_probe_for_heavy_modules_sees_one() -> None:
    arguments = ["contracts", "validate", "--schema", "ui-registry", str(ROOT / "contracts" / "ui-registry.json")]

    assert "jsonschema_rs" in heavy_modules_of(arguments)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a source archive does not know its commit")
@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_that_of_the_file_with_commit_time_and_python(here: Callable, flag: str) -> None:
    commit, built_at = git("log", "-1", "--abbrev=12", "--format=%h %cI").split()
    python = ".".join(str(number) for number in sys.version_info[:3])

    done = here(flag)

    assert (done.code, done.err) == (0, "")
    version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    assert done.out == f"odd-dashboard {version} (commit {commit}, built {built_at}, CPython {python})\n"


def test_the_version_as_json(here: Callable) -> None:
    done = here("--version", "--json")

    assert (done.code, done.err) == (0, "")
    assert set(json.loads(done.out)) == {"version", "commit", "builtAt", "python"}
    assert json.loads(done.out)["version"] == (ROOT / "VERSION").read_text(encoding="utf-8").strip()


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout


# --- the command is written wrongly ---------------------------------------------------------------


WRONG = [
    (["nonsense"], 'Unknown command "nonsense"'),
    (["job"], "requires an argument"),
    (["job", "one", "two"], "two"),
    (["job", "not-an-id"], "'not-an-id' is not the id of a job"),
    (["logs", "not-an-id"], "'not-an-id' is not the id of a job"),
    (["explain"], "requires an argument"),
    (["explain", "not-an-id"], "'not-an-id' is not the id of a job"),
    (["jobs", "--bogus"], "--bogus"),
    (["jobs", "--limit", "many"], '--limit: unable to convert "many"'),
    (["jobs", "--limit", "1.5"], '--limit: unable to convert "1.5"'),
    (["up", "--gateways", "1.5"], '--gateways: unable to convert "1.5"'),
    (["up", "--slots", "2.0"], '--slots: unable to convert "2.0"'),
    (["watch", "--after", "3."], '--after: unable to convert "3."'),
    (["jobs", "extra"], "extra"),
    (["jobs", "--gateway", "127.0.0.1:3000"], "is not an address"),
    (["jobs", "--gateway", "http://127.0.0.1:99999"], "is not an address"),
    (["jobs", "--gateway", "http://some where"], "is not an address"),
    (["jobs", "--gateway", "http://user:pass@127.0.0.1"], "is not an address"),
    (["jobs", "--read-model", "ftp://127.0.0.1"], "is not an address"),
    (["jobs", "--data-dir", "~nobody-of-this-name/x"], "no such home folder"),
    (["jobs", "--status", "\udcff", "--gateway", "http://127.0.0.1:9"], "is not Unicode text"),
    (["submit"], "requires an argument"),
    (["submit", "echo", "pair"], "'pair' is not a payload field"),
    (["submit", "echo", "=1"], "'=1' is not a payload field"),
    (["submit", "echo", "a=1", "a=2"], "'a' is given twice"),
    (["submit", "echo", "a=1", "--payload", "{}"], "the payload is given twice"),
    (["submit", "echo", "a=99999999999999999999"], "the value of 'a' is refused"),
    (["submit", "echo", "--payload", "{"], "--payload is not usable JSON"),
    (["submit", "echo", "--payload", '{"a":1,"a":2}'], "a name occurs twice"),
    (["submit", "echo", "--payload", '{"a":NaN}'], "--payload is not usable JSON"),
    (["submit", "echo", "--payload", "[1]"], "--payload must be a JSON object"),
    (["submit", "echo", "--payload", "--wait"], "--payload is not usable JSON"),
    (["submit", "echo", "--priority", "high"], "--priority"),
    (["submit", "echo", "--timeout", "soon"], "--timeout is not a duration"),
    (["submit", "echo", "--timeout", "9" * 400], "--timeout is too long"),
    (["submit", "echo", "--delay", "-1s"], "--delay"),
    (["submit", "echo", "--delay", "9" * 30], "--delay is too long"),
    (["submit", "echo", "--delay", "999999d"], "--delay is too long: 999999d"),
    (["submit", "echo", "--delay", "1s", "--run-at", "2026-01-31T12:00:00Z"], "contradict each other"),
    (["submit", "echo", "--run-at", "tomorrow"], "--run-at is not an instant"),
    (["submit", "echo", "--run-at", "2026-01-31T12:00:00"], "--run-at is not an instant"),
    (["submit", "echo", "--run-at", "0001-01-01T00:00:00+14:00"], "--run-at is too far away"),
    (["submit", "echo", "--wait-timeout", "3s"], "no effect without --wait"),
    (["submit", "echo", "--key", "two\nlines", "--gateway", "http://127.0.0.1:9"], "an idempotency key has"),
    (["submit", "echo", "--key", "clé", "--gateway", "http://127.0.0.1:9"], "an idempotency key has"),
    (["submit", "\udcff", "--gateway", "http://127.0.0.1:9"], "cannot be sent as JSON"),
    (["contracts", "nonsense"], "nonsense"),
    (["contracts", "validate", "file.json"], "--schema"),
    (["contracts", "validate", "no-such-file.json", "--schema", "job"], "cannot be read"),
    (["contracts", "validate", "contracts/ui-registry.json", "--schema", "nonsense"], "there is no schema 'nonsense'"),
    (["config", "show", "--bogus"], "--bogus"),
    (["up", "--gateway-port", "70000"], "--gateway-port must be a port"),
    (["up", "--gateway-port", "http"], "--gateway-port"),
    (["up", "--log", "loud"], "--log must be one of debug, info, warning, error"),
    (["up", "--open", "maybe"], "--open"),
    (["audit", "--bogus"], "--bogus"),
    (["doctor", "--bogus"], "--bogus"),
    (["doctor", "--group", "nonsense"], "--group"),
    (["doctor", "extra"], "extra"),
    (["doctor", "--data-dir", "~nobody-of-this-name/x"], "no such home folder"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(words)[:60] for words, _ in WRONG])
def test_a_wrong_command_ends_with_2_and_one_clear_line(
    here: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.setenv("ODD_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(ROOT)

    done = here(*arguments)

    assert (done.code, done.out) == (2, "")
    first, *others = done.err.splitlines()
    assert first.startswith("  ✕ ")
    assert said in first
    assert len(others) <= 2
    assert "internal error" not in done.err


def test_with_json_a_fault_is_one_object_on_standard_error(here: Callable) -> None:
    done = here("jobs", "--bogus", "--json")

    assert (done.code, done.out) == (2, "")
    fault = json.loads(done.err)["error"]
    assert (fault["exitCode"], fault["code"]) == (2, "usage")
    assert "--bogus" in fault["what"]


def test_debug_adds_the_traceback_wherever_it_stands(here: Callable, tmp_path: Path) -> None:
    arguments = ["jobs", "--data-dir", str(tmp_path)]

    with_it, without = here("--debug", *arguments), here(*arguments)

    assert with_it.err.startswith("Traceback")
    assert with_it.err.endswith(without.err)
    assert here(*arguments, "--debug").err == with_it.err


# --- the service is not there, or says no ---------------------------------------------------------


ASKING = [*READING, ("job", SOME_ID), ("logs", SOME_ID), ("explain", SOME_ID), ("submit", "echo")]


@pytest.mark.parametrize("arguments", ASKING, ids=words)
def test_where_nothing_was_started_the_command_ends_with_3_and_the_cure(
    here: Callable, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = here(*arguments, "--data-dir", str(tmp_path))

    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines()[0] == "  ✕ no observatory is running here"
    assert "odd-dashboard up" in done.err


@pytest.mark.parametrize("arguments", ASKING, ids=words)
def test_where_nothing_listens_the_command_ends_with_3_and_the_address(
    here: Callable, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = here(*arguments, "--data-dir", str(tmp_path), "--gateway", "http://127.0.0.1:9")

    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines()[0] == "  ✕ gateway not reachable at http://127.0.0.1:9 (connection refused)"


def test_a_host_that_no_name_server_knows_is_not_called_refused(here: Callable, tmp_path: Path) -> None:
    done = here("jobs", "--data-dir", str(tmp_path), "--gateway", "http://host.invalid")

    assert done.code == 3
    assert "refused" not in done.err


@pytest.mark.parametrize("arguments", ASKING, ids=words)
def test_something_else_that_listens_there_is_recognised(
    command: Callable, system: Up, arguments: tuple[str, ...]
) -> None:
    dashboard = system.url("dashboard")

    done = command(*arguments, "--gateway", dashboard, "--read-model", dashboard)

    assert (done.code, done.out) in {(1, ""), (3, "")}
    assert "internal error" not in done.err


def test_a_killed_process_is_named_by_its_number(here: Callable, tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    up.kill()

    done = here("jobs", "--data-dir", str(up.data_dir))

    assert done.code == 3
    assert f"process {up.process.pid} of {up.data_dir}" in done.err
    assert "has ended without saying so" in done.err


# --- colour and terminals -------------------------------------------------------------------------


def test_a_pipe_gets_no_colour_and_no_titles(system: Up) -> None:
    done = odd(system.data_dir, "jobs")

    assert ESCAPE not in done.stdout + done.stderr
    assert "STATUS" not in done.stdout


def test_forced_colour_reaches_a_pipe_unless_no_color_is_set(system: Up) -> None:
    coloured = odd(system.data_dir, "jobs", FORCE_COLOR="1")
    plain = odd(system.data_dir, "jobs", FORCE_COLOR="1", NO_COLOR="1")

    assert f"{ESCAPE}[32mCOMPLETED" in coloured.stdout
    assert plain.stdout == re.sub(rf"{ESCAPE}\[\d*m", "", coloured.stdout)


@pytest.mark.parametrize(
    ("variables", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_titles_and_colour_unless_told_otherwise(
    system: Up, variables: dict[str, str], is_coloured: bool
) -> None:
    shown = on_a_terminal(system.data_dir, "jobs", **variables)

    assert "STATUS" in shown
    assert (f"{ESCAPE}[" in shown) == is_coloured


def on_a_terminal(data_dir: Path, *arguments: str, **variables: str) -> str:
    """Everything that the command shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    variables = {"TERM": "xterm-256color"} | variables
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=ROOT, env=environment(data_dir) | variables, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # Linux says so when the last of the terminal's users has ended
    os.close(ours)
    assert process.wait(timeout=30) == 0
    return shown.decode()


# --- streams that end early -----------------------------------------------------------------------


CLOSED_EARLY = [
    ("--help",),
    ("--version",),
    ("jobs",),
    ("jobs", "--json"),
    ("up", "--help"),
    ("config", "show"),
    ("doctor",),
]


@pytest.mark.parametrize("arguments", CLOSED_EARLY, ids=words)
def test_a_pipe_that_nobody_reads_ends_the_command_quietly(system: Up, arguments: tuple[str, ...]) -> None:
    assert into_a_closed_pipe(system.data_dir, *arguments) == (0, "")


def test_a_command_does_its_work_when_nobody_reads_its_talk(system: Up) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as talk:
        done = subprocess.run(
            [*PROGRAM, "submit", "fail", "message=no", "--max-attempts", "1", "--wait"],
            cwd=ROOT, env=environment(system.data_dir), stdout=subprocess.PIPE, stderr=talk, timeout=30, check=False,
        )  # fmt: skip

    assert (done.returncode, done.stdout) == (5, b"")


def into_a_closed_pipe(data_dir: Path, *arguments: str) -> tuple[int, str]:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as data:
        done = subprocess.run(
            [*PROGRAM, *arguments],
            cwd=ROOT, env=environment(data_dir), stdout=data, stderr=subprocess.PIPE, text=True, timeout=30,
            check=False,
        )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [("workers",), ("workers", "--json"), ("--help",), ("--version",)], ids=words)
def test_a_full_disk_behind_standard_output_is_one_clear_line(system: Up, arguments: tuple[str, ...]) -> None:
    with os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb") as full:
        done = subprocess.run(
            [*PROGRAM, *arguments],
            cwd=ROOT, env=environment(system.data_dir), stdout=full, stderr=subprocess.PIPE, text=True, timeout=30,
            check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert "standard output cannot be written (no space left on device)" in done.stderr
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.parametrize("closed", ["0", "1", "2"], ids=["stdin", "stdout", "stderr"])
def test_a_stream_that_the_caller_closed_does_no_harm(system: Up, closed: str) -> None:
    code = f"import os, sys; os.close({closed}); os.execv(sys.executable, {[*PROGRAM, 'workers']!r})"

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=environment(system.data_dir), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (closed != "1")
