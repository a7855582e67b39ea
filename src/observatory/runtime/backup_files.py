"""
A backup on the disk: a folder with the database and a manifest that says what it is.

The manifest is written last, and the folder gets its name after everything in it is on the disk: what has the
name is complete. Everything in it is readable by its owner alone.
"""

import contextlib
import glob
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path

import msgspec

from observatory.core import limits
from observatory.core.errors import CannotStart

DATABASE = "observatory.db"
MANIFEST = "manifest.json"
FORMAT = 1

Say = Callable[[int, int], None]
"""Told (done, total)."""

_PARTIAL = ".partial-"
"""Between the name of a backup that is being made and the number of the process that makes it."""

_PIECE_BYTES = 4 * 1024 * 1024


class BackupUnusable(CannotStart):
    """A backup is not one, is not whole, or is not as it was made."""

    code = "backup_unusable"


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a backup holds."""

    format: int
    version: str
    """Of the release that made it."""
    schema: int
    """Number of the newest migration in it."""
    created_at: datetime
    generation: str
    """Of the history that its positions belong to."""
    position: int
    jobs: int
    events: int
    pruned_jobs: int
    violations: int
    """Faults that the audit found in the copy, as in its source; 0 for a sound one."""
    bytes: int
    sha256: str


@contextlib.contextmanager
def new_folder(path: Path) -> Generator[Path]:
    """
    A private folder that becomes *path* when the block ends, and is gone when it fails.

    Raises:
        BackupUnusable: *path* exists, or what a killed backup left is in the way; nothing was touched.
    """
    if path.exists() or path.is_symlink():
        raise BackupUnusable(f"{path} exists already", "name a folder that does not exist")
    partial = path.with_name(f"{path.name}{_PARTIAL}{os.getpid()}")
    try:
        partial.mkdir(mode=0o700)
    except FileExistsError:  # where every run has the same number, as in a container
        raise BackupUnusable(f"{partial} is in the way: a backup that was killed left it", "remove it") from None
    try:
        yield partial
        sync_folder(partial)
        partial.rename(path)
        sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def left_over(path: Path) -> list[Path]:
    """
    What backups to *path* left that were killed.

    A process with their number may run on another machine, or in a container: they are for a person to remove.
    """
    path = path.absolute()
    try:
        found = sorted(path.parent.glob(f"{glob.escape(path.name)}{_PARTIAL}*"))
    except OSError:
        return []
    return [one for one in found if not _runs(one.name.rpartition("-")[2])]


def _runs(number: str) -> bool:
    """True also for what is no number of a process, and where the system does not tell."""
    if os.name == "nt" or not number.isdecimal():
        return True
    try:
        os.kill(int(number), 0)  # sends nothing
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return int(number) != os.getpid()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write *manifest* durably."""
    fd = os.open(folder / MANIFEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> Manifest:
    """
    What the backup in *folder* says that it is.

    Raises:
        BackupUnusable: It has no manifest, or one that cannot be understood.
    """
    path = folder / MANIFEST
    remedy = f"name a folder that `odd-dashboard backup` made, with {DATABASE} and {MANIFEST}"
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise BackupUnusable(f"{path} is not a file", remedy)
        with path.open("rb") as file:
            content = file.read(limits.MANIFEST_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise BackupUnusable(f"{folder} is not a complete backup: it has no {MANIFEST}", remedy) from None
    except OSError as error:
        raise BackupUnusable(f"{path} cannot be read ({error.strerror})", "allow it") from error
    if len(content) > limits.MANIFEST_BYTES_MAX:
        raise BackupUnusable(f"{path} is longer than {limits.MANIFEST_BYTES_MAX} bytes", remedy)
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackupUnusable(f"{path} cannot be understood ({error})", remedy) from error
    if manifest.format != FORMAT:
        raise BackupUnusable(
            f"{folder} has format {manifest.format}; this release reads format {FORMAT}", "use the release that made it"
        )
    return manifest


def digest_of_file(path: Path, say: Say) -> str:
    """SHA-256 of *path*, in little memory."""
    return _pass_over(path, None, say)


def copy_checked(manifest: Manifest, source: Path, target: Path, say: Say) -> None:
    """
    Copy *source* to the new file *target*, durably, if it is what *manifest* says.

    Raises:
        BackupUnusable: It cannot be read, is another file, or a part of it. *target* is then of no use.
        OSError: *target* cannot be written.
    """
    with _reading(source):
        found = source.stat()
    if not stat.S_ISREG(found.st_mode):
        raise BackupUnusable(f"{source} is not a file", "use another backup")
    if found.st_size != manifest.bytes:
        detail = f"{source} has {found.st_size} bytes; its manifest says {manifest.bytes}"
        raise BackupUnusable(detail, "it was cut short or changed after it was made; use another backup")
    if _pass_over(source, target, say) != manifest.sha256:
        detail = f"{source} is not what its manifest says (SHA-256 differs)"
        raise BackupUnusable(detail, "it was changed or damaged after it was made; use another backup")


@contextlib.contextmanager
def _reading(source: Path) -> Generator[None]:
    """What goes wrong with the backup is not said of the folder that it is brought back into."""
    try:
        yield
    except FileNotFoundError:
        raise BackupUnusable(f"{source} does not exist", "the backup is not complete; use another one") from None
    except OSError as error:
        raise BackupUnusable(f"{source} cannot be read ({error.strerror})", "allow it") from error


def _pass_over(source: Path, target: Path | None, say: Say) -> str:
    digest, done, total = hashlib.sha256(), 0, source.stat().st_size
    with contextlib.ExitStack() as stack:
        with _reading(source):
            reading = stack.enter_context(source.open("rb"))
        writing = None
        if target is not None:
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            writing = stack.enter_context(os.fdopen(fd, "wb"))
        while piece := reading.read(_PIECE_BYTES):
            digest.update(piece)
            if writing is not None:
                writing.write(piece)
            done += len(piece)
            say(done, total)
        if writing is not None:
            writing.flush()
            os.fsync(writing.fileno())
    return digest.hexdigest()


def sync_file(path: Path) -> None:
    """What *path* holds is on the disk when this returns."""
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(path: Path) -> None:
    """The names in *path* are on the disk when this returns, where the system can do that."""
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
