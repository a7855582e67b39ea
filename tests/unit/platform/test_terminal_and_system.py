import io
import zoneinfo
from datetime import UTC, datetime

import pytest

from observatory.core import limits
from observatory.platform.doctor import system, terminal
from observatory.platform.doctor.subject import Port
from tests.unit.platform.conftest import Make

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("columns", "rows", "level"), [(80, 24, "ok"), (79, 24, "warn"), (80, 23, "warn"), (0, 0, "skip")]
)
def test_a_small_terminal_is_a_warning(columns, rows, level):
    assert terminal.judged_size(columns, rows).level == level


@pytest.mark.parametrize(
    ("encoding", "level"), [("utf-8", "ok"), ("UTF8", "ok"), ("ANSI_X3.4-1968", "warn"), ("", "warn")]
)
def test_another_encoding_than_utf_8_is_a_warning(encoding, level):
    assert terminal.judged_encoding(encoding).level == level


@pytest.mark.parametrize(
    ("environ", "is_terminal", "said"),
    [
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, "off, because NO_COLOR is set"),
        ({"FORCE_COLOR": "1"}, False, "on, because FORCE_COLOR is set"),
        ({"TERM": "xterm"}, False, "off, because standard output is not a terminal"),
        ({"TERM": "dumb"}, True, "off, because TERM"),
        ({}, True, "off, because TERM"),
        ({"TERM": "xterm-256color"}, True, "256"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, True, "16 million"),
        ({"TERM": "xterm"}, True, "at least 8"),
    ],
)
def test_colours_are_told_with_what_decides(environ, is_terminal, said):
    found = terminal.judged_colours(environ, is_terminal=is_terminal)

    assert (found.level, said in found.detail) == ("ok", True)


def test_without_a_terminal_its_size_is_not_looked_at(subject_with: Make):
    subject = subject_with(stdout=io.StringIO())

    assert terminal.look_at_kind(subject).level == "skip"
    assert terminal.look_at_size(subject).level == "skip"


@pytest.mark.parametrize(
    ("soft", "hard", "level", "remedy"),
    [
        (limits.OPEN_FILES_WARN, 4096, "ok", ""),
        (limits.OPEN_FILES_WARN - 1, 2048, "warn", "ulimit -n 2048"),
        (256, 1 << 20, "warn", "ulimit -n 4096"),
        (256, -1, "warn", "ulimit -n 4096"),
        (256, 512, "warn", "have an administrator raise `nofile`"),
        (-1, -1, "ok", ""),
    ],
)
def test_few_open_files_are_a_warning_with_a_command_that_is_allowed(soft, hard, level, remedy):
    found = system.judged_open_files(soft, hard)

    assert (found.level, found.remedy) == (level, remedy)


def test_a_limit_of_the_shell_on_memory_is_a_warning():
    assert system.judged_memory_limit(-1).level == "ok"
    assert system.judged_memory_limit(2**30).level == "warn"


@pytest.mark.parametrize(
    ("now", "built_at", "level"),
    [
        (NOW, "2026-01-30T09:00:00+00:00", "ok"),
        (NOW, "2026-02-01T11:59:00+00:00", "ok"),
        (NOW, "2026-02-01T12:01:00+00:00", "fail"),
        (NOW, "unknown", "ok"),
        (NOW.replace(year=2100), "unknown", "ok"),
        (NOW.replace(year=2101), "unknown", "fail"),
        (NOW.replace(year=1970), "2026-01-30T09:00:00Z", "fail"),
    ],
)
def test_a_clock_before_the_build_or_far_ahead_is_a_failure(now, built_at, level):
    assert system.judged_clock(now, built_at).level == level


def test_a_machine_without_time_zones_fails_with_the_command(subject_with: Make, monkeypatch):
    assert system.look_at_time_zones(subject_with()).level == "ok"

    def none(_):
        raise zoneinfo.ZoneInfoNotFoundError("none")

    monkeypatch.setattr(zoneinfo, "ZoneInfo", none)
    found = system.look_at_time_zones(subject_with())

    assert found.level == "fail"
    assert found.remedy.endswith("-m pip install tzdata")


@pytest.mark.parametrize(
    ("environ", "platform", "why"),
    [
        ({"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22", "DISPLAY": ":0"}, "darwin", "this is a session over SSH"),
        ({}, "linux", "this machine has no screen"),
        ({"DISPLAY": ":0"}, "linux", ""),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", ""),
        ({}, "darwin", ""),
        ({}, "win32", ""),
    ],
)
def test_where_no_window_can_be_opened_the_reason_is_known(environ, platform, why):
    assert system.headless_because(environ, platform) == why


def test_without_a_browser_the_address_and_the_tunnel_are_given(subject_with: Make):
    numbers = {"gateway": 3000, "read-model": 8080, "web": 8081}
    ports = tuple(Port(service=name, flag="", number=number) for name, number in numbers.items())
    subject = subject_with(ports=ports, environ={"SSH_CONNECTION": "192.0.2.77 1 192.0.2.78 22"})

    found = system.look_at_browser(subject)

    assert found.level == "skip"
    assert found.detail.endswith("the dashboard is at http://127.0.0.1:8081")
    tunnels = "-L 8081:127.0.0.1:8081 -L 8080:127.0.0.1:8080 -L 3000:127.0.0.1:3000"
    assert f"ssh -N {tunnels} " in found.remedy
    assert "192.0.2" not in found.detail + found.remedy, "no value of the environment is printed"


def test_before_a_start_on_any_port_no_address_is_promised(subject_with: Make):
    found = system.look_at_browser(subject_with(environ={"SSH_TTY": "x"}))

    assert "http" not in found.detail + found.remedy
