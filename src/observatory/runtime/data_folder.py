"""
The data folder of an embedded observatory: one owner process at a time.

    observatory.db    jobs, events, views (SQLite; `-wal` and `-shm` beside it while open)
    lock              held by the owner for as long as it lives; the kernel gives it back on any death
    token             bearer token for writes, 0600
    running.json      the owner's addresses; removed at a clean stop, so its presence alone proves nothing
    config.toml       settings, written by people only
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Generator
from pathlib import Path

import msgspec

from observatory.client.data_folder import RUNNING_FILE, TOKEN_FILE, Running
from observatory.core.errors import DataFolderInUse, DataFolderUnusable
from observatory.runtime.forks import close_in_forks, keep_in_forks
from observatory.runtime.sources import new_token


class DataFolder:
    """The folder at *path*; nothing is touched before `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "observatory.db"
        self.token_file = path / TOKEN_FILE
        self.running_file = path / RUNNING_FILE
        self._lock_file = path / "lock"
        self._lock_fd: int | None = None

    def open(self) -> None:
        """
        Create what is missing and become the owner.

        Raises:
            DataFolderInUse: Another process owns it.
            DataFolderUnusable: It cannot be created or written.
        """
        with usable(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(fd)
        except OSError:
            os.close(fd)
            raise DataFolderInUse(
                f"{self.path} is held by another process", "stop it, or point ODD_DATA_DIR at another folder"
            ) from None
        self._lock_fd = fd
        close_in_forks(fd)

    def close(self) -> None:
        """Give the folder back. Safe to call twice."""
        fd, self._lock_fd = self._lock_fd, None
        if fd is not None:
            keep_in_forks(fd)
            os.close(fd)

    def token(self) -> str:
        """The bearer token for writes; made on the first call, readable by its owner alone."""
        with usable(self.path):
            with contextlib.suppress(FileNotFoundError):
                token = self.token_file.read_text(encoding="utf-8").strip()
                if token:
                    return token
            token = new_token()
            _write_private(self.token_file, token + "\n")
        return token

    def write_running(self, running: Running) -> None:
        """Publish the owner's addresses."""
        with usable(self.path):
            _write_private(self.running_file, msgspec.json.format(msgspec.json.encode(running)).decode() + "\n")

    def remove_running(self) -> None:
        """Take the addresses back."""
        with contextlib.suppress(OSError):
            self.running_file.unlink()


@contextlib.contextmanager
def usable(path: Path) -> Generator[None]:
    """
    Turn what goes wrong with files at *path* into one clear line.

    Raises:
        DataFolderUnusable: Full, read-only, forbidden, damaged, or not a folder.
    """
    elsewhere = "or point ODD_DATA_DIR at another folder"
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataFolderUnusable(f"no space is left for {path}", f"free some space, {elsewhere}") from error
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise DataFolderUnusable(f"{path} cannot be written ({reason})", f"allow it, {elsewhere}") from error
    except sqlite3.Error as error:
        text = str(error)
        if "full" in text:
            raise DataFolderUnusable(f"no space is left for {path}", f"free some space, {elsewhere}") from error
        if "readonly" in text or "unable to open" in text:
            raise DataFolderUnusable(f"{path} cannot be written ({text})", f"allow it, {elsewhere}") from error
        raise DataFolderUnusable(f"{path} is damaged ({text})", f"bring back a copy, {elsewhere}") from error


def _write_private(path: Path, text: str) -> None:
    """Replace *path* at once: nobody ever reads half of it."""
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


if os.name == "nt":
    import msvcrt

    def _lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
