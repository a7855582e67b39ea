"""The one process that the demo kills: looked at before, because a number alone may be anybody's."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from observatory.core.errors import ObservatoryError

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class NotOurProcess(ObservatoryError):
    """The number names no child of the observatory on this machine: it may run in a container."""

    code = "not_our_process"


def kill_child(pid: int, *, of: int) -> None:
    """
    End the process *pid*, a child of the observatory *of*, at once.

    Raises:
        NotOurProcess: It is something else, or not to be seen from here. Nothing was done.
    """
    if pid <= 1 or _parent_of(pid) != of or "observatory" not in _command_of(pid):
        raise NotOurProcess(f"process {pid} is not to be seen as a child of process {of} on this machine")
    os.kill(pid, _KILL)


def _parent_of(pid: int) -> int | None:
    if sys.platform != "linux":
        said = _asked("ppid", pid)
        return int(said) if said.isdigit() else None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])  # the name of the program, in parentheses, may hold anything


def _command_of(pid: int) -> str:
    if sys.platform != "linux":
        return _asked("command", pid)
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _asked(what: str, pid: int) -> str:
    try:
        done = subprocess.run(
            ["ps", "-o", f"{what}=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
