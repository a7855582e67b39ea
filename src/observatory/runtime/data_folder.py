"""
The data folder: of an embedded observatory, which is its one owner process; else what the roles of one host share.

    observatory.db    jobs, events, views (SQLite; `-wal` and `-shm` beside it while open)
    lock              held by the owner for as long as it lives; the kernel gives it back on any death. With a
                      database of its own kind elsewhere, held by the `up` that keeps the roles, and by no role
    token             bearer token for writes, 0600
    running.json      the owner's addresses; removed at a clean stop, so its presence alone proves nothing
    config.toml       settings, written by people only
"""

import contextlib
import errno
import os
import re
import shutil
import sqlite3
import stat
from collections.abc import Generator
from pathlib import Path
from typing import IO

import msgspec

from observatory.client.data_folder import RUNNING_FILE, TOKEN_FILE, Running
from observatory.core import limits
from observatory.core.errors import DataFolderInUse, DataFolderUnusable, StoreUnavailable, Unavailable
from observatory.engine.sqlite_file import FileGone, SqliteFile
from observatory.runtime.forks import close_in_forks
from observatory.runtime.sources import new_token

_ELSEWHERE = "point ODD_DATA_DIR at another folder"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""What systems say of a lock that somebody else has. Others, ENOLCK for one, say that the folder knows no locks."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_TOKEN = re.compile(b"[!-~]{%d,%d}" % (limits.TOKEN_CHARS_MIN, limits.TOKEN_CHARS_MAX))
_FREE_BYTES_MIN = 1024 * 1024
"""With less, an input or output error of SQLite is taken for a full disk; a start needs a quarter of it."""


class DataFolder:
    """The folder at *path*; nothing is touched before `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "observatory.db"
        self.token_file = path / TOKEN_FILE
        self.running_file = path / RUNNING_FILE
        self._lock_file = path / "lock"
        self._lock: IO[bytes] | None = None
        own = (self.token_file.name, self.running_file.name, self._lock_file.name, "config.toml")
        self._own_names = frozenset({*own, *(f"{name}.new" for name in own), "lost+found"})
        self.warnings: list[str] = []
        """What was found that a person should know of, one line each; `open` and `token` add to it."""

    def open(self, *, holds_jobs: bool = True) -> None:
        """
        Create what is missing and become the owner.

        Args:
            holds_jobs: False when the jobs are in a database elsewhere.

        Raises:
            DataFolderInUse: Another process owns it.
            DataFolderUnusable: It cannot be created or written.
        """
        with usable(self.path):
            self._make()
            lock = os.fdopen(os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
        try:
            _lock(lock.fileno())
        except OSError as error:
            lock.close()
            if error.errno not in _HELD:
                raise DataFolderUnusable(
                    f"{self.path} cannot be locked ({_reason(error)})", f"use a folder on a local disk: {_ELSEWHERE}"
                ) from error
            raise DataFolderInUse(f"{self.path} is held by another process", f"stop it, or {_ELSEWHERE}") from None
        self._lock = lock
        close_in_forks(lock)
        if holds_jobs and self.token_file.exists() and not _has_bytes(self.database):
            # The token is made after the database, so there was one.
            self.warnings.append("the data folder was used before but has no jobs: beginning anew")

    def is_own(self, name: str) -> bool:
        """True for the name of what an observatory keeps in its folder, and of what a file system does."""
        begins = (self.database.name, f"{self.token_file.name}.new.")
        return name.startswith(begins) or name in self._own_names

    def make(self) -> None:
        """
        Create the folder, without becoming its owner.

        Raises:
            DataFolderUnusable: It cannot be created.
        """
        with usable(self.path):
            self._make()

    def _make(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            blocking = next(path for path in (self.path, *self.path.parents) if path.is_symlink() or path.exists())
            is_it = "it" if blocking == self.path else str(blocking)
            what = "is not a folder" if blocking.exists() else "is a link that leads nowhere"
            raise DataFolderUnusable(
                f"{self.path} cannot be written ({is_it} {what})", f"name a folder: {_ELSEWHERE}"
            ) from error

    def is_held(self) -> bool:
        """
        True when a process owns the folder. Creates nothing.

        Takes the lock for an instant, shared with others that ask: a start at that very instant is told that the
        folder is held. Ask only where no owner answers.

        Raises:
            OSError: The lock cannot be read, or the folder knows no locks.
        """
        try:
            fd = os.open(self._lock_file, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            _lock_shared(fd)
        except OSError as error:
            if error.errno in _HELD:
                return True
            raise
        finally:
            os.close(fd)
        return False

    def close(self) -> None:
        """Give the folder back. Safe to call twice."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def token(self) -> str:
        """
        The bearer token for writes; made on the first call, readable by its owner alone.

        Processes that make it at the same time get the same one.

        Raises:
            DataFolderUnusable: The file holds something else, or a token that is too short to be a secret.
        """
        with usable(self.path):
            token = self._kept_token()
            if token is None:
                _write_first(self.token_file, new_token() + "\n")
                token = self._kept_token()
        assert token is not None, "it was written, by this process or by another one"
        return token

    def _kept_token(self) -> str | None:
        """None when there is none. An empty file is none, and is removed."""
        try:
            token = self._checked_token(self.token_file.read_bytes().strip())
        except FileNotFoundError:
            return None
        if not token:
            self.token_file.unlink(missing_ok=True)
            return None
        self._keep_to_owner(self.token_file)
        return token

    def _checked_token(self, raw: bytes) -> str:
        if raw and not _TOKEN.fullmatch(raw):
            raise DataFolderUnusable(
                f"{self.token_file} does not hold a token: one word of {limits.TOKEN_CHARS_MIN} to "
                f"{limits.TOKEN_CHARS_MAX} printable ASCII characters",
                "remove the file, so that the next start makes a token",
            )
        return raw.decode()

    def _keep_to_owner(self, path: Path) -> None:
        """Take the permissions of others away from a secret. They may have read it: that is worth a line."""
        mode = stat.S_IMODE(path.stat().st_mode)
        if os.name != "nt" and mode & _OTHERS:
            with contextlib.suppress(OSError):  # of somebody else, or on a read-only disk: the line says what is
                path.chmod(0o600)
            now = stat.S_IMODE(path.stat().st_mode)
            self.warnings.append(f"other users could read {path.name} (mode {mode:04o}); its mode is {now:04o} now")

    def write_running(self, running: Running) -> None:
        """Publish the owner's addresses."""
        with usable(self.path):
            _write_private(self.running_file, msgspec.json.format(msgspec.json.encode(running)).decode() + "\n")

    def remove_running(self) -> None:
        """Take the addresses back."""
        with contextlib.suppress(OSError):
            self.running_file.unlink()


