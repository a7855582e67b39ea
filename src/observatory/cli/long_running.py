"""Commands that run until they are told to stop: what they say meanwhile, and how they take the signals."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from observatory.cli.failures import OutputLost
from observatory.cli.output import Output, of_process
from observatory.client.data_folder import DATA_DIR_VARIABLE
from observatory.core import limits
from observatory.runtime.settings import Settings
from observatory.runtime.step import Step

LABEL_CHARS = 11

Say = Callable[[Step], None]
T = TypeVar("T")


def run_until_stopped(
    work: Callable[[asyncio.Event], Awaitable[T]],
    settings: Settings,
    say: Say,
    *,
    stop_s_max: float = limits.STOP_S_MAX,
    leaves: Callable[[T], bool] = lambda _: True,
) -> T:
    """
    What *work* returns, whose argument is set at the first SIGINT or SIGTERM.

    Args:
        stop_s_max: The process ends when it still runs so long after the first signal.
        leaves: Whether the process ends after such an answer; what else holds it then is not waited for.
    """
    from observatory.runtime.event_loop import new_event_loop
    from observatory.runtime.logging import configure_logging
    from observatory.runtime.stop_signals import StopSignals

    configure_logging(settings.log)
    signals = StopSignals(
        lambda: say(Step("", "stopping; press Ctrl-C again to stop at once", kind="note")),
        lambda: say(Step("", "stopped late: what still ran was not given back and counts as an attempt", kind="warn")),
        stop_s_max=stop_s_max,
    )

    async def run() -> T:
        stop = asyncio.Event()
        with signals.setting(stop):
            answer = await work(stop)
            if leaves(answer):
                signals.leave()
            return answer

    if "" not in sys.path:
        sys.path.insert(0, "")  # --app names a module of the folder that the person stands in
    # A handler that submits a job, in this process or in a child, means the observatory that runs it.
    os.environ[DATA_DIR_VARIABLE] = str(settings.data_dir)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run())


def say_for(*, is_json: bool) -> Say:
    """Says each step on the streams of this command: data with `--json`, else talk."""
    out = of_process()
    return _json_say(out) if is_json else _plain_say(out)


def _plain_say(out: Output) -> Say:
    def say(step: Step) -> None:
        text = f"{step.name.ljust(LABEL_CHARS)} {step.text}" if step.name else step.text
        out.mark(step.kind, text, step.detail)

    return say


def _json_say(out: Output) -> Say:
    def say(step: Step) -> None:
        # The system goes on when nobody reads any more what it says.
        with contextlib.suppress(BrokenPipeError, OutputLost):
            out.json(step)

    return say
