"""
`up --reload`: the whole process begins anew whenever a source file of the application changed and can be imported.

The new sources are imported in a process of their own first. While they have a fault, it is said, and what runs goes
on as it is. Otherwise the process stops as it always does, within the same few seconds and at the cost of no attempt,
and becomes the new one: same process id, same data, same ports.
"""

import asyncio
import contextlib
import importlib.util
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec

from observatory.client.data_folder import read_running
from observatory.client.errors import NotReachable
from observatory.core import limits
from observatory.core.errors import BadSettings
from observatory.runtime.application import handlers_of
from observatory.runtime.embedded import Say, run_embedded
from observatory.runtime.settings import Settings
from observatory.runtime.step import Step

PORTS_VARIABLE = "OBSERVATORY_RELOAD_PORTS"
"""From one round to the next: the ports that the services had, gateway, read model, dashboard."""

_CHECK = "import sys; from observatory.runtime.reloading import check; sys.exit(check(sys.argv[1]))"
_FAULTY = 3
_STEP_MS = 50
"""How soon the watching notices that it is over."""
_LOOK_AGAIN_MS = 5_000

Files = set[Path]


class Sources:
    """
    The Python files below *folders*. What changes from the making of this object on is noticed.

    Args:
        over: Ends the watching.

    Raises:
        BadSettings: The system does not let them be watched.
    """

    def __init__(self, folders: list[Path], over: asyncio.Event) -> None:
        from watchfiles import PythonFilter
        from watchfiles._rust_notify import RustNotify  # its documented lower level: only this watches at once

        self._over = over
        self._is_source = PythonFilter()
        try:
            self._notify = RustNotify(
                [str(folder) for folder in folders],
                debug=False,
                force_polling=False,
                poll_delay_ms=limits.RELOAD_QUIET_MS,
                recursive=True,
                ignore_permission_denied=True,
            )
        except (OSError, RuntimeError) as error:
            named = ", ".join(map(str, folders))
            remedy = "start without --reload, or allow more watches (on Linux: fs.inotify.max_user_watches)"
            raise BadSettings(f"the sources in {named} cannot be watched: {error}", remedy) from error

    async def changes(self) -> AsyncGenerator[Files]:
        """Files that changed together."""
        from watchfiles import Change

        while not self._over.is_set():
            found = await asyncio.to_thread(
                self._notify.watch, limits.RELOAD_QUIET_MS, _STEP_MS, _LOOK_AGAIN_MS, self._over
            )
            if isinstance(found, set):
                files = {Path(path) for kind, path in found if self._is_source(Change(kind), path)}
                if files:
                    yield files


def check_reload(settings: Settings) -> None:
    """
    Raises:
        BadSettings: There is nothing to reload, or nothing to see changes with.
    """
    if settings.app is None:
        raise BadSettings("--reload needs an application to reload", "name it:  --app module:app")
    if importlib.util.find_spec("watchfiles") is None:
        raise BadSettings(
            "--reload needs the package watchfiles", "install it:  pip install 'task-observatory[reload]'"
        )


def with_last_ports(settings: Settings) -> Settings:
    """*settings* with the ports of the round before, if there was one."""
    ports = os.environ.pop(PORTS_VARIABLE, "").split(",")
    if len(ports) != 3:
        return settings
    gateway, read_model, web = map(int, ports)
    return msgspec.structs.replace(settings, gateway_port=gateway, read_model_port=read_model, web_port=web)


async def run_reloading(settings: Settings, *, say: Say, stop: asyncio.Event) -> bool:
    """
    As `run_embedded`; True when it ended because the sources changed, and `begin_anew` shall follow.

    Sources that cannot be imported at the start are waited for.
    """
    assert settings.app is not None, "check_reload comes first"
    changed, over = asyncio.Event(), asyncio.Event()
    sources = Sources(source_folders(settings.app), over)
    watching = asyncio.create_task(_watch(settings, sources, say, changed, over), name="reload")
    either = asyncio.create_task(_either(stop, changed), name="reload or stop")
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await _run_until(settings, say, either, watching)
        return changed.is_set() and not stop.is_set()
    finally:
        over.set()
        either.cancel()
        await asyncio.gather(watching, either, return_exceptions=True)


