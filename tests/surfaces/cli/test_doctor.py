"""`doctor`: what it says, how it ends, and that it leaves nothing behind."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from observatory import contracts
from observatory.core.text import sanitize_terminal
from tests.e2e.process import BY_PERMISSIONS, PROGRAM, ROOT, environment, odd

ANY_PORTS = {"ODD_GATEWAY_PORT": "0", "ODD_READ_MODEL_PORT": "0", "ODD_WEB_PORT": "0"}
SECRET = "a-secret-that-nobody-may-see-anywhere"


def report_of(
    data_dir: Path, *arguments: str, before: Sequence[str] = (), **variables: str
) -> tuple[int, dict[str, Any]]:
    done = odd(data_dir, "doctor", "--json", *arguments, before=before, **ANY_PORTS | variables)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert contracts.validate("doctor-report", report, known_values_only=True) == []
    return done.returncode, report


def check_of(report: dict[str, Any], group: str, name: str) -> dict[str, Any]:
    (checks,) = [each["checks"] for each in report["groups"] if each["name"] == group]
    (check,) = [check for check in checks if check["name"] == name]
    return check


def test_a_machine_that_has_everything_ends_with_0_and_nothing_changed(tmp_path: Path) -> None:
    code, report = report_of(tmp_path / "data")

    assert (code, report["level"] in {"ok", "warn"}) == (0, True)
    assert [group["name"] for group in report["groups"]] == [
        "program",
        "sqlite",
        "data",
        "ports",
        "terminal",
        "system",
        "application",
    ]
    assert list(tmp_path.iterdir()) == []


def test_for_people_each_check_is_a_line_and_the_end_is_told_on_standard_error(tmp_path: Path) -> None:
    done = odd(tmp_path, "doctor", "--group", "program", "--group", "application", **ANY_PORTS)

    assert done.returncode == 0
    titles = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    lines = [line for line in done.stdout.splitlines() if line.startswith(" ")]
    assert titles == ["Program", "Application"]
    assert all(re.match(r"  \[(OK|WARN|SKIP)\] +\S", line) for line in lines)
    assert done.stderr == "  ✓ this machine has what the observatory needs\n"
    assert done.stdout == sanitize_terminal(done.stdout, newline_allowed=True)


def test_a_failure_ends_with_1_its_remedy_and_a_hint_to_try_again(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        done = odd(tmp_path, "doctor", "--group", "ports", **ANY_PORTS | {"ODD_WEB_PORT": port})

    assert done.returncode == 1
    at = next(index for index, line in enumerate(done.stdout.splitlines()) if "[FAIL]" in line)
    line, remedy, needed = done.stdout.splitlines()[at : at + 3]
    assert f"web         {port} is taken" in line
    assert "do:          odd-dashboard up --web-port 0" in remedy
    assert needed.strip() == "needed for:  the dashboard"
    assert done.stderr.splitlines() == [
        "  ✕ 1 failure, 0 warnings",
        "    mend what is named, then look again:  odd-dashboard doctor",
    ]


def test_colour_marks_the_levels_and_no_color_turns_it_off(tmp_path: Path) -> None:
    arguments = ("doctor", "--group", "program")
    coloured = odd(tmp_path, *arguments, FORCE_COLOR="1")
    plain = odd(tmp_path, *arguments, FORCE_COLOR="1", NO_COLOR="1")

    assert "\x1b[32m[OK]" in coloured.stdout
    assert plain.stdout == re.sub("\x1b\\[\\d*m", "", coloured.stdout)


def test_settings_that_cannot_be_used_are_a_finding_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    code, report = report_of(tmp_path, ODD_SLOTS="many", ODD_TOKN=SECRET)

    settings = check_of(report, "program", "settings")
    assert (code, settings["level"]) == (1, "fail")
    assert "ODD_SLOTS must be a number" in settings["detail"]
    assert "ODD_TOKN is not a setting; did you mean ODD_TOKEN?" in settings["detail"]
    assert check_of(report, "ports", "web")["level"] == "skip"
    assert check_of(report, "sqlite", "wal")["level"] == "ok"
    assert SECRET not in json.dumps(report)


def test_neither_the_token_nor_the_environment_is_printed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET, encoding="utf-8")
    (tmp_path / "token").chmod(0o600)

    _, report = report_of(tmp_path, ODD_TOKEN=SECRET, SSH_CONNECTION=SECRET, TERM=SECRET, LANG=SECRET)

    assert SECRET not in json.dumps(report)


def test_the_folder_is_named_with_its_origin(tmp_path: Path) -> None:
    _, by_flag = report_of(tmp_path, "--data-dir", str(tmp_path / "flag"))
    _, by_environment = report_of(tmp_path)

    assert f"{tmp_path / 'flag'} (flag)" in check_of(by_flag, "data", "folder")["detail"]
    assert f"{tmp_path} (environment)" in check_of(by_environment, "data", "folder")["detail"]


def test_a_folder_that_cannot_be_written_fails_and_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    code, report = report_of(tmp_path, before=BY_PERMISSIONS)
    tmp_path.chmod(0o700)

    folder = check_of(report, "data", "folder")
    assert (code, folder["level"]) == (1, "fail")
    assert folder["remedy"].startswith(f"chmod u+wx {tmp_path}")
    assert check_of(report, "sqlite", "wal")["level"] == "skip"


def test_a_folder_that_cannot_be_read_is_told_in_findings_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "observatory.db").write_bytes(b"x")
    folder.chmod(0o000)

    code, report = report_of(folder, before=BY_PERMISSIONS)
    folder.chmod(0o700)

    assert code == 1
    assert check_of(report, "data", "folder")["level"] == "fail"
    assert check_of(report, "data", "owner")["level"] == "fail"
    assert "could not be looked at" not in json.dumps(report)


def test_a_folder_below_one_that_is_closed_to_us_is_one_failure_with_a_command(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o000)

    code, report = report_of(closed / "data", "--group", "sqlite", "--group", "data", before=BY_PERMISSIONS)
    closed.chmod(0o700)

    failed = {check["name"] for group in report["groups"] for check in group["checks"] if check["level"] == "fail"}
    assert code == 1
    assert failed == {"folder", "owner", "schema"}
    assert check_of(report, "data", "folder")["remedy"].startswith(f"chmod u+wx {closed}  #")
    assert "could not be looked at" not in json.dumps(report)


def test_an_application_is_imported_and_its_types_are_listed(tmp_path: Path) -> None:
    _, report = report_of(tmp_path, "--app", "tests.handlers:app", "--group", "application")
    code, missing = report_of(tmp_path, "--app", "no_such_module:app", "--group", "application")

    assert "tests.handlers:app has " in check_of(report, "application", "handlers")["detail"]
    handlers = check_of(missing, "application", "handlers")
    assert (code, handlers["level"]) == (1, "fail")
    assert handlers["detail"] == "there is no module no_such_module"


def test_groups_are_chosen_by_name_and_shown_in_their_order(here: Callable, tmp_path: Path) -> None:
    done = here("doctor", "--json", "--group", "data", "--group", "program", "--data-dir", str(tmp_path / "data"))

    assert [group["name"] for group in json.loads(done.out)["groups"]] == ["program", "data"]


def test_a_library_that_is_missing_is_a_failure_and_not_the_end(tmp_path: Path) -> None:
    (tmp_path / "litestar.py").write_text("raise ImportError('broken on purpose')", encoding="utf-8")

    code, report = report_of(tmp_path / "data", PYTHONPATH=str(tmp_path))

    packages = check_of(report, "program", "packages")
    assert (code, packages["level"]) == (1, "fail")
    assert "litestar cannot be imported (ImportError: broken on purpose)" in packages["detail"]
    assert check_of(report, "data", "space")["level"] != "fail"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_ends_it_finds_nothing_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, pathlib, threading\n"
        "pathlib.Path('began.new').write_text(str(os.getpid()))\n"
        "os.rename('began.new', 'began')\n"
        "threading.Event().wait()\n",
        encoding="utf-8",
    )
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    process = subprocess.Popen(
        [*PROGRAM, "doctor", "--app", "slow:app"],
        cwd=tmp_path,
        env=environment(data_dir) | ANY_PORTS | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for((tmp_path / "began").exists)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (128 + number, "", "")
    assert list(data_dir.iterdir()) == []
    child = int((tmp_path / "began").read_text(encoding="utf-8"))
    wait_for(lambda: has_ended(child))


def wait_for(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
