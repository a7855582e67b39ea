"""
What a fork of this process must not keep.

A handler in a thread may fork, by itself or through `multiprocessing`. The copy inherits every open file: the
lock of the data folder and the listening sockets would outlive this process with it, and the next start would
find its data held and its ports taken by nobody.
"""

import contextlib
import os
from typing import Protocol
from weakref import WeakSet


class Open(Protocol):
    """A file or a socket."""

    def fileno(self) -> int:
        """Its descriptor; below 0, or ValueError, once it is closed."""
        ...


_not_for_forks: WeakSet[Open] = WeakSet()
_is_registered = False


def close_in_forks(opened: Open) -> None:
    """Close *opened* in every copy of this process, as long as it is open here."""
    global _is_registered  # noqa: PLW0603 — the interpreter keeps such a hook for ever; one is enough
    _not_for_forks.add(opened)
    if not _is_registered and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_close_all)
        _is_registered = True


def _close_all() -> None:
    for opened in _not_for_forks:
        with contextlib.suppress(OSError, ValueError):
            os.close(opened.fileno())
    _not_for_forks.clear()
