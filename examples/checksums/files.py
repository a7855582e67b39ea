"""Which files there are, and how a checksum file writes them."""

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
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
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
    """Write the digests that exist, in *order*. The file appears complete or not at all."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        for name in order:
            if name in digests:
                file.write(checksum_line(name, digests[name]))
    temporary.replace(path)
