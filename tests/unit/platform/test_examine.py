"""One check cannot end, hold up or dirty the whole examination."""

import signal
import threading
from pathlib import Path

import pytest

from observatory import contracts
from observatory.cli.output import json_line
from observatory.core import strict_json
from observatory.platform.doctor.examine import DETAIL_BYTES_MAX, Check, examine
from observatory.platform.doctor.groups import GROUPS
from observatory.platform.doctor.report import GroupName, ok, skip, warn
from observatory.platform.doctor.subject import PROBE_PREFIX, Subject
from tests.unit.platform.conftest import Make


def checks(*looks, s_max=5.0):
    return [("system", [Check(f"check_{number}", "nothing", look, s_max) for number, look in enumerate(looks)])]


def crash(_):
    raise SystemExit("the check leaves")


def test_a_check_that_crashes_is_a_failure_with_its_error_and_the_others_go_on(subject_with: Make):
    report = examine(subject_with(), checks(crash, lambda _: ok("fine")))

    first, second = report.groups[0].checks
    assert (first.level, second.level) == ("fail", "ok")
    assert first.detail == "could not be looked at: SystemExit: the check leaves"
    assert report.level == "fail"


def test_a_check_that_does_not_end_is_a_failure_and_the_others_go_on(subject_with: Make):
    never = threading.Event()

    report = examine(subject_with(), checks(lambda _: never.wait(), lambda _: ok("fine"), s_max=0.05))
    never.set()

    assert [check.level for check in report.groups[0].checks] == ["fail", "ok"]
    assert report.groups[0].checks[0].detail == "did not answer within 0.05 s"


def test_the_worst_check_decides_and_one_that_was_not_made_does_not_count(subject_with: Make):
    def level(*looks):
        return examine(subject_with(), checks(*looks)).level

    assert level(lambda _: skip("not here")) == "ok"
    assert level(lambda _: ok("a"), lambda _: warn("b", "c"), lambda _: skip("d")) == "warn"
    assert level(crash, lambda _: warn("b", "c")) == "fail"


def test_a_probe_of_a_check_that_was_given_up_is_removed(subject_with: Make):
    never, began = threading.Event(), threading.Event()

    def stuck(subject: Subject):
        with subject.probes.folder(subject.place) as folder:
            (folder / "file").touch()
            began.set()
            never.wait()
        return ok("late")

    subject = subject_with()
    report = examine(subject, checks(stuck, s_max=0.2))

    assert began.is_set()
    assert report.level == "fail"
    assert list(subject.data_dir.iterdir()) == []
    never.set()


def test_an_interrupted_examination_leaves_no_probe(subject_with: Make):
    never = threading.Event()

    def interrupting(subject: Subject):
        with subject.probes.folder(subject.place):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            never.wait()
        return ok("late")

    subject = subject_with()
    with pytest.raises(KeyboardInterrupt):
        examine(subject, checks(interrupting))

    assert list(subject.data_dir.iterdir()) == []
    never.set()


def test_after_the_end_no_probe_is_made(subject_with: Make):
    subject = subject_with()
    examine(subject, checks(lambda _: ok("fine")))

    with pytest.raises(RuntimeError), subject.probes.folder(subject.data_dir):
        pass

    assert list(subject.data_dir.iterdir()) == []


def test_the_report_of_all_groups_fits_its_schema_and_changes_nothing(subject_with: Make, tmp_path: Path):
    subject = subject_with()

    report = examine(subject, GROUPS)

    document = strict_json.decode(json_line(report).encode())
    assert contracts.validate("doctor-report", document, known_values_only=True) == []
    assert list(tmp_path.rglob(f"*{PROBE_PREFIX}*")) == []
    assert list(subject.data_dir.iterdir()) == []
    assert not {check.level for group in report.groups for check in group.checks} & {"fail"}


def test_a_report_about_hostile_names_fits_its_schema(subject_with: Make, tmp_path: Path):
    hostile = tmp_path / ("\udcff\n\x1b[31m" + "é" * 80)

    report = examine(subject_with(data_dir=hostile, problems=("x" * 5_000, "\udcff")), GROUPS)

    document = strict_json.decode(json_line(report).encode())
    assert contracts.validate("doctor-report", document) == []
    assert all(len(check.detail.encode()) <= DETAIL_BYTES_MAX for group in report.groups for check in group.checks)


def test_names_are_unique_and_every_group_has_its_word():
    assert [name for name, _ in GROUPS] == list(GroupName.__args__)
    for _, group in GROUPS:
        names = [check.name for check in group]
        assert len(names) == len(set(names))
