"""
A server and the processes it started, as one thing to stop, continue or kill.

PostgreSQL puts each of its backends into a session of its own, so a signal to the server's process group reaches none
of them: they are found as its children.
"""

import signal
import time
from pathlib import Path

import psutil

GONE_S_MAX = 20.0


def pause(pid: int) -> None:
    """SIGSTOP, the parent before its children are listed: it starts none in between."""
    try:
        parent = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    _send(parent, signal.SIGSTOP)
    for process in _with_children(pid):
        _send(process, signal.SIGSTOP)


def resume(pid: int) -> None:
    """SIGCONT, the parent last."""
    for process in reversed(_with_children(pid)):
        _send(process, signal.SIGCONT)


def kill(pid: int) -> None:
    """SIGKILL to all of them, as a power cut: none runs on to clear up after another. Returns when all are gone."""
    pause(pid)
    doomed = _with_children(pid)
    for process in doomed:
        _send(process, signal.SIGKILL)
    end_s = time.monotonic() + GONE_S_MAX
    while any(_is_alive(process) for process in doomed):
        assert time.monotonic() < end_s, f"they survive SIGKILL: {doomed}"
        time.sleep(0.001)


def running_in(folder: Path) -> list[int]:
    """The processes whose command names something below *folder*."""
    return [process.pid for process in psutil.process_iter() if any(str(folder) in word for word in _command(process))]


def _with_children(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _is_alive(process: psutil.Process) -> bool:
    """A zombie holds nothing any more; when it is reaped is up to its parent."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