async def _run_until(
    settings: Settings, say: Say, either: "asyncio.Task[None]", watching: "asyncio.Task[None]"
) -> None:
    end = asyncio.Event()
    either.add_done_callback(lambda _: end.set())
    watching.add_done_callback(lambda task: None if task.cancelled() or task.exception() is None else end.set())
    try:
        await run_embedded(settings, say=say, stop=end)
    except BadSettings as fault:
        if fault_of(settings.app or "") is None:
            raise  # it is not the application's
        say(_faulty(str(fault), "mend it; the start goes on with the next change"))
        await end.wait()
    if watching.done() and not watching.cancelled():
        watching.result()


def begin_anew() -> None:
    """Become the same program again, with the new sources. Returns only if the system refuses."""
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 — the very program that runs


async def _either(stop: asyncio.Event, changed: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (stop, changed)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _watch(settings: Settings, sources: Sources, say: Say, changed: asyncio.Event, over: asyncio.Event) -> None:
    """Set *changed* once the sources changed and can be imported."""
    assert settings.app is not None, "check_reload comes first"
    async for files in sources.changes():
        named = ", ".join(sorted(path.name for path in files)[:3])
        fault = await _fault_in_new_process(settings.app)
        if over.is_set():
            return
        if fault is not None:
            say(_faulty(fault, "what runs goes on as it was; mend it"))
            continue
        say(Step("reload", f"{named} changed: starting anew", kind="note"))
        _keep_ports(settings)
        _end_in(limits.STOP_S_MAX, begin_anew)
        changed.set()
        return


def _faulty(fault: str, remedy: str) -> Step:
    return Step("reload", fault, remedy, kind="warn")


def _keep_ports(settings: Settings) -> None:
    with contextlib.suppress(NotReachable, ValueError):
        running = read_running(settings.data_dir)
        if running is not None and running.pid == os.getpid() and running.web:
            ports = (url.rpartition(":")[2] for url in (running.gateway, running.read_model, running.web))
            os.environ[PORTS_VARIABLE] = ",".join(ports)


def _end_in(seconds: float, end: Callable[[], object]) -> None:
    """A handler that ignores the stop holds up no reload: its attempt is then rescued by the next round."""
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


# --- the sources ------------------------------------------------------------------------------


def source_folders(app: str) -> list[Path]:
    """Where the sources of `module:attribute` lie: its package, or the folder of its module. Imports nothing."""
    top = app.partition(":")[0].partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.submodule_search_locations:
        return [Path(folder) for folder in spec.submodule_search_locations]
    if spec is not None and spec.origin and Path(spec.origin).is_file():
        return [Path(spec.origin).parent]
    return [Path.cwd()]


def fault_of(app: str) -> str | None:
    """Why the application cannot run, in one line; None when it can."""
    try:
        handlers_of(app)
    except BadSettings as error:
        return " ".join(str(error).split())
    return None


def check(app: str) -> int:
    """In a process of its own: write the fault of *app* as the last line; returns the exit status."""
    fault = fault_of(app)
    if fault is None:
        return 0
    sys.stdout.write(f"\n{fault}\n")
    return _FAULTY


async def _fault_in_new_process(app: str) -> str | None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-B", "-c", _CHECK, app),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # the Ctrl-C of a terminal is for the process that runs
    )
    try:
        async with asyncio.timeout(limits.CHILD_START_S_MAX):
            said, _ = await process.communicate()
    except TimeoutError:
        return f"{app} was not imported within {limits.CHILD_START_S_MAX:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return None
    lines = said.decode("utf-8", "replace").strip().splitlines()
    if process.returncode == _FAULTY and lines:
        return lines[-1]
    return f"{app} ends the process that imports it, with {process.returncode}"
