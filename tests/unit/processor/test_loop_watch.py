"""Does somebody say so when a coroutine holds up the loop?"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from observatory.core import limits
from observatory.processor import loop_watch
from observatory.processor.context import facts_of
from observatory.processor.loop_watch import LoopWatch
from observatory.testing.manual_sources import ManualClock
from tests import handlers
from tests.unit.processor.jobs import JOB_ID, executing, run, runner_of


class Log:
    """What is logged, and what is done about it."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, dict[str, Any]]] = []
        self.then: Callable[[], object] = lambda: None

    def warning(self, event: str, **fields: Any) -> None:
        self.entries.append((event, fields))
        self.then()

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.entries]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(loop_watch, "_log", log)
    return log


@pytest.fixture
async def watch():
    """One that looks and turns only when the test says so."""
    watch = LoopWatch(ManualClock())
    watch.start(thread=False)
    yield watch
    watch.stop()


def look(watch: LoopWatch, *, after_s: float) -> None:
    """What the thread does, *after_s* during which this one does not come back to its loop."""
    clock: Any = watch._clock
    while after_s > 0:
        clock.advance(min(after_s, limits.LOOP_LOOK_S))
        after_s -= limits.LOOP_LOOK_S
        other = threading.Thread(target=watch.look)
        other.start()
        other.join()


async def test_a_loop_that_stands_still_is_told_once_and_once_more_when_it_goes_on(watch: LoopWatch, log: Log) -> None:
    async def block() -> None:
        look(watch, after_s=5.0 + limits.LOOP_LOOK_S)

    task = asyncio.create_task(block())
    watch.note(task, facts_of(executing("thumbnail")))
    await task
    watch.turn()
    watch.turn()

    (blocked, held), (goes_on, over) = log.entries
    assert (blocked, held["job"], held["job_type"], held["attempt"]) == ("event loop blocked", JOB_ID, "thumbnail", 2)
    assert held["stands_s"] == limits.LOOP_STALL_S
    assert f"block ({__file__}:" in held["at"]
    assert (goes_on, over["job"], over["stood_s"]) == ("event loop goes on", JOB_ID, 5.0)


async def test_a_shorter_stall_is_nothing_to_talk_about(watch: LoopWatch, log: Log) -> None:
    look(watch, after_s=limits.LOOP_STALL_S)
    watch.turn()

    assert log.events == []


async def test_what_holds_the_loop_without_being_an_attempt_is_named_by_its_task(watch: LoopWatch, log: Log) -> None:
    async def block() -> None:
        look(watch, after_s=2.0)

    await asyncio.create_task(block(), name="stray")

    ((event, fields),) = log.entries
    assert (event, fields["task"]) == ("event loop blocked", "stray")


async def test_a_process_that_stood_still_as_a_whole_blames_nobody(watch: LoopWatch, log: Log) -> None:
    clock: Any = watch._clock
    clock.advance(60.0 + limits.LOOP_LOOK_S)
    watch.look()
    watch.turn()

    assert log.entries == [("event loop goes on", {"stood_s": 60.0})]


async def test_a_blocking_handler_is_named_while_it_blocks(log: Log) -> None:
    gate = handlers.gates[JOB_ID] = handlers.Gate()
    log.then = gate.opened.set
    async with runner_of() as runner:
        ended = await run(runner, "block.at.gate")

    assert ended.result == "opened"
    assert log.events[0] == "event loop blocked"
    assert log.entries[0][1]["job_type"] == "block.at.gate"


async def test_the_watch_ends_with_its_runner() -> None:
    async with runner_of() as runner:
        await run(runner, "quick")
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "loop watch"]

    await asyncio.to_thread(thread.join)
    assert not thread.is_alive()
