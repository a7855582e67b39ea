"""SQLite: the library, and what the disk of the data folder makes of it."""

import os
import sqlite3
import statistics
import sys
from pathlib import Path

from observatory.core import limits
from observatory.core.sources import Clock
from observatory.platform.doctor.examine import Check
from observatory.platform.doctor.mounts import file_system_of
from observatory.platform.doctor.report import Finding, fail, ok, skip, warn
from observatory.platform.doctor.subject import Subject

VERSION_MIN = (3, 37, 0)
"""STRICT tables; UPDATE … FROM is older, from 3.33."""
WAL_RESET_MENDED = (3, 51, 3)
THREADING = {0: "single-thread", 1: "multi-thread", 3: "serialized"}
WAL_FORMAT = b"\x02\x02"
"""Bytes 18 and 19 of a database file in WAL mode: what is needed to write and to read it."""

_LOCAL_DISK = "export ODD_DATA_DIR=FOLDER  # on a local disk"
_OF_NETWORKS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs"}
    | {"nfs", "nfs4", "ocfs2", "smb3", "smbfs", "vboxsf"}
    | {f"fuse.{kind}" for kind in ("ceph", "glusterfs", "rclone", "s3fs", "sshfs")}
)
_OF_MEMORY = frozenset({"ramfs", "tmpfs"})


def look_at_library(subject: Subject) -> Finding:
    return judged_library(sqlite3.sqlite_version_info)


def judged_library(version: tuple[int, int, int]) -> Finding:
    called = ".".join(map(str, version))
    if version < VERSION_MIN:
        wanted = ".".join(map(str, VERSION_MIN))
        return fail(
            f"SQLite {called}; {wanted} is the oldest that works", "use a Python that is built with a newer SQLite"
        )
    if version < WAL_RESET_MENDED:
        return ok(
            f"SQLite {called}; before 3.51.3 two connections that checkpoint at once may damage a file: "
            f"here only the one that writes ever does"
        )
    return ok(f"SQLite {called}")


def look_at_threading(subject: Subject) -> Finding:
    return judged_threading(sqlite3.threadsafety)


def judged_threading(level: int) -> Finding:
    called = THREADING.get(level, f"level {level}")
    remedy = "use a Python whose SQLite is compiled with SQLITE_THREADSAFE=1"
    if level == 0:
        return fail(f"{called}: the writer and the readers have threads of their own", remedy)
    return ok(called) if level == 3 else warn(f"{called}: not what the program is tested with", remedy)


def look_at_file_system(subject: Subject) -> Finding:
    return judged_file_system(file_system_of(subject.place), subject.place)


def judged_file_system(kind: str | None, place: Path) -> Finding:
    if kind is None:
        return skip(f"{sys.platform} does not tell which kind {place} lies on")
    if kind in _OF_NETWORKS:
        return warn(f"{kind} at {place}: over a network, locks and fsync cannot be relied on", _LOCAL_DISK)
    if kind in _OF_MEMORY:
        return warn(f"{kind} at {place}: it is kept in memory, and lost with the power", _LOCAL_DISK)
    return ok(f"{kind} at {place}")


def look_at_wal(subject: Subject) -> Finding:
    if subject.owner.is_held:
        return _wal_in_use(subject)
    if reason := _not_probed(subject):
        return skip(reason)
    with subject.probes.folder(subject.place) as folder:
        mode = _try_wal(folder / "probe.db")
    if mode != "wal":
        return fail(f"the disk at {subject.place} does not allow it (it gives {mode})", _LOCAL_DISK)
    return ok(f"works in {subject.place}")


def _try_wal(path: Path) -> str:
    """Write and read side by side, as the program does; gives the journal mode, or what went wrong."""
    writer = sqlite3.connect(path, isolation_level=None)
    reader = sqlite3.connect(path, isolation_level=None)
    try:
        mode: str = writer.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        writer.execute("PRAGMA synchronous = FULL")
        writer.execute("CREATE TABLE probe (number INTEGER) STRICT")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO probe VALUES (1)")
        reader.execute("SELECT count(*) FROM probe").fetchall()
        writer.execute("COMMIT")
    except sqlite3.Error as error:
        return f"{type(error).__name__}: {error}"
    finally:
        reader.close()
        writer.close()
    return mode


def _wal_in_use(subject: Subject) -> Finding:
    called = subject.owner.called
    # Not through SQLite: closing a file would drop the locks that an owner in this process has on it.
    with (subject.data_dir / "observatory.db").open("rb") as file:
        head = file.read(20)
    if head[18:20] != WAL_FORMAT:
        return skip(f"not tried while {called} has the folder; its file does not say")
    return ok(f"in use by {called}")


def look_at_fsync(subject: Subject) -> Finding:
    if subject.owner.is_held:
        return skip(f"not measured while {subject.owner.called} has the folder")
    if reason := _not_probed(subject):
        return skip(reason)
    with subject.probes.folder(subject.place) as folder:
        return judged_fsync(fsync_s(folder / "probe", subject.clock))


def fsync_s(path: Path, clock: Clock) -> float:
    """The median time, in seconds, that a page takes to become durable in *path*."""
    taken: list[float] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(limits.FSYNC_PROBES):
            began_s = clock.monotonic()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            taken.append(clock.monotonic() - began_s)
    return statistics.median(taken)


def judged_fsync(median_s: float) -> Finding:
    detail = f"{median_s * 1000:.2f} ms (median of {limits.FSYNC_PROBES})"
    if median_s > limits.FSYNC_S_WARN:
        return warn(f"{detail}: each commit takes as long", "export ODD_DATA_DIR=FOLDER  # on a faster disk")
    return ok(detail)


def _not_probed(subject: Subject) -> str:
    """Why nothing can be tried there; empty when it can."""
    if subject.owner.fault:
        return "not tried: it is not known who has the folder"
    if os.access(subject.place, os.W_OK | os.X_OK):
        return ""
    return f"not tried: {subject.place} cannot be written"


CHECKS = (
    Check("library", "keeping jobs", look_at_library),
    Check("threading", "reading while something is written", look_at_threading),
    Check("file_system", "durability", look_at_file_system),
    Check("wal", "reading while something is written", look_at_wal),
    Check("fsync", "durability and speed of every accepted job", look_at_fsync),
)
