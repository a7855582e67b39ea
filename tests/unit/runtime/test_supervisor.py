"""Loops that work, fail, hang and end, as the supervisor and the readiness check see them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from observatory.core import limits
from observatory.core.errors import Unavailable
from observatory.runtime.supervisor import FAILURES_MAX, LoopDown, Supervisor
from observatory.testing.manual_sources import ManualClock


class NoChance:
    """Every backoff is nothing."""

    def random(self) -> float:
        return 0.0


class OneLoop:
    """Does what it is told, and says how often it was asked."""

    name = "loop"

    def __init__(self, work: Callable[[], Awaitable[int]], wait: Callable[[], Awaitable[None]] | None = None) -> None:
        self._work = work
        self._wait = wait
        self.rounds = 0
        self.news = asyncio.Condition()

    async def run_once(self) -> int:
        self.rounds += 1
        async with self.news:
            self.news.notify_all()
        return await self._work()

    async def wait(self) -> None:
        if self._wait is not None:
            await self._wait()
        else:
            await asyncio.Event().wait()

    async def until_round(self, number: int) -> None:
        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: self.rounds >= number)


@contextlib.asynccontextmanager
async def supervised(loop: OneLoop, clock: ManualClock) -> AsyncGenerator[Supervisor]:
    supervisor, stop = Supervisor(clock=clock, randomness=NoChance()), asyncio.Event()
    running = asyncio.create_task(supervisor.run([loop], stop))
    try:
        yield supervisor
    finally:
        stop.set()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def nothing() -> int:
    return 0


async def fail() -> int:
    raise Unavailable("away")


async def test_a_loop_that_works_is_ready() -> None:
    loop = OneLoop(nothing)
    async with supervised(loop, ManualClock()) as supervisor:
        await loop.until_round(1)
        await supervisor.check("loop")


async def test_a_loop_that_fails_is_run_again_and_makes_the_process_not_ready() -> None:
    loop = OneLoop(fail)
    async with supervised(loop, ManualClock()) as supervisor:
        await loop.until_round(FAILURES_MAX + 1)
        with pytest.raises(LoopDown, match=r"loop failed \d+ times in a row: Unavailable: away"):
            await supervisor.check("loop")


async def test_a_wait_that_raises_is_a_failure_as_well() -> None:
    async def wait() -> None:
        raise Unavailable("no connection")

    loop = OneLoop(nothing, wait)
    async with supervised(loop, ManualClock()) as supervisor:
        await loop.until_round(FAILURES_MAX + 1)
        assert supervisor.states["loop"].last_error == "Unavailable: no connection"
        with pytest.raises(LoopDown, match="failed"):
            await supervisor.check("loop")


async def test_a_loop_that_hangs_in_one_round_makes_the_process_not_ready() -> None:
    clock = ManualClock()

    async def hang() -> int:
        await asyncio.Event().wait()
        return 0

    loop = OneLoop(hang)
    async with supervised(loop, clock) as supervisor:
        await loop.until_round(1)
        clock.advance(limits.RUN_ONCE_S_MAX)
        await supervisor.check("loop")
        clock.advance(0.001)
        with pytest.raises(LoopDown, match="in one round for 30 s"):
            await supervisor.check("loop")


async def test_a_supervisor_that_ended_says_so() -> None:
    supervisor, stop = Supervisor(clock=ManualClock(), randomness=NoChance()), asyncio.Event()
    stop.set()

    await supervisor.run([OneLoop(nothing)], stop)

    with pytest.raises(LoopDown, match="loop ended"):
        await supervisor.check("loop")


async def test_a_loop_whose_store_is_away_looks_again_soon_however_long_it_was_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    class Longest:
        def random(self) -> float:
            return 1.0 - 2**-53

    monkeypatch.setattr("observatory.runtime.supervisor.asyncio.sleep", note)
    loop, stop = OneLoop(fail), asyncio.Event()
    running = asyncio.create_task(Supervisor(clock=ManualClock(), randomness=Longest()).run([loop], stop))
    await loop.until_round(20)
    stop.set()
    await running

    assert max(pauses) == pytest.approx(limits.LOOP_AWAY_S_MAX)


async def test_a_loop_that_works_again_is_ready_while_it_waits_for_its_next_round() -> None:
    failures = iter([Unavailable("away")] * FAILURES_MAX)
    is_waiting = asyncio.Event()

    async def work() -> int:
        if (failure := next(failures, None)) is not None:
            raise failure
        return 0

    async def wait() -> None:
        is_waiting.set()
        await asyncio.Event().wait()

    async with supervised(OneLoop(work, wait), ManualClock()) as supervisor:
        await asyncio.wait_for(is_waiting.wait(), 10)

        await supervisor.check("loop")


async def test_a_loop_whose_wait_fails_whenever_its_round_worked_is_not_ready() -> None:
    loop = OneLoop(nothing, raising)

    async with supervised(loop, ManualClock()) as supervisor:
        await loop.until_round(FAILURES_MAX + 1)
        state = supervisor.states["loop"]

        assert (state.failures >= FAILURES_MAX, state.is_resting) == (True, False)
        with pytest.raises(LoopDown):
            await supervisor.check("loop")


async def raising() -> None:
    raise Unavailable("no connection")
