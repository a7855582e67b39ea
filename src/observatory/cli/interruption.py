"""The signals that end a command, for one that has something to put away."""

import contextlib
import signal
from collections.abc import Generator

from observatory.cli.exit_codes import ExitCode

ENDING_SIGNALS = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


class EndedBySignal(KeyboardInterrupt):
    """Somebody ended the command by the signal *number*, other than by Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def ended_in_order() -> Generator[None]:
    """What the command made is removed also when somebody ends it by a signal, as if it were Ctrl-C."""

    def interrupt(number: int, _frame: object) -> None:
        raise EndedBySignal(number)

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ValueError):  # not in the main thread
            for number in ENDING_SIGNALS:
                stack.callback(signal.signal, number, signal.signal(number, interrupt))
        yield


def exit_code_of(error: KeyboardInterrupt) -> ExitCode:
    """What a shell says of a program that the signal ended: 128 and its number."""
    return ExitCode(128 + error.number) if isinstance(error, EndedBySignal) else ExitCode.INTERRUPTED


def name_of(error: KeyboardInterrupt) -> str:
    """The signal, for people."""
    return signal.Signals(error.number).name if isinstance(error, EndedBySignal) else "Ctrl-C"
