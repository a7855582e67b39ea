"""Who listens on a port of this machine, as far as the system tells."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
_LISTENS = "0A"
"""The state TCP_LISTEN in /proc/net/tcp."""
_SOCKET = re.compile(r"socket:\[(\d+)\]")


def why_not_free(host: str, port: int) -> OSError | None:
    """What the system says when *port* is bound; None when it can be. Nothing listens in between."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as listener:
            if os.name != "nt":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        return error
    return None


def listener_of(port: int, proc: Path = PROC) -> str | None:
    """`process 123 (name)` of the one that listens on *port*; None when the system does not tell us."""
    wanted = set(_sockets_of(port, proc))
    if not wanted:
        return None
    for descriptors in proc.glob("[0-9]*/fd"):
        if wanted & set(_sockets_in(descriptors)):
            pid = descriptors.parent.name
            name = _text(descriptors.parent / "comm").strip()
            return f"process {pid} ({name})" if name else f"process {pid}"
    return None


def _sockets_of(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        for line in _text(proc / "net" / table).splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                yield words[9]


def _sockets_in(descriptors: Path) -> Iterator[str]:
    try:
        links = list(descriptors.iterdir())
    except OSError:  # of another user, or it has ended
        return
    for link in links:
        try:
            match = _SOCKET.fullmatch(os.readlink(link))  # noqa: PTH115  not a path: socket:[1234]
        except OSError:
            continue
        if match:
            yield match[1]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
