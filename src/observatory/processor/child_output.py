"""What a child prints and logs: one pipe, read by the processor as it comes, so that the child never waits for long."""

import asyncio
import contextlib
import os
import sys

import structlog

from observatory.core import limits
from observatory.core.text import sanitize_terminal
from observatory.processor.log_tail import LogTail

_log = structlog.get_logger("observatory.children")


class ChildOutput:
    """
    The processor's end of the pipe that is the standard output and error of one child.

    Not on Windows, whose event loop cannot wait for such a pipe: there a child shares the streams of its processor.

    Attributes:
        childs_end: To be handed to the child; None where there is no pipe.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tail: LogTail | None = None
        self._our_end: int | None = None
        self.childs_end: int | None = None
        if sys.platform != "win32":
            self._our_end, self.childs_end = os.pipe()
            os.set_blocking(self._our_end, False)

    def begin(self) -> None:
        """The child has its own copy of its end by now."""
        self._close_childs_end()
        if self._our_end is not None:
            self._loop.add_reader(self._our_end, self._read)

    def belongs_to(self, tail: LogTail | None) -> None:
        """What comes from now on is said by the attempt of *tail*, or by none. What is in the pipe came before."""
        self._read_the_rest()
        self._tail = tail

    def end(self) -> None:
        """Read what is there and close. May be called again."""
        self._close_childs_end()
        if self._our_end is not None:
            self._read_the_rest()
        if self._our_end is not None:  # not closed by its end
            self._close()

    def _read(self) -> bool:
        """False when nothing is there, or will ever be."""
        if self._our_end is None:
            return False
        try:
            piece = os.read(self._our_end, limits.CHILD_READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        if not piece:
            self._close()
            return False
        if self._tail is not None:
            self._tail.write(piece)
        else:
            shown = piece[: limits.CHILD_STRAY_BYTES_MAX].decode("utf-8", "backslashreplace")
            _log.info("child said something outside of an attempt", bytes=len(piece), text=sanitize_terminal(shown))
        return True

    def _read_the_rest(self) -> None:
        for _ in range(limits.CHILD_OUTPUT_REST_BYTES_MAX // limits.CHILD_READ_BYTES):
            if not self._read():
                return

    def _close(self) -> None:
        assert self._our_end is not None, "closed once"
        self._loop.remove_reader(self._our_end)
        os.close(self._our_end)
        self._our_end = None

    def _close_childs_end(self) -> None:
        if self.childs_end is not None:
            with contextlib.suppress(OSError):
                os.close(self.childs_end)
            self.childs_end = None
