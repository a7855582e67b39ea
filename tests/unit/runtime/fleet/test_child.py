"""Real child processes: begun again, bounded, told to stop, and gone with their keeper."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from observatory.core.retry import RetryPolicy
from observatory.runtime.fleet.child import REFUSED, Child, ChildSpec, RoleRefused
from observatory.runtime.fleet.fleet import Fleet, Member
from observatory.runtime.sources import SystemClock, SystemRandomness
from observatory.runtime.step import Step

QUICK = RetryPolicy(base_s=0.01, cap_s=0.02, factor=2.0, jitter=0.0)
S_MAX = 20.0

PREAMBLE = """
import os, pathlib, signal, sys, time
from observatory.runtime.fleet.lifeline import hang_on
hang_on()
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
"""
WAITS = "time.sleep(60)\n"
CRASHES = "sys.exit(7)\n"
REFUSES = f"sys.exit({REFUSED})\n"
SAYS_READY = 'print(\'{"name": "", "text": "ready in 0.1 s", "kind": "note"}\', flush=True)\n'
IS_DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n"


def spec_of(starts: Path, script: str, name: str = "role") -> ChildSpec:
    return ChildSpec(name=name, argv=(sys.executable, "-c", PREAMBLE + script, str(starts)), environ=dict(os.environ))


class Kept:
    """A child whose starts and lines are counted."""

    def __init__(self, folder: Path, script: str, *, healthy_s: float = 60.0, stop_s_max: float = 5.0) -> None:
        self.starts = folder / "starts"
        self.lines: list[bytes] = []
        self.stop = asyncio.Event()
        self.child = Child(
            spec_of(self.starts, script),
            say=self.lines.append,
            clock=SystemClock(),
            randomness=SystemRandomness(),
            restarts=QUICK,
            healthy_s=healthy_s,
            stop_s_max=stop_s_max,
        )
        self.running = asyncio.create_task(self.child.run(self.stop))

    @property
    def pids(self) -> list[int]:
        with contextlib.suppress(FileNotFoundError):
            return [int(line) for line in self.starts.read_text().splitlines()]
        return []

    async def started(self, times: int = 1) -> int:
        """Wait for that many starts; gives the process id of the last one."""
        await until(lambda: len(self.pids) >= times)
        return self.pids[times - 1]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(S_MAX):
        while not holds():  # noqa: ASYNC110 — another process makes it so
            await asyncio.sleep(0.01)


@pytest.fixture
async def keep(tmp_path: Path) -> AsyncGenerator[Callable[..., Kept]]:
    kept: list[Kept] = []

    def begin(script: str, **options: float) -> Kept:
        kept.append(Kept(tmp_path, script, **options))
        return kept[-1]

    yield begin
    for each in kept:
        each.stop.set()
        await asyncio.gather(each.running, return_exceptions=True)


async def test_a_role_that_is_killed_is_begun_again(keep: Callable[..., Kept]) -> None:
    kept = keep(WAITS)
    first = await kept.started()

    os.kill(first, signal.SIGKILL)
    second = await kept.started(2)

    assert second != first
    assert not psutil.pid_exists(first)


async def test_a_role_that_cannot_stay_alive_is_begun_at_growing_distances(tmp_path: Path) -> None:
    pauses: list[float] = []

    class Slower(RetryPolicy, frozen=True):
        def delay_s(self, attempt: int, chance: float) -> float:
            pauses.append(super().delay_s(attempt, chance))
            return 0.0

    child = Child(
        spec_of(tmp_path / "starts", CRASHES),
        say=lambda _: None,
        clock=SystemClock(),
        randomness=SystemRandomness(),
        restarts=Slower(base_s=0.5, cap_s=2.0, factor=2.0, jitter=0.0),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(child.run(stop))

    await until(lambda: len(pauses) >= 4)
    stop.set()
    await running

    assert pauses[:4] == [0.5, 1.0, 2.0, 2.0]


async def test_a_role_that_was_well_for_long_begins_a_new_row_of_failures(tmp_path: Path) -> None:
    attempts: list[int] = []

    class Noted(RetryPolicy, frozen=True):
        def delay_s(self, attempt: int, chance: float) -> float:
            attempts.append(attempt)
            return 0.0

    child = Child(
        spec_of(tmp_path / "starts", CRASHES),
        say=lambda _: None,
        clock=SystemClock(),
        randomness=SystemRandomness(),
        restarts=Noted(),
        healthy_s=0.0,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(child.run(stop))

    await until(lambda: len(attempts) >= 3)
    stop.set()
    await running

    assert set(attempts) == {1}


async def test_a_role_whose_settings_are_wrong_is_not_begun_again(keep: Callable[..., Kept]) -> None:
    kept = keep(REFUSES)

    with pytest.raises(RoleRefused, match="role cannot run with these settings"):
        await asyncio.wait_for(kept.running, S_MAX)

    assert len(kept.pids) == 1


async def test_a_stop_tells_the_role_and_waits_for_it(keep: Callable[..., Kept], tmp_path: Path) -> None:
    says_so = (
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(tmp_path / 'told')!r}).touch(), sys.exit()))\n"
    )
    kept = keep(says_so + "print('listening', flush=True)\n" + WAITS)
    pid = await kept.started()
    await until(lambda: bool(kept.lines))

    kept.stop.set()
    await kept.running

    assert (tmp_path / "told").exists()
    assert not psutil.pid_exists(pid)


async def test_a_role_that_does_not_end_in_time_is_killed(keep: Callable[..., Kept]) -> None:
    kept = keep(IS_DEAF + WAITS, stop_s_max=0.2)
    pid = await kept.started()
    await until(lambda: bool(kept.lines))

    kept.stop.set()
    await kept.running

    assert not psutil.pid_exists(pid)


async def test_a_keeper_that_is_cancelled_leaves_nobody(keep: Callable[..., Kept]) -> None:
    kept = keep(WAITS)
    pid = await kept.started()

    kept.running.cancel()
    await asyncio.gather(kept.running, return_exceptions=True)

    assert not psutil.pid_exists(pid)


async def test_what_it_writes_comes_line_by_line(keep: Callable[..., Kept]) -> None:
    kept = keep("sys.stdout.write('one\\ntwo\\n' + 'x' * 300_000 + '\\nlast'); sys.stdout.flush()\n" + "sys.exit(2)\n")

    with pytest.raises(RoleRefused):
        await kept.running
    await until(lambda: kept.lines[-1:] == [b"last"])

    assert kept.lines[:2] == [b"one", b"two"]
    assert b"".join(kept.lines[2:-1]) == b"x" * 300_000


KEEPER = f"""
import asyncio, os, sys
from pathlib import Path
from tests.unit.runtime.fleet.test_child import WAITS, Kept

