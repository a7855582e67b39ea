"""Where the demo plays: an observatory of its own in a thread of this process, or one that runs already."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from observatory.cli.connection import connect
from observatory.cli.failures import UsageError
from observatory.cli.options import Target
from observatory.client.api import Api
from observatory.client.data_folder import Running, read_running
from observatory.client.errors import NotReachable
from observatory.core import limits
from observatory.core.errors import CannotStart
from observatory.runtime.settings import Settings, load

APP = "observatory.builtin_jobs.demo:app"
TEMPORARY_PREFIX = "odd-dashboard-demo-"
FILES_FOLDER = "demo-files"
"""In the data folder of a demo. Its presence says that the demo made the folder."""
LOG_FILE = "demo.log"
LOOK_S = 0.02
START_S_MAX = 30.0


@dataclass(frozen=True)
class Stage:
    """An observatory that knows the types of the demo."""

    api: Api
    data_dir: Path
    files: Path
    """Where the demo writes what its jobs read."""
    web: str | None
    """Address of its dashboard."""
    pid: int
    """Of the process that runs it."""
    is_own: bool
    """False when it ran already: others may use it, and it goes on."""
    remains: bool = True
    """False when the whole folder is removed afterwards."""


@contextlib.contextmanager
def stage(data_dir: Path | None, *, keeps: bool) -> Generator[Stage]:
    """
    Open the stage, and put away afterwards what nobody asked to keep.

    Args:
        data_dir: None makes a temporary folder. In any other one an observatory runs, or it is empty, or a demo
            made it.

    Raises:
        UsageError: The folder holds somebody's data, or what runs there does not know the types.
        CannotStart: The observatory does not start.
    """
    if data_dir is None:
        folder = _temporary_folder()
        try:
            with _own(folder, remains=keeps) as own:
                yield own
        finally:
            if not keeps:
                shutil.rmtree(folder, ignore_errors=True)
        return
    runs = running_in(data_dir)
    if runs is None:
        check_is_of_a_demo(data_dir)
    with _own(data_dir) if runs is None else _used(data_dir, runs) as opened:
        yield opened


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotStart(f"no temporary folder can be made ({reason})", "name another place:  TMPDIR") from None


def running_in(data_dir: Path) -> Running | None:
    """The process that answers for the folder; None when none does."""
    from observatory.runtime.data_folder import DataFolder

    with contextlib.suppress(OSError, NotReachable):
        if DataFolder(data_dir).is_held():
            return read_running(data_dir)
    return None


def check_is_of_a_demo(folder: Path) -> None:
    """Raises UsageError: what lies there is not the demo's to play with."""
    try:
        is_empty = not any(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{folder} cannot be used ({error.strerror})", "name a folder:  --data-dir PATH") from None
    if not is_empty and not (folder / FILES_FOLDER).is_dir():
        raise UsageError(
            f"{folder} holds something that no demo made",
            f"leave out --data-dir, or let it run there:  odd-dashboard up --app {APP}",
        )


@contextlib.contextmanager
def _own(data_dir: Path, *, remains: bool = True) -> Generator[Stage]:
    files = data_dir / FILES_FOLDER
    files.mkdir(parents=True, exist_ok=True)
    flags = {"data_dir": data_dir, "gateway_port": 0, "read_model_port": 0, "web_port": 0, "app": APP}
    settings = load(flags, {})  # what the person has set concerns the observatories of that person
    with _embedded(settings) as runs, connect(Target(data_dir=data_dir)) as api:
        yield Stage(api, data_dir, files, web=runs.web, pid=runs.pid, is_own=True, remains=remains)


@contextlib.contextmanager
def _used(data_dir: Path, runs: Running) -> Generator[Stage]:
    with connect(Target(data_dir=data_dir)) as api:
        if not any(one.get("type") == "demo.square" for one in api.types().items):
            raise UsageError(
                f"what runs in {data_dir} does not know the job types of the demo",
                f"leave out --data-dir, or start it with them:  odd-dashboard up --app {APP}",
            )
        with _files_apart() as files:
            yield Stage(api, data_dir, files, web=runs.web, pid=runs.pid, is_own=False)


@contextlib.contextmanager
def _files_apart() -> Generator[Path]:
    """In a temporary folder that looks like any of a demo, and is held so that nobody cleans it up meanwhile."""
    from observatory.runtime.data_folder import DataFolder

    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX) as name:
        folder = DataFolder(Path(name))
        folder.open()
        try:
            files = folder.path / FILES_FOLDER
            files.mkdir()
            yield files
        finally:
            folder.close()


@contextlib.contextmanager
def _embedded(settings: Settings) -> Generator[Running]:
    """The whole system, as `up` runs it, in a thread; its log goes to a file of the data folder."""
    from observatory.runtime.logging import configure_logging

    with (settings.data_dir / LOG_FILE).open("a", encoding="utf-8") as log:
        configure_logging(settings.log, stream=log)
        observatory = _Embedded(settings)
        observatory.start()
        try:
            yield observatory.running()
        finally:
            observatory.stop()


class _Embedded:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = threading.Thread(target=self._run, name="observatory", daemon=True)
        self._has_begun = threading.Event()
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> None:
        self._thread.start()
        self._has_begun.wait()

    def running(self) -> Running:
        """Wait until it runs."""
        pause = threading.Event()
        for _ in range(round(START_S_MAX / LOOK_S)):
            if not self._thread.is_alive():
                break
            running = read_running(self._settings.data_dir)
            if running is not None and running.pid == os.getpid():  # and not that of a process that was killed
                return running
            pause.wait(LOOK_S)
        raise self._error or CannotStart(f"the observatory of the demo does not start within {START_S_MAX:g} s", "")

    def stop(self) -> None:
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(limits.STOP_S_MAX)

    def _run(self) -> None:
        from observatory.runtime.event_loop import new_event_loop

        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(self._serve())
        except Exception as error:  # noqa: BLE001  the thread that waits for it raises it
            self._error = error
        finally:
            self._has_begun.set()

    async def _serve(self) -> None:
        from observatory.runtime.embedded import run_embedded

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._has_begun.set()
        await run_embedded(self._settings, say=lambda _: None, stop=self._stop)
