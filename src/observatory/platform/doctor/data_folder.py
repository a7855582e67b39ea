"""The data folder: where it is, who may read it, who has it, and what is in it."""

import os
import shlex
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from observatory.client.data_folder import TOKEN_FILE
from observatory.core import limits
from observatory.core.errors import CannotStart
from observatory.platform.doctor.examine import Check
from observatory.platform.doctor.report import Finding, fail, ok, skip, warn
from observatory.platform.doctor.subject import Owner, Subject, is_folder

DATABASE = "observatory.db"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_ELSEWHERE = "export ODD_DATA_DIR=FOLDER  # a folder of your own"
_OR_ELSEWHERE = "or: export ODD_DATA_DIR=FOLDER"
_AGAIN = "odd-dashboard doctor --group data"


def look_at_folder(subject: Subject) -> Finding:
    path, place = subject.data_dir, subject.place
    called = f"{path} ({subject.data_dir_origin})"
    blocking = next((above for above in (path, *path.parents) if _is_there(above)), place)
    if not is_folder(blocking):
        return fail(f"{called}: {blocking} is not a folder", _ELSEWHERE)
    if not os.access(place, os.W_OK | os.X_OK):
        what = "cannot be written" if place == path else f"cannot be made: {place} cannot be written"
        return fail(f"{called} {what}", _writable(place))
    return ok(called if place == path else f"{called}: does not exist; the first start makes it in {place}")


def _is_there(path: Path) -> bool:
    """Also of a link that leads nowhere; False where the system does not let us see it."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _writable(place: Path) -> str:
    if hasattr(os, "statvfs") and os.statvfs(place).f_flag & os.ST_RDONLY:
        return f"findmnt -T {shlex.quote(str(place))}  # the disk is mounted read-only; {_OR_ELSEWHERE}"
    return f"chmod u+wx {shlex.quote(str(place))}  # {_OR_ELSEWHERE}"


def look_at_permissions(subject: Subject) -> Finding:
    if os.name == "nt":
        return skip("the folder of a user belongs to that user alone on this system")
    if not is_folder(subject.data_dir):
        return skip("there is no folder that we may see")
    token = subject.data_dir / TOKEN_FILE
    faults: list[str] = []
    remedies: list[str] = []
    for path, mode in ((subject.data_dir, "700"), (token, "600")):
        found = _mode(path)
        if found is not None and found & _OTHERS:
            faults.append(f"other users may use {path} (mode {found:04o})")
            remedies.append(f"chmod {mode} {shlex.quote(str(path))}")
    if faults:
        return warn("; ".join(faults), " && ".join(remedies))
    return ok("the folder and the token are for their owner alone")


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:  # it does not exist, or others keep it from us
        return None


def look_at_space(subject: Subject) -> Finding:
    return judged_space(shutil.disk_usage(subject.place).free, subject.place)


def judged_space(free_bytes: int, place: Path) -> Finding:
    detail = f"{size(free_bytes)} free at {place}"
    remedy = f"du -xh {shlex.quote(str(place))} | sort -h | tail  # free some space, {_OR_ELSEWHERE}"
    if free_bytes < limits.FREE_BYTES_FAIL:
        return fail(f"{detail}: less than {size(limits.FREE_BYTES_FAIL)}", remedy)
    if free_bytes < limits.FREE_BYTES_WARN:
        return warn(f"{detail}: less than {size(limits.FREE_BYTES_WARN)}", remedy)
    return ok(detail)


def size(count: float) -> str:
    """*count* bytes for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def look_at_owner(subject: Subject) -> Finding:
    return judged_owner(subject.owner)


def judged_owner(owner: Owner) -> Finding:
    if owner.fault:
        return fail(owner.fault, owner.remedy)
    running = owner.running
    if owner.answers and running is not None:
        since = f"{running.started_at:%Y-%m-%d %H:%M:%SZ}"
        return ok(f"process {running.pid} since {since}, version {running.version}, answers at {running.gateway}")
    if owner.is_held and running is not None:
        why = f"process {running.pid} has the folder and does not answer at {running.gateway}"
        return fail(why, f"kill {running.pid}; odd-dashboard up  # its data stays; kill -9 where that does not end it")
    if owner.is_held:
        return warn("a process has the folder and does not say where it listens: it begins or ends", _AGAIN)
    if running is not None:
        return ok(f"nobody; process {running.pid} ended without a word, and the next start takes over")
    return ok("nobody; the next start takes it")


def look_at_schema(subject: Subject) -> Finding:
    try:
        numbers = subject.schema_of(subject.data_dir)
    except CannotStart as error:
        return fail(str(error), error.remedy)
    if numbers is None:
        return ok("no jobs yet; the first start makes the database")
    found, known = numbers
    if found < known:
        return ok(f"{found}; the next start brings it to {known}, after a copy was made")
    return ok(f"{found}, the one of this release")


def look_at_copies(subject: Subject) -> Finding:
    paths = subject.data_dir.glob(f"{DATABASE}.*") if is_folder(subject.data_dir) else ()
    copies = [(path.stat().st_mtime, path) for path in paths]
    if not copies:
        return ok("none beside the data")
    copies.sort()
    at_s, newest = copies[-1]
    at = datetime.fromtimestamp(at_s, UTC)
    return ok(f"{len(copies)} beside the data; the newest is {newest.name} of {at:%Y-%m-%d %H:%M}Z, {_size_of(newest)}")


def _size_of(path: Path) -> str:
    return size(path.stat().st_size)


def look_at_times(subject: Subject) -> Finding:
    try:
        at_s = (subject.data_dir / DATABASE).stat().st_mtime
    except OSError:
        return skip("there are no jobs that we may see")
    return judged_times(datetime.fromtimestamp(at_s, UTC), subject.clock.now())


def judged_times(written: datetime, now: datetime) -> Finding:
    if written > now + timedelta(minutes=1):
        return warn(
            f"the data was written at {written:%Y-%m-%d %H:%M:%S}Z, which is later than now: a clock went back",
            "timedatectl set-ntp true",
        )
    return ok(f"the data was written last at {written:%Y-%m-%d %H:%M:%S}Z")


CHECKS = (
    Check("folder", "keeping jobs", look_at_folder),
    Check("permissions", "keeping the token a secret", look_at_permissions),
    Check("space", "accepting jobs", look_at_space),
    Check("owner", "starting, and every other command", look_at_owner),
    Check("schema", "starting", look_at_schema),
    Check("written", "jobs that are due at a time", look_at_times),
    Check("copies", "going back", look_at_copies),
)
