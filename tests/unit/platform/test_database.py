import os
import sqlite3

import pytest

from observatory.client.data_folder import Running
from observatory.core import limits
from observatory.platform.doctor import database
from observatory.platform.doctor.mounts import file_system_of
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.sources import SystemClock
from observatory.testing.manual_sources import ManualClock
from tests.unit.platform.conftest import Make


@pytest.mark.parametrize(
    ("version", "level", "said"),
    [
        ((3, 36, 0), "fail", "3.37.0 is the oldest"),
        ((3, 37, 0), "ok", "only the one that writes"),
        ((3, 51, 2), "ok", "only the one that writes"),
        ((3, 51, 3), "ok", "SQLite 3.51.3"),
    ],
)
def test_the_library_is_judged_by_its_version(version, level, said):
    found = database.judged_library(version)

    assert found.level == level
    assert said in found.detail
    assert ("checkpoint" in found.detail) == ((3, 37) <= version < (3, 51, 3))


@pytest.mark.parametrize(("threading", "level"), [(0, "fail"), (1, "warn"), (3, "ok")])
def test_the_threading_mode_is_judged(threading, level):
    assert database.judged_threading(threading).level == level


@pytest.mark.parametrize(
    ("kind", "level"),
    [("ext4", "ok"), ("nfs4", "warn"), ("fuse.sshfs", "warn"), ("tmpfs", "warn"), (None, "skip")],
)
def test_a_disk_over_the_network_or_in_memory_is_a_warning(tmp_path, kind, level):
    found = database.judged_file_system(kind, tmp_path)

    assert found.level == level
    assert ("ODD_DATA_DIR" in found.remedy) == (level == "warn")


def test_the_deepest_mount_above_a_folder_tells_its_kind_and_the_later_of_two_wins(tmp_path):
    mounts, deep = tmp_path / "mounts", tmp_path / "a b" / "c"
    deep.mkdir(parents=True)
    escaped = str(tmp_path / "a b").replace(" ", "\\040")
    mounts.write_text(
        "1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw\n"
        f"2 1 8:2 / {escaped} rw - xfs /dev/sdb rw\n"
        f"3 1 8:3 / {escaped} rw - nfs4 server:/x rw\n"
        "broken line\n",
        encoding="utf-8",
    )

    assert file_system_of(deep, mounts) == "nfs4"
    assert file_system_of(tmp_path, mounts) == "ext4"
    assert file_system_of(tmp_path, tmp_path / "none") is None


def test_wal_is_tried_in_the_folder_and_nothing_stays(subject_with: Make):
    subject = subject_with()

    found = database.look_at_wal(subject)

    assert (found.level, found.detail) == ("ok", f"works in {subject.data_dir}")
    assert list(subject.data_dir.iterdir()) == []


def test_a_disk_that_refuses_wal_is_a_failure_with_its_error(subject_with: Make, monkeypatch):
    monkeypatch.setattr(database, "_try_wal", lambda path: "delete")
    assert database.look_at_wal(subject_with()).detail.endswith("(it gives delete)")
    assert database.look_at_wal(subject_with()).level == "fail"


def test_what_sqlite_says_of_a_place_that_it_cannot_use_is_given(tmp_path):
    (tmp_path / "probe.db").write_bytes(b"no database at all" * 100)

    assert "DatabaseError: file is not a database" in database._try_wal(tmp_path / "probe.db")


def test_where_a_process_has_the_folder_nothing_is_written(subject_with: Make):
    subject = subject_with()
    folder = DataFolder(subject.data_dir)
    folder.open()
    connection = sqlite3.connect(folder.database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (a)")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in subject.data_dir.iterdir())
    folder_before = subject.data_dir.stat().st_mtime_ns

    wal, fsync = database.look_at_wal(subject), database.look_at_fsync(subject)

    assert (wal.level, wal.detail) == ("ok", "in use by a process")
    assert (fsync.level, fsync.detail) == ("skip", "not measured while a process has the folder")
    assert sorted((path.name, path.stat().st_mtime_ns) for path in subject.data_dir.iterdir()) == before
    assert subject.data_dir.stat().st_mtime_ns == folder_before
    connection.close()
    folder.close()


def test_a_folder_that_does_not_exist_is_tried_in_the_one_above(subject_with: Make, tmp_path):
    found = database.look_at_wal(subject_with(data_dir=tmp_path / "not" / "yet"))

    assert found.detail == f"works in {tmp_path}"
    assert list(tmp_path.iterdir()) == []


def test_a_slow_disk_is_a_warning_at_one_past_the_bound():
    assert database.judged_fsync(limits.FSYNC_S_WARN).level == "ok"
    assert database.judged_fsync(limits.FSYNC_S_WARN + 0.001).level == "warn"


def test_the_median_of_some_writes_is_measured(tmp_path):
    taken = database.fsync_s(tmp_path / "probe", SystemClock())

    assert taken > 0
    assert (tmp_path / "probe").stat().st_size == limits.FSYNC_PROBES * 4096
    assert database.fsync_s(tmp_path / "probe", ManualClock()) == 0


def test_a_folder_that_cannot_be_written_is_not_tried(subject_with: Make, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)

    for look in (database.look_at_wal, database.look_at_fsync):
        found = look(subject_with())
        assert (found.level, found.detail.endswith("cannot be written")) == ("skip", True)


def test_an_owner_that_describes_itself_is_named(subject_with: Make):
    subject = subject_with()
    (subject.data_dir / "running.json").write_text(
        '{"pid": 4711, "instanceId": "i", "version": "1", "startedAt": "2026-01-31T12:00:00Z",'
        ' "gateway": "http://127.0.0.1:9", "readModel": "http://127.0.0.1:9"}',
        encoding="utf-8",
    )

    assert isinstance(subject.owner.running, Running)
    assert (subject.owner.called, subject.owner.is_held, subject.owner.answers) == ("process 4711", False, False)
