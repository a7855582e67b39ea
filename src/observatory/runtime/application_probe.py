"""
What job types an application has, found out in a process of its own: `python -m observatory.runtime.application_probe`.

Importing an application runs its code: it may print, hang, start threads or end the process. None of that
reaches the one who asks.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from typing import TypeAlias

import msgspec

from observatory.core.errors import BadSettings
from observatory.processor.app_spec import BUILTIN_APP, load_handlers
from observatory.runtime.application import handlers_of


class Refusal(msgspec.Struct, frozen=True):
    """Why the application cannot be used."""

    problem: str
    remedy: str


_Answer: TypeAlias = list[str] | Refusal


def types_of_app(app: str, *, s_max: float) -> list[str]:
    """
    The job types that *app* adds to the built-in ones, sorted.

    Raises:
        BadSettings: It cannot be found or imported, or redefines a built-in type.
        TimeoutError: It was not imported within *s_max*; nothing of it runs any more.
    """
    command = [sys.executable, "-m", __name__, app, str(s_max)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=s_max,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    try:
        answer: _Answer = msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.DecodeError:
        module = app.partition(":")[0]
        see = f"see what it says:  {shlex.join([sys.executable, '-c', f'import {module}'])}"
        raise BadSettings(f"{app} ended the process that imported it ({done.returncode})", see) from None
    if isinstance(answer, Refusal):
        raise BadSettings(answer.problem, answer.remedy)
    return answer


def _answer(app: str) -> _Answer:
    try:
        return sorted(set(handlers_of(app)) - set(load_handlers(BUILTIN_APP)))
    except BadSettings as error:
        return Refusal(problem=str(error), remedy=error.remedy)


def main(app: str, s_max: float) -> None:
    """Answer on the pipe that was standard output; what the application prints goes nowhere."""
    if hasattr(signal, "setitimer"):  # also when nobody is left to end this
        signal.setitimer(signal.ITIMER_REAL, s_max)
    answers = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(answers, "wb") as pipe:
        pipe.write(msgspec.json.encode(_answer(app)))
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(0)  # threads that the application started do not hold this up


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
