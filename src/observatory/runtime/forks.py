"""
What a fork of this process must not keep.

A handler in a thread may fork, by itself or through `multiprocessing`. The copy inherits every open file: the
lock of the data folder and the listening sockets would outlive this process with it, and the next start would
find its data held and its ports taken by nobody.
"""

import contextlib
import os

_not_for_forks: set[int] = set()
_is_registered = False


def close_in_forks(fd: int) -> None:
    """Close *fd* in every copy of this process from now on. Where processes do not fork, nothing is done."""
    global _is_registered  # noqa: PLW0603 — the interpreter keeps such a hook for ever; one is enough
    _not_for_forks.add(fd)
    if not _is_registered and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_close_all)
        _is_registered = True


def keep_in_forks(fd: int) -> None:
    """*fd* is closed, or about to be: its number may come to mean something else."""
    _not_for_forks.discard(fd)


def _close_all() -> None:
    for fd in _not_for_forks:
        with contextlib.suppress(OSError):
            os.close(fd)
    _not_for_forks.clear()
