"""
What an attempt leaves behind in a kept child, looked at after every attempt, in the child.

Some of it is taken back, for the rest the child has to end. Modules, globals and the environment are
left alone: to keep what was loaded is why children are kept. Python's view counts: a thread or a
signal handler of an extension that Python does not know is not seen.
"""

import contextlib
import os
import signal
import sys
import threading
from typing import Any

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None

_LIMITS = sorted({getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})
_SIGNALS = sorted(signal.valid_signals())[:31]
"""Those with a name. The real-time ones, which hardly anybody handles, would double the time that a look takes."""


class Surroundings:
    """The state of this process that every attempt shall find: as it is when this is made."""

    def __init__(self) -> None:
        self._folder = _folder()
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._modules = len(sys.modules)
        self._threads = frozenset(threading.enumerate())
        self._has_children = _has_children()
        self._limits = _limits()
        self._streams = sys.stdout, sys.stderr
        self._handlers = _signal_handlers()
        self._has_timers = _has_timers()

    def restore(self) -> str | None:
        """
        Go back to the folder, the umask and the standard streams of the beginning.

        Returns:
            What is left of the attempt that cannot be taken back, for a person to read; None if nothing is.
        """
        try:
            os.umask(self._umask)
            self._restore_folder()
            self._restore_streams()
            left = self._left()
        except BaseException as error:  # noqa: BLE001 — a handler can replace what is called here
            return f"something that cannot be looked at ({type(error).__name__})"
        return ", ".join(left) or None

    def _left(self) -> list[str]:
        checks = {
            "threads": not self._threads.issuperset(threading.enumerate()),
            "child processes": _has_children() and not self._has_children,
            "resource limits": _limits() != self._limits,
            "signal handlers": _signal_handlers() != self._handlers,
            "timers": _has_timers() and not self._has_timers,
            "a lack of modules": len(sys.modules) < self._modules,
            "another folder": _folder() != self._folder,
        }
        return [name for name, is_left in checks.items() if is_left]

    def _restore_folder(self) -> None:
        if self._folder is not None and _folder() != self._folder and os.access(self._folder, os.X_OK):
            os.chdir(self._folder)

    def _restore_streams(self) -> None:
        for name, stream in zip(("stdout", "stderr"), self._streams, strict=True):
            if getattr(sys, name) is not stream:
                with contextlib.suppress(Exception):  # it may be closed, or anything
                    getattr(sys, name).flush()
                setattr(sys, name, stream)


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 — after every attempt: the quick way
    except OSError:  # it was removed
        return None


def _has_children() -> bool:
    """Whether there is one, alive or not waited for; False where nobody can tell without waiting."""
    if not hasattr(os, "waitid"):
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _limits() -> list[tuple[int, int]]:
    return [] if resource is None else [resource.getrlimit(number) for number in _LIMITS]


def _signal_handlers() -> list[Any]:
    """What happens at each signal, and which signals are held back."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if sys.platform != "win32" else set[int]()
    return [*map(signal.getsignal, _SIGNALS), blocked]


def _has_timers() -> bool:
    """Whether a signal will come by itself."""
    if sys.platform == "win32":
        return False
    return any(signal.getitimer(which)[0] for which in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF))
