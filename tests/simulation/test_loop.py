"""The simulated loop itself: time, choice, nodes, and what leads out of it."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.loop import ESCAPES, NODE, Deadlock, Escape, Livelock, Node, SimulationLoop
from tests.simulation.streams import Streams

ROOT = Path(__file__).parents[2]


def simulate(story: Callable[[SimulationLoop], Awaitable[Any]], seed: int = 1) -> Any:
    loop = SimulationLoop(Streams(seed).schedule)
    try:
        return loop.run_until_complete(story(loop))
    finally:
        loop.tear_down()


def test_a_day_of_sleep_takes_no_time_and_the_clock_says_a_day() -> None:
    async def story(loop: SimulationLoop) -> float:
        await asyncio.sleep(86_400.0)
        return loop.time()

    assert simulate(story) == 86_400.0


def test_the_seed_decides_the_order_and_the_same_seed_decides_the_same() -> None:
    async def story(loop: SimulationLoop) -> list[int]:
        order: list[int] = []

        async def one(number: int) -> None:
            await asyncio.sleep(0)
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(8)))
        return order

    orders = [simulate(story, seed) for seed in range(10)]

    assert orders == [simulate(story, seed) for seed in range(10)]
    assert len({tuple(order) for order in orders}) > 5
    assert all(sorted(order) == list(range(8)) for order in orders)


def test_waiting_for_what_never_comes_is_a_deadlock() -> None:
    async def story(loop: SimulationLoop) -> None:
        await loop.create_future()

    with pytest.raises(Deadlock):
        simulate(story)


def test_running_without_time_passing_is_a_livelock() -> None:
    async def story(loop: SimulationLoop) -> None:
        while loop.time() == 0.0:  # noqa: ASYNC110 — going round without waiting is what is looked for
            await asyncio.sleep(0)

    loop = SimulationLoop(Streams(1).schedule)
    with pytest.raises(Livelock):
        loop.run_until_complete(story(loop))
    loop.tear_down()


@pytest.mark.parametrize("name", ESCAPES)
def test_what_leads_outside_is_refused_by_its_name(name: str) -> None:
    async def story(loop: SimulationLoop) -> None:
        getattr(loop, name)()

    with pytest.raises(Escape, match=name):
        simulate(story)


def test_threads_are_refused_in_both_directions() -> None:
    async def into(loop: SimulationLoop) -> None:
        with ThreadPoolExecutor(1) as pool:
            await loop.run_in_executor(pool, int)

    async def from_outside(loop: SimulationLoop) -> list[BaseException]:
        errors: list[BaseException] = []

        def call() -> None:
            try:
                loop.call_soon_threadsafe(int)
            except Escape as error:
                errors.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        return errors

    with pytest.raises(Escape, match="thread"):
        simulate(into)
    assert len(simulate(from_outside)) == 1


def test_a_crashed_node_does_nothing_more_and_no_finally_runs() -> None:
    done: list[str] = []

    async def doomed() -> None:
        try:
            await asyncio.sleep(1.0)
            done.append("worked")
        finally:
            done.append("cleaned up")

    async def story(loop: SimulationLoop) -> list[str]:
        node = Node("doomed")
        loop.spawn(node, doomed())
        await asyncio.sleep(0.5)
        loop.crash(node)
        await asyncio.sleep(10.0)
        return list(done)

    assert simulate(story) == []


def test_a_paused_node_does_its_timers_late() -> None:
    async def story(loop: SimulationLoop) -> list[float]:
        node, times = Node("paused"), list[float]()

        async def tick() -> None:
            for _ in range(3):
                await asyncio.sleep(1.0)
                times.append(loop.time())

        loop.spawn(node, tick())
        await asyncio.sleep(1.5)
        loop.pause(node, 10.0)
        await asyncio.sleep(20.0)
        return times

    assert simulate(story) == [1.0, 11.5, 12.5]


def test_what_a_node_starts_belongs_to_it() -> None:
    async def story(loop: SimulationLoop) -> list[Node | None]:
        node, owners = Node("parent"), list[Node | None]()

        async def child() -> None:
            owners.append(NODE.get())
            loop.call_later(1.0, lambda: owners.append(NODE.get()))

        async def parent() -> None:
            await asyncio.create_task(child())

        loop.spawn(node, parent())
        await asyncio.sleep(5.0)
        owners.append(NODE.get())
        return [owner and owner.name for owner in owners]  # pyright: ignore[reportReturnType] — names compare, nodes do not

    assert simulate(story) == ["parent", "parent", None]


def test_another_draw_of_one_stream_leaves_the_others_alone() -> None:
    first, second = Streams(5), Streams(5)
    first.faults.random()

    assert first.schedule.random() == second.schedule.random()
    assert first.faults.random() != second.faults.random()


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_a_fresh_process_with_another_hash_seed_gives_the_same_digests(hash_seed: str) -> None:
    from tests.simulation.quiet import no_logs
    from tests.simulation.world import run_seed

    seeds = (1, 7, 12)
    code = "from tests.simulation.world import run_seed\nfrom tests.simulation.quiet import be_quiet\nbe_quiet()\n"
    code += f"for seed in {seeds}: print(run_seed(seed).digest)"
    environment = {"PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin:/bin"}
    asked = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    with no_logs():
        assert asked.stdout.split() == [run_seed(seed).digest for seed in seeds]