async def main():
    Kept(Path(sys.argv[1]), WAITS)
    await asyncio.sleep({S_MAX})

asyncio.run(main())
"""


async def test_a_keeper_that_is_killed_leaves_nobody(tmp_path: Path) -> None:
    command = (sys.executable, "-c", KEEPER, str(tmp_path))
    keeper = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[4])
    starts = tmp_path / "starts"
    try:
        await until(lambda: starts.exists() and starts.read_text().endswith("\n"))
        pid = int(starts.read_text())
        assert psutil.pid_exists(pid)
    finally:
        keeper.kill()
        await keeper.wait()

    await until(lambda: not psutil.pid_exists(pid))


async def test_a_program_that_a_role_starts_reads_an_empty_input(keep: Callable[..., Kept]) -> None:
    kept = keep(
        "import subprocess\nprint(subprocess.run(['cat'], capture_output=True, timeout=10), flush=True)\n" + WAITS
    )

    await until(lambda: bool(kept.lines))

    assert b"returncode=0" in kept.lines[0]


# --- several together -----------------------------------------------------------------------------


def fleet_of(folder: Path, said: list[Step], **scripts: str) -> Fleet:
    members = [
        Member(step=Step(name, "here"), spec=spec_of(folder / name, script, name)) for name, script in scripts.items()
    ]
    return Fleet(members, say=said.append, clock=SystemClock(), randomness=SystemRandomness())


async def test_a_fleet_says_who_is_there_once_all_are_ready(tmp_path: Path) -> None:
    said: list[Step] = []
    fleet = fleet_of(tmp_path, said, one=SAYS_READY + WAITS, two="print('hello', flush=True)\n" + SAYS_READY + WAITS)
    stop = asyncio.Event()
    running = asyncio.create_task(fleet.run(stop))

    async with asyncio.timeout(S_MAX):
        await fleet.ready.wait()
    stop.set()
    await running

    assert said == [Step("two", "hello", kind="note"), Step("one", "here"), Step("two", "here")]


async def test_one_role_that_cannot_run_ends_all(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, [], one=WAITS, two="time.sleep(0.5)\n" + REFUSES)
    began_s = time.monotonic()

    with pytest.raises(RoleRefused, match="two"):
        await fleet.run(asyncio.Event())

    assert not psutil.pid_exists(int((tmp_path / "one").read_text()))
    assert time.monotonic() - began_s < S_MAX


async def test_a_role_that_was_ready_once_and_cannot_run_any_more_ends_nobody_else(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    refuses_when_broken = f"if pathlib.Path({str(broken)!r}).exists(): {REFUSES}"
    said: list[Step] = []
    fleet = fleet_of(tmp_path, said, one=SAYS_READY + WAITS, two=refuses_when_broken + SAYS_READY + WAITS)
    stop = asyncio.Event()
    running = asyncio.create_task(fleet.run(stop))
    async with asyncio.timeout(S_MAX):
        await fleet.ready.wait()

    broken.touch()
    with capture_logs() as logs:
        os.kill(int((tmp_path / "two").read_text()), signal.SIGKILL)
        await until(lambda: running.done() or REFUSED in [log.get("exit_code") for log in logs])
    broken.unlink()
    begun = len((tmp_path / "two").read_text().splitlines())
    await until(lambda: running.done() or len((tmp_path / "two").read_text().splitlines()) > begun)

    assert not running.done()
    assert len((tmp_path / "one").read_text().splitlines()) == 1
    stop.set()
    await running
