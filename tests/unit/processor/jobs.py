"""Jobs whose attempt just began, and a runner for `tests.handlers`."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from observatory.core.job import Job, JobStatus
from observatory.processor.ending import Ended
from observatory.processor.runner import Runner
from observatory.processor.stopping import Stop
from observatory.runtime.sources import SystemClock
from observatory.testing.manual_sources import BEGINNING
from tests import handlers

JOB_ID = "0197a000-0000-7000-8000-000000000001"
CORRELATION_ID = "0197a000-0000-7000-8000-00000000000c"


def executing(type: str = "quick", payload: dict[str, Any] | None = None, **changes: Any) -> Job:
    """A job whose second of three attempts runs."""
    fields: dict[str, Any] = {
        "id": JOB_ID,
        "type": type,
        "status": JobStatus.EXECUTING,
        "created_at": BEGINNING,
        "updated_at": BEGINNING,
        "payload": payload or {},
        "queue": "default",
        "priority": 5,
        "run_at": BEGINNING,
        "attempt": 2,
        "max_attempts": 3,
        "timeout_seconds": 60.0,
        "fence": 7,
        "sequence": 4,
        "event_id": "0197a000-0000-7000-8000-00000000000e",
        "correlation_id": CORRELATION_ID,
        "started_at": BEGINNING,
    }
    return Job(**fields | changes)


@asynccontextmanager
async def runner_of(*, slots: int = 2, app_spec: str = "tests.handlers:app", **options: Any) -> AsyncIterator[Runner]:
    runner = Runner(slots=slots, clock=SystemClock(), app_spec=app_spec, **options)
    try:
        yield runner
    finally:
        await runner.stop()


async def run(
    runner: Runner, type: str, payload: dict[str, Any] | None = None, *, stop: Stop | None = None, **changes: Any
) -> Ended:
    job = executing(type, payload, **changes)
    return await runner.run(handlers.app.handlers[type], job, stop=stop or Stop())


class Fifo:
    """Tells when a handler in a child began, and when the last process that holds the other end is gone."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "fifo")
        os.mkfifo(self.path)
        self._file: TextIO | None = None

    async def first_line(self) -> str:
        def read() -> str:
            self._file = Path(self.path).open(encoding="ascii")
            return self._file.readline()

        return await _in_daemon_thread(read)

    async def rest(self) -> str:
        """Returns once nobody holds the other end."""
        assert self._file is not None
        with self._file:
            return await _in_daemon_thread(self._file.read)


async def _in_daemon_thread(read: Callable[[], str]) -> str:
    """A read that never returns fails its test and does not hold up the end of the others."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()

    def work() -> None:
        text = read()
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set_result, text)

    threading.Thread(target=work, daemon=True).start()
    return await done
