"""
The lifeline of a child: a pipe that nobody writes to, whose other end only the processor holds.

When the processor is gone, however it ended, the kernel itself kills the child's process group: the
child, even if its handler lets no other thread run, and every program that the handler started.
Only Linux has this; elsewhere the child's listening thread notices the end of its input.
"""

import os
import signal
import sys


class Lifeline:
    """
    The processor's side.

    Attributes:
        passed: File descriptors that the child inherits; none where there are no lifelines.
    """

    def __init__(self) -> None:
        self.passed: tuple[int, ...] = ()
        self._held: list[int] = []
        if sys.platform == "linux":
            childs_end, our_end = os.pipe()
            self.passed, self._held = (childs_end,), [childs_end, our_end]

    def keep_our_end(self) -> None:
        """The child has its own copy of its end by now."""
        if len(self._held) == 2:
            os.close(self._held.pop(0))

    def let_go(self) -> None:
        """Close it. May be called again."""
        while self._held:
            os.close(self._held.pop())


def hang_on(childs_end: int) -> None:
    """The child's side: live no longer than the other end. Needs a process group of its own."""
    if sys.platform == "linux":
        import fcntl  # noqa: PLC0415 — does not exist everywhere

        fcntl.fcntl(childs_end, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(childs_end, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(childs_end, fcntl.F_GETFL)
        fcntl.fcntl(childs_end, fcntl.F_SETFL, flags | os.O_ASYNC)