@contextlib.contextmanager
def usable(path: Path, *, elsewhere: str = _ELSEWHERE) -> Generator[None]:
    """
    Turn what goes wrong with files at *path* into one clear line.

    Args:
        elsewhere: What to do when *path* itself cannot be mended.

    Raises:
        DataFolderUnusable: Full, read-only, forbidden, locked, damaged, or not a folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(path, elsewhere) from error
        raise DataFolderUnusable(f"{path} cannot be written ({_reason(error)})", f"allow it, or {elsewhere}") from error
    except sqlite3.Error as error:
        raise _unusable_database(path, error, elsewhere) from error


@contextlib.contextmanager
def answering(path: Path) -> Generator[None]:
    """
    As `usable`, for services that already translated what the database at *path* said.

    Raises:
        DataFolderUnusable: As `usable`.
    """
    try:
        yield
    except Unavailable as error:
        reason = _said_by_the_engine(error.__cause__)
        if not isinstance(reason, sqlite3.Error):
            raise
        raise _unusable_database(path, reason, _ELSEWHERE) from error


class CannotWrite(StoreUnavailable):
    """
    The database can be read and not written.

    Args:
        code: For machines: `file_gone`, `disk_full` or `write_failed`.
    """

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


def check_writes(file: SqliteFile) -> None:
    """
    Return when *file* still has its name and took the last write that it was given.

    Raises:
        CannotWrite: It has not, or did not.
    """
    try:
        file.check_name()
    except FileGone as error:
        raise CannotWrite("file_gone", str(error)) from error
    error = _said_by_the_engine(file.write_error)
    if error is not None:
        code = "disk_full" if isinstance(error, sqlite3.Error) and _means_full(file.path, error) else "write_failed"
        raise CannotWrite(code, f"the last write failed ({error})") from error


def _said_by_the_engine(error: BaseException | None) -> BaseException | None:
    """The engine's own error behind one of ours, which has no result code."""
    cause = error.__cause__ if error is not None else None
    return cause if isinstance(error, sqlite3.Error) and isinstance(cause, sqlite3.Error) else error


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; an error that it did not raise has none."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _means_full(path: Path, error: sqlite3.Error) -> bool:
    code = _code(error)
    return code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_nearly_full(path))


def _unusable_database(path: Path, error: sqlite3.Error, elsewhere: str) -> DataFolderUnusable:
    if _means_full(path, error):
        return _full(path, elsewhere)
    code = _code(error)
    if code == sqlite3.SQLITE_IOERR:
        return DataFolderUnusable(
            f"{path} cannot be written ({error})", f"look at the disk, its quota and its limits, or {elsewhere}"
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return DataFolderUnusable(f"{path} is in use ({error})", f"close the program that has it open, or {elsewhere}")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return DataFolderUnusable(f"{path} cannot be written ({error})", f"allow it, or {elsewhere}")
    return DataFolderUnusable(f"{path} is damaged ({error})", f"bring back a copy, or {elsewhere}")


def _full(path: Path, elsewhere: str) -> DataFolderUnusable:
    return DataFolderUnusable(f"no space is left for {path}", f"free some space, or {elsewhere}")


def _is_nearly_full(path: Path) -> bool:
    """SQLite says "disk I/O error" when it finds no room for its shared memory, or when a quota is used up."""
    try:
        return shutil.disk_usage(path.parent).free < _FREE_BYTES_MIN
    except OSError:
        return False


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)


def make_private(path: Path) -> None:
    """Make an empty file that nobody but its owner may read. One that exists keeps its content and its mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _has_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _write_private(path: Path, text: str) -> None:
    """Replace *path* at once: nobody ever reads half of it."""
    temporary = path.with_name(path.name + ".new")
    _write_durably(temporary, text)
    temporary.replace(path)


def _write_first(path: Path, text: str) -> None:
    """As `_write_private`, unless *path* exists by then: of several writers the first one wins."""
    temporary = path.with_name(f"{path.name}.new.{os.getpid()}")
    _write_durably(temporary, text)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_durably(temporary: Path, text: str) -> None:
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


if os.name == "nt":
    import msvcrt

    def _lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    _lock_shared = _lock

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _lock_shared(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
