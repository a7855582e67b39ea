"""Which files there are, and how a checksum file writes them."""

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}


def regular_files(folder: str) -> list[str]:
    """
    Every regular file under *folder*, as *folder* joined with its place inside, sorted by bytes.

    Symbolic links are neither followed nor listed. Raises OSError when a folder cannot be read:
    a list that silently lacks files is worse than none.
    """
    return sorted(_walk(folder), key=os.fsencode)


def _walk(folder: str) -> Iterator[str]:
    folders = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.path


def checksum_line(name: str, sha256: str) -> bytes:
    r"""
    One line as GNU `sha256sum` writes it: digest, two spaces, name.

    A name with a backslash, a newline or a carriage return is escaped, and a backslash opens the line.
    """
    escaped = "".join(_ESCAPES.get(char, char) for char in name)
    mark = b"\\" if escaped != name else b""
    return mark + sha256.encode() + b"  " + os.fsencode(escaped) + b"\n"


def write_checksums(path: Path, digests: Mapping[str, str], order: list[str]) -> None:
    """
    Write the digests that exist, in *order*. A file appears complete or not at all.

    A link is followed. What is there and is no regular file, a terminal or a pipe, is written to and stays what it is.
    """
    lines = [checksum_line(name, digests[name]) for name in order if name in digests]
    target = path.resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as device:
            device.writelines(lines)
        return
    temporary = target.with_name(target.name + ".part")
    with temporary.open("wb") as file:
        file.writelines(lines)
    temporary.replace(target)


def check_writable(path: Path) -> None:
    """Raise OSError now rather than after all the work."""
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    where = target if target.exists() else target.parent
    if not where.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(where))
    if not os.access(where, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(where))
