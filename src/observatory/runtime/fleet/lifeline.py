"""
The lifeline of a role: its standard input, a pipe that nobody writes to and whose other end only its keeper holds.

When the keeper is gone, however it ended, the role is told to stop, in order, as by SIGTERM.
"""

import os
import signal
import threading

VARIABLE = "OBSERVATORY_LIFELINE"
"""Set by the keeper; taken out of the environment, so that no program of a handler takes itself for a role."""


def hang_on() -> None:
    """Live no longer than the keeper, where there is one. At the start of the process."""
    if os.environ.pop(VARIABLE, "") != "stdin":
        return
    lifeline = os.dup(0)  # not inherited: a program that a handler starts reads an empty input, as it would elsewhere
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    threading.Thread(target=_wait, args=(lifeline,), name="lifeline", daemon=True).start()


def _wait(lifeline: int) -> None:
    try:
        while os.read(lifeline, 1024):
            pass
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
