"""`up`."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Annotated, Literal

from cyclopts import Parameter

from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import OutputLost
from observatory.cli.options import FOLDER, Folder
from observatory.cli.output import Output, of_process
from observatory.client.data_folder import DATA_DIR_VARIABLE, read_running
from observatory.runtime.build_info import version
from observatory.runtime.settings import Settings, load
from observatory.runtime.step import Step

LABEL_CHARS = 11

Say = Callable[[Step], None]


def up(
    *,
    host: str | None = None,
    gateway_port: int | None = None,
    read_model_port: int | None = None,
    web_port: int | None = None,
    slots: int | None = None,
    prefetch: int | None = None,
    app: str | None = None,
    reload: Annotated[bool, Parameter(negative="")] = False,
    log: str | None = None,
    retention_completed: str | None = None,
    retention_failed: str | None = None,
    retention_cancelled: str | None = None,
    retention_types: str | None = None,
    open: Annotated[Literal["yes", "no"], Parameter(name="--open")] = "no",
    folder: Folder = FOLDER,
) -> int:
    """
    Start the whole system in this process and run until stopped.

    Ctrl-C or SIGTERM stops it in order and ends with 0; a second one stops it at once. When it already runs in this
    data folder, the command prints where and ends with 0.

    For example:

        odd-dashboard up
        odd-dashboard up --app shop.jobs:app --slots 8
        odd-dashboard up --app shop.jobs:app --reload
        odd-dashboard up --gateway-port 0 --read-model-port 0 --web-port 0 --json

    Parameters
    ----------
    host
        Address to bind. Default: 127.0.0.1.
    gateway_port
        Port of the gateway; 0 takes a free one. Default: 3000.
    read_model_port
        Port of the read model; 0 takes a free one. Default: 8080.
    web_port
        Port of the dashboard; 0 takes a free one. Default: 8081.
    slots
        How many attempts run at the same time. Default: 4.
    prefetch
        How many jobs are claimed beyond the free slots and wait at this processor. Default: 0.
    app
        Application whose handlers run, as module:attribute.
    reload
        For development: begin anew, on the same ports, whenever a source file of the application changes.
    log
        Least level that is logged: debug, info, warning, error. Default: info.
    retention_completed
        How long COMPLETED jobs are kept: 12h, 7d, never. Default: 7d.
    retention_failed
        How long FAILED jobs are kept. Default: 30d.
    retention_cancelled
        How long CANCELLED jobs are kept. Default: 7d.
    retention_types
        What differs for some types, as type:status=duration, with commas between.
    open
        Open the dashboard in a web browser when it is ready.
    """
    flags = {
        "data_dir": folder.data_dir,
        "host": host,
        "gateway_port": gateway_port,
        "read_model_port": read_model_port,
        "web_port": web_port,
        "slots": slots,
        "prefetch": prefetch,
        "app": app,
        "log": log,
        "retention_completed": retention_completed,
        "retention_failed": retention_failed,
        "retention_cancelled": retention_cancelled,
        "retention_types": retention_types,
    }
    settings = load(flags, os.environ)
    if reload:
        settings = _reloadable(settings)
    out = of_process()
    say = _json_say(out) if folder.json else _plain_say(out)
    if not folder.json:
        out.say(f"  Distributed Task Observatory {version()} · embedded (one process, SQLite)", "bold")
    if open == "yes":
        say = _opening(settings, say)
    _run(settings, say, is_reloading=reload)
    return ExitCode.DONE


def _reloadable(settings: Settings) -> Settings:
    from observatory.runtime.reloading import check_reload, with_last_ports

    check_reload(settings)
    return with_last_ports(settings)


def _run(settings: Settings, say: Say, *, is_reloading: bool) -> None:
    from observatory.runtime.embedded import run_embedded
    from observatory.runtime.event_loop import new_event_loop
    from observatory.runtime.logging import configure_logging
    from observatory.runtime.reloading import begin_anew, run_reloading
    from observatory.runtime.stop_signals import StopSignals

    configure_logging(settings.log)
    signals = StopSignals(
        lambda: say(Step("", "stopping; press Ctrl-C again to stop at once", kind="note")),
        lambda: say(Step("", "stopped late: what still ran was not given back and counts as an attempt", kind="warn")),
    )

    async def run() -> bool:
        stop = asyncio.Event()
        with signals.setting(stop):
            if is_reloading and await run_reloading(settings, say=say, stop=stop):
                return True
            if not is_reloading:
                await run_embedded(settings, say=say, stop=stop)
            signals.leave()
            return False

    if "" not in sys.path:
        sys.path.insert(0, "")  # --app names a module of the folder that the person stands in
    # A handler that submits a job, in this process or in a child, means the observatory that runs it.
    os.environ[DATA_DIR_VARIABLE] = str(settings.data_dir)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        is_changed = runner.run(run())
    if is_changed:
        begin_anew()


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


def _opening(settings: Settings, say: Say) -> Say:
    """*say* that opens the dashboard once, as soon as the data folder says where it is."""
    is_open = False

    def say_and_open(step: Step) -> None:
        nonlocal is_open
        say(step)
        running = None if is_open else read_running(settings.data_dir)
        if running is not None and running.pid == os.getpid() and running.web:
            import webbrowser

            is_open = True
            webbrowser.open(running.web)

    return say_and_open
