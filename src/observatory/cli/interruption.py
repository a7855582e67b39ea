"""The signals that end a command, for one that has something to put away."""

import contextlib
import signal
from collections.abc import Generator

ENDING_SIGNALS = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


@contextlib.contextmanager
def ended_in_order() -> Generator[None]:
    """What the command made is removed also when somebody ends it by a signal, as if it were Ctrl-C."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ValueError):  # not in the main thread
            for number in ENDING_SIGNALS:
                stack.callback(signal.signal, number, signal.signal(number, interrupt))
        yield
