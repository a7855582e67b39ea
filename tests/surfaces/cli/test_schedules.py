"""`schedules`, against a running observatory."""

import json
from collections.abc import Callable
from itertools import count

import pytest

_number = count()


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"cli-{next(_number)}"


def rows(text: str) -> list[str]:
    return text.splitlines()


def test_set_stores_a_schedule_and_prints_its_next_ticks(command: Callable, name: str) -> None:
    done = command("schedules", "set", name, "echo", "month=3", "--cron", "0 3 * * *", "--timezone", "Europe/Berlin")

    assert (done.code, len(rows(done.out))) == (0, 5)
    assert all(" 03:00:00+0" in row for row in rows(done.out))
    shown = json.loads(command("schedules", "show", name, "--json").out)
    assert shown["schedule"]["payload"] == {"month": 3}
    assert shown["ticks"] == []


def test_set_again_changes_nothing_and_with_another_timing_replaces(command: Callable, name: str) -> None:
    first = command("schedules", "set", name, "echo", "--every", "1h", "--json")
    again = command("schedules", "set", name, "echo", "--every", "1h", "--json")
    other = command("schedules", "set", name, "echo", "--every", "2h", "--missed", "all", "--missed-max", "3", "--json")

    assert json.loads(first.out)["updatedAt"] == json.loads(again.out)["updatedAt"]
    assert json.loads(other.out)["generation"] == 2


def test_set_says_that_nothing_processes_the_type(command: Callable, name: str) -> None:
    done = command("schedules", "set", name, "nobody.knows", "--every", "1h", "--json")

    assert (done.code, json.loads(done.out)["name"]) == (0, name)
    assert 'no processor has announced the type "nobody.knows"; its jobs wait until one does' in done.err


def test_pause_says_who_and_resume_ends_it(command: Callable, name: str) -> None:
    command("schedules", "set", name, "echo", "--every", "1h")

    paused = command("schedules", "pause", name)
    shown = json.loads(command("schedules", "show", name, "--json").out)["schedule"]
    resumed = command("schedules", "resume", name, "--json")

    assert paused.code == 0
    assert "none of these will fire" in paused.err
    assert "@" in shown["pausedBy"]
    assert "pausedAt" not in json.loads(resumed.out)


def test_list_shows_it_and_delete_removes_it(command: Callable, name: str) -> None:
    command("schedules", "set", name, "echo", "--every", "1h")
    before = command("schedules", "list", "-n", "500").out

    done = command("schedules", "delete", name)

    assert any(row.startswith(name) and "every 1h" in row for row in rows(before))
    assert done.code == 0
    assert name not in json.dumps(json.loads(command("schedules", "list", "-n", "500", "--json").out))
    assert command("schedules", "delete", name).code == 1


def test_preview_of_a_timing_and_of_a_schedule(command: Callable, name: str) -> None:
    command("schedules", "set", name, "echo", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin")
    timing = ("--cron", "30 2 * * *", "--timezone", "Europe/Berlin")
    when = ("--after", "2026-03-28T00:00:00Z", "-n", "3")

    by_timing, by_name = command("schedules", "preview", *timing, *when), command("schedules", "preview", name, *when)

    assert by_timing.out == by_name.out
    assert [row.split("  ")[1] for row in rows(by_timing.out)] == [
        "2026-03-28 02:30:00+01:00",
        "2026-03-29 03:00:00+02:00",
        "2026-03-30 02:30:00+02:00",
    ]


def test_ticks_of_a_schedule_that_has_none_are_said_to_be_none(command: Callable, name: str) -> None:
    command("schedules", "set", name, "echo", "--every", "366d")

    done = command("schedules", "ticks", name)

    assert (done.code, done.out) == (0, "")
    assert "no tick yet" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("set", "x", "echo"), 4, "give either cron or every"),
        (("set", "x", "echo", "--cron", "0 0 30 2 *"), 4, "never fires"),
        (("set", "x", "echo", "--cron", "@daily"), 4, "write five fields"),
        (("set", "x", "echo", "--cron", "-5 * * * *"), 4, "the minute field is wrong"),
        (("set", "x", "echo", "--cron", "* * * * *", "--timezone", "\x1b[2J"), 4, r"no time zone is called '\x1b[2J'"),
        (("set", "x", "echo", "--every", "0s"), 4, "must be a whole number and a unit, from 1s to 366d: "),
        (("set", "x", "echo", "--every", "1s", "--missed", "some"), 4, 'must be one of "skip", "last", "all"'),
        (("set", "a/b", "echo", "--every", "1s"), 2, "the name of a schedule has 1 to 64 letters"),
        (("show", "nothing-here"), 1, "no schedule is called nothing-here"),
        (("pause", "nothing-here"), 1, "no schedule is called nothing-here"),
        (("ticks", "nothing-here"), 1, "no schedule is called nothing-here"),
        (("preview",), 2, "neither a schedule nor a timing is given"),
        (("preview", "x", "--every", "1s"), 2, "a schedule and a timing are given"),
        (("preview", "--every", "1s", "--after", "tomorrow"), 4, "after must be an RFC 3339 instant"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_an_exit_code(
    command: Callable, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = command("schedules", *arguments)

    assert (done.code, done.out) == (code, "")
    assert said in rows(done.err)[0]
    assert "\x1b" not in done.err
    assert json.loads(command("schedules", *arguments, "--json").err)["error"]["exitCode"] == code
