import os
import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from observatory.client.data_folder import Running
from observatory.core import limits
from observatory.core.errors import DataTooNew
from observatory.platform.doctor import data_folder
from observatory.platform.doctor.subject import Owner
from observatory.runtime.data_folder import DataFolder
from tests.unit.platform.conftest import Make

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUNNING = Running(
    pid=4711,
    instance_id="i",
    version="0.1.0",
    started_at=NOW,
    gateway="http://127.0.0.1:9",
    read_model="http://127.0.0.1:9",
)


def test_the_folder_is_named_with_where_its_name_comes_from(subject_with: Make):
    subject = subject_with(data_dir_origin="environment")

    assert data_folder.look_at_folder(subject).detail == f"{subject.data_dir} (environment)"


def test_a_folder_that_does_not_exist_can_be_made(subject_with: Make, tmp_path):
    found = data_folder.look_at_folder(subject_with(data_dir=tmp_path / "not" / "yet"))

    assert found.level == "ok"
    assert found.detail.endswith(f"the first start makes it in {tmp_path}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["data", "data/below"])
def test_a_file_in_the_place_of_the_folder_is_a_failure(subject_with: Make, tmp_path, where):
    (tmp_path / "data").write_text("a file", encoding="utf-8")

    found = data_folder.look_at_folder(subject_with(data_dir=tmp_path / where))

    assert found.level == "fail"
    assert f"{tmp_path / 'data'} is not a folder" in found.detail


def test_a_link_that_leads_nowhere_is_a_failure(subject_with: Make, tmp_path):
    (tmp_path / "data").symlink_to(tmp_path / "nowhere")

    assert data_folder.look_at_folder(subject_with(data_dir=tmp_path / "data")).level == "fail"


def test_a_folder_that_cannot_be_written_is_a_failure_with_the_command(subject_with: Make, monkeypatch):
    subject = subject_with()
    monkeypatch.setattr(os, "access", lambda *_: False)

    found = data_folder.look_at_folder(subject)

    assert (found.level, "cannot be written" in found.detail) == ("fail", True)
    assert found.remedy.startswith(f"chmod u+wx {subject.data_dir}")


def test_on_a_read_only_disk_no_change_of_permissions_is_advised(subject_with: Make, monkeypatch):
    subject = subject_with()
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))

    assert "mounted read-only" in data_folder.look_at_folder(subject).remedy


def test_permissions_of_others_are_a_warning_with_the_commands_that_mend_it(subject_with: Make):
    subject = subject_with()
    token = subject.data_dir / "token"
    token.write_text("x" * 43, encoding="utf-8")
    token.chmod(0o640)
    subject.data_dir.chmod(0o755)

    found = data_folder.look_at_permissions(subject)
    assert os.system(found.remedy) == 0
    mended = data_folder.look_at_permissions(subject)

    assert found.level == "warn"
    assert "(mode 0755)" in found.detail
    assert "(mode 0640)" in found.detail
    assert "x" * 43 not in found.detail + found.remedy
    assert mended.level == "ok"


@pytest.mark.parametrize(
    ("free", "level"),
    [
        (limits.FREE_BYTES_FAIL - 1, "fail"),
        (limits.FREE_BYTES_FAIL, "warn"),
        (limits.FREE_BYTES_WARN - 1, "warn"),
        (limits.FREE_BYTES_WARN, "ok"),
    ],
)
def test_little_space_is_a_warning_and_hardly_any_a_failure(subject_with: Make, monkeypatch, free, level):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    found = data_folder.look_at_space(subject_with())

    assert found.level == level
    assert bool(found.remedy) == (level != "ok")


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (2**30, "1.0 GiB"), (2**41, "2.0 TiB")],
)
def test_sizes_are_shown_for_people(count, shown):
    assert data_folder.size(count) == shown


