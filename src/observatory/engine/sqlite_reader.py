"""A SQLite file that is only read: beside its owner, or on a copy that nobody owns.

An owner in WAL mode keeps `-shm` beside the file for as long as it lives: with it, reading takes part in
the owner's locks. Without it nobody else is reading, and an ordinary connection would create files. A
file without a WAL is then complete in itself and opened as immutable. A WAL that an owner left behind
is indexed in this process's memory, which SQLite does in exclusive locking mode, over a file system
layer that takes no locks because nobody is there to lock out.
In each case no byte of the database or of its WAL changes, and without an owner no file is created.
"""

import os
import sqlite3
from concurrent.futures import Executor
from pathlib import Path

from observatory.core import limits
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.writers import InlineWriter

_WITHOUT_LOCKS = "win32-none" if os.name == "nt" else "unix-none"

FileState = tuple[tuple[int, int] | None, ...]


class SqliteReader(SqliteFile):
    """
    The file at *path* for the drivers, opened without the right to change it: SQLite refuses every write.

    Args:
        readers: Runs the reads.
    """

    def __init__(self, path: Path, *, readers: Executor) -> None:
        self.has_owner_file = _beside(path, "-shm").exists()
        """True when an owner runs, or ended without closing the file."""
        self._has_wal = _has_bytes(_beside(path, "-wal"))
        self._state = _state(path)
        super().__init__(path, writer=InlineWriter(), readers=readers)

    def open_connection(self, *, is_reader: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro{self._how()}",
            uri=True,
            isolation_level=None,
            timeout=limits.BUSY_S_MAX,
            check_same_thread=False,
        )
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        if self._has_wal and not self.has_owner_file:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        return connection

    def _how(self) -> str:
        if self.has_owner_file:
            return ""
        return f"&vfs={_WITHOUT_LOCKS}" if self._has_wal else "&immutable=1"

    def was_overtaken(self) -> bool:
        """True when the file was read without locks and an owner has come since: what was read may be torn."""
        return not self.has_owner_file and _state(self.path) != self._state


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _has_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _state(path: Path) -> FileState:
    """Size and time of the last change of the file and of what SQLite keeps beside it."""
    found: list[tuple[int, int] | None] = []
    for suffix in ("", "-wal", "-shm"):
        try:
            status = _beside(path, suffix).stat()
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((status.st_size, status.st_mtime_ns))
    return tuple(found)
