"""One role in a process of its own, begun again whenever it ends by itself."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from observatory.core import limits
from observatory.core.errors import BadSettings
from observatory.core.retry import RetryPolicy
from observatory.core.sources import Clock, Randomness
from observatory.runtime.fleet.lifeline import VARIABLE

_log = structlog.get_logger("observatory.fleet")

RESTARTS = RetryPolicy(base_s=limits.ROLE_RESTART_S, cap_s=limits.ROLE_RESTART_S_MAX, factor=2.0, jitter=0.2)
REFUSED = 2
"""What a process ends with whose settings are wrong."""

_READ_BYTES = 64 * 1024


class RoleRefused(BadSettings):
    """A role cannot run with these settings."""

    code = "role_refused"


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What is begun, each time anew."""

    name: str
    """For people: `gateway`, `processor 2`."""
    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    """All of it. It holds the passwords, which are no arguments because everybody may read those."""


class Child:
    """
    Keeps the process of *spec* running.

    Its standard error is ours; its standard input is its lifeline, so that it stops when this process is gone.

    Args:
        say: Given each line that it writes on its standard output, without its end. Must not wait.
        restarts: The pauses before it is begun again, by how often in a row it ended.
        healthy_s: Once it lived so long, that counting begins anew.
        stop_s_max: How long it may take to end before it is killed.
    """

    def __init__(
        self,
        spec: ChildSpec,
        *,
        say: Callable[[bytes], None],
        clock: Clock,
        randomness: Randomness,
        restarts: RetryPolicy = RESTARTS,
        healthy_s: float = limits.ROLE_HEALTHY_S,
        stop_s_max: float = limits.ROLE_STOP_S_MAX,
    ) -> None:
        self.spec = spec
        self.pid: int | None = None
        """Of the process that runs; None between two."""
        self.was_ready = False
        """Set by whoever understands what it says. Its settings did once, so what refuses them may pass."""
        self._say = say
        self._clock = clock
        self._randomness = randomness
        self._restarts = restarts
        self._healthy_s = healthy_s
        self._stop_s_max = stop_s_max

    async def run(self, stop: asyncio.Event) -> None:
        """
        Keep it running until *stop* is set; when this returns or raises, no process of it is left.

        Raises:
            RoleRefused: It ended because its settings are wrong, and was never ready with them.
            OSError: The system begins no process.
        """
        failures = 0
        while not stop.is_set():
            began_s = self._clock.monotonic()
            async with self._process() as process:
                await _first_of(process.wait(), stop.wait())
                code = process.returncode
            if stop.is_set() or code is None:
                return
            if code == REFUSED and not self.was_ready:
                raise RoleRefused(f"{self.spec.name} cannot run with these settings", "its own lines say which")
            lived_s = self._clock.monotonic() - began_s
            failures = 1 if lived_s >= self._healthy_s else failures + 1
            pause_s = self._restarts.delay_s(failures, self._randomness.random())
            _log.warning(
                "role ended, beginning it again",
                role=self.spec.name, exit_code=code, lived_s=round(lived_s, 1), failures=failures,
                pause_s=round(pause_s, 2),
            )  # fmt: skip
            await _first_of(asyncio.sleep(pause_s), stop.wait())

    @contextlib.asynccontextmanager
    async def _process(self) -> AsyncGenerator[asyncio.subprocess.Process]:
        """One process, which is told to stop at the end of the block, and is killed when it does not in time."""
        childs_end, our_end = os.pipe()
        try:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self.spec.argv,
                    env={**self.spec.environ, VARIABLE: "stdin"},
                    stdin=childs_end,
                    stdout=asyncio.subprocess.PIPE,
                    start_new_session=True,  # the Ctrl-C of a terminal is for the keeper, which tells the others
                )
            finally:
                os.close(childs_end)
            self.pid = process.pid
            reading = asyncio.create_task(self._read(process.stdout), name=f"output of {self.spec.name}")
            try:
                yield process
                await self._end(process)
            finally:
                if process.returncode is None:
                    _kill(process)
                    await process.wait()
                self.pid = None
                reading.cancel()
        finally:
            os.close(our_end)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._stop_s_max):
                await process.wait()
                return
        _log.warning("role did not end in time, killing it", role=self.spec.name, pid=process.pid)

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None, "its standard output is a pipe"
        rest = b""
        while chunk := await stream.read(_READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > limits.ROLE_LINE_BYTES_MAX:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(line)
        if rest:
            self._say(rest)


def role_argv(*words: str) -> tuple[str, ...]:
    """This program, with *words* as its command."""
    return (sys.executable, "-m", "observatory", *words)


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