@pytest.mark.parametrize(
    ("owner", "level", "said"),
    [
        (Owner(running=None, answers=False, is_held=False), "ok", "nobody"),
        (Owner(running=RUNNING, answers=True, is_held=True), "ok", "process 4711 since 2026-01-31"),
        (Owner(running=RUNNING, answers=False, is_held=False), "ok", "process 4711 ended without a word"),
        (Owner(running=RUNNING, answers=False, is_held=True), "fail", "does not answer at http://127.0.0.1:9"),
        (Owner(running=None, answers=False, is_held=True), "warn", "it begins or ends"),
        (Owner(running=None, answers=False, is_held=False, fault="odd", remedy="do"), "fail", "odd"),
    ],
)
def test_the_owner_is_named_and_one_that_does_not_answer_is_a_failure(owner, level, said):
    found = data_folder.judged_owner(owner)

    assert (found.level, said in found.detail) == (level, True)
    assert bool(found.remedy) == (level != "ok")


def test_a_lock_that_is_held_is_seen_and_one_that_was_given_back_is_not(subject_with: Make):
    subject = subject_with()
    folder = DataFolder(subject.data_dir)

    assert not DataFolder(subject.data_dir).is_held()
    assert list(subject.data_dir.iterdir()) == []
    folder.open()
    assert DataFolder(subject.data_dir).is_held()
    assert DataFolder(subject.data_dir).is_held(), "asking takes nothing away"
    folder.close()
    assert not DataFolder(subject.data_dir).is_held()


def test_who_asks_keeps_nobody_from_the_folder(subject_with: Make):
    subject = subject_with()
    DataFolder(subject.data_dir).is_held()

    folder = DataFolder(subject.data_dir)
    folder.open()
    folder.close()


def test_a_description_that_cannot_be_read_is_a_failure_and_then_nothing_is_tried(subject_with: Make):
    from observatory.platform.doctor.database import look_at_wal

    subject = subject_with()
    (subject.data_dir / "running.json").write_text("{", encoding="utf-8")

    assert data_folder.look_at_owner(subject).level == "fail"
    assert look_at_wal(subject).level == "skip"


def test_a_lock_that_cannot_be_read_is_a_failure_with_a_command(subject_with: Make):
    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    found = data_folder.look_at_owner(subject_with(is_held=forbidden))

    assert (found.level, found.detail) == ("fail", "who has the folder cannot be told (Permission denied)")
    assert found.remedy.startswith("ls -la ")


@pytest.mark.parametrize(
    ("numbers", "said"),
    [(None, "no jobs yet"), ((3, 3), "3, the one of this release"), ((1, 3), "1; the next start brings it to 3")],
)
def test_the_schema_is_named(subject_with: Make, numbers, said):
    found = data_folder.look_at_schema(subject_with(schema_of=lambda _: numbers))

    assert (found.level, said in found.detail) == ("ok", True)


def test_data_of_a_later_release_is_a_failure(subject_with: Make):
    def too_new(_):
        raise DataTooNew("it has schema 9; this release knows up to 3", "install the release that wrote it")

    found = data_folder.look_at_schema(subject_with(schema_of=too_new))

    assert (found.level, found.remedy) == ("fail", "install the release that wrote it")


def test_the_newest_copy_is_named(subject_with: Make):
    subject = subject_with()
    for number, name in enumerate(("observatory.db.before-003", "observatory.db.before-002", "observatory.db-wal")):
        path = subject.data_dir / name
        path.write_bytes(bytes(2048))
        os.utime(path, (NOW.timestamp() - number * 60, NOW.timestamp() - number * 60))

    found = data_folder.look_at_copies(subject)

    assert found.detail == ("2 beside the data; the newest is observatory.db.before-003 of 2026-01-31 12:00Z, 2.0 KiB")


def test_data_from_the_future_says_that_a_clock_went_back():
    assert data_folder.judged_times(NOW + timedelta(seconds=60), NOW).level == "ok"
    assert data_folder.judged_times(NOW + timedelta(seconds=61), NOW).level == "warn"
