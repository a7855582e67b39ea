"""Whose words are whose, in each isolation."""

import asyncio
import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from observatory import JobContext, Observatory
from observatory.core.handler import Handler
from observatory.processor.runner import Runner
from observatory.processor.said import Said
from observatory.processor.stopping import Stop
from observatory.runtime.sources import SystemClock
from tests import handlers
from tests.unit.processor.jobs import executing, runner_of

ISOLATIONS = ["async", "thread", "process"]
MIB = 1024 * 1024


async def words(runner: Runner, handler: Handler, payload: dict[str, Any] | None = None) -> list[str]:
    said = Said(SystemClock())
    job = executing(handler.type, payload, timeout_seconds=120.0)
    await runner.run(handler, job, stop=Stop(), said=said)
    return [line.text for line in said.log.read().lines]


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_what_a_handler_prints_and_logs_is_in_its_log(
    isolation: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)  # as the service sets it
    async with runner_of() as runner:
        said = await words(runner, handlers.app.handlers[f"say.{isolation}"], {"text": "hello"})

    assert said[:4] == [
        "hello 0",
        "hello 0 to stderr",
        "INFO observatory.job: hello by the logger of the context",
        "WARNING somebody.else: hello by a logger",
    ]
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_attempts_that_run_at_the_same_time_do_not_hear_each_other(isolation: str) -> None:
    handler = handlers.app.handlers[f"say.{isolation}"]
    async with runner_of(slots=4) as runner:
        said = await asyncio.gather(*(words(runner, handler, {"text": f"<{n}>", "times": 200}) for n in range(4)))

    for number, lines in enumerate(said):
        assert len(lines) >= 400
        assert all(f"<{number}>" in line for line in lines)


async def test_a_task_that_outlives_its_attempt_speaks_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    app, gate, ended = Observatory(), asyncio.Event(), asyncio.Event()

    async def speak_later() -> None:
        await gate.wait()
        print("too late")
        ended.set()

    @app.job("leaves")
    async def leaves(ctx: JobContext) -> None:
        app.task = asyncio.create_task(speak_later())  # pyright: ignore[reportAttributeAccessIssue]

    async with runner_of() as runner:
        said = await words(runner, app.handlers["leaves"])
        gate.set()
        await ended.wait()

    assert said == []
    assert capsys.readouterr().out == "too late\n"


async def test_the_streams_of_the_process_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    before = list(logging.root.handlers)
    async with runner_of() as one, runner_of() as two:
        await words(one, handlers.app.handlers["say.async"], {"text": "a"})
        await words(two, handlers.app.handlers["say.async"], {"text": "b"})
        during = sys.stdout
        print("not a handler")

    assert during is not stream
    assert sys.stdout is stream
    assert stream.getvalue() == "not a handler\n"
    assert logging.root.handlers == before


async def test_a_child_may_write_anything_and_its_last_words_are_kept() -> None:
    async with runner_of() as runner:
        raw = await words(runner, handlers.app.handlers["say.raw"])
        last = await words(runner, handlers.app.handlers["say.and.die"])

    assert raw == ["half \\xff and \x1b[31mred\\x00", "without an end"]
    assert last[0] == "the last words"
    assert any("Segmentation fault" in line for line in last)


@contextmanager
def growth() -> Iterator[list[int]]:
    """Notes by how many bytes this process grows, again and again."""
    process, is_over = psutil.Process(), threading.Event()
    before, grown = process.memory_info().rss, [0]

    def look() -> None:
        while not is_over.wait(0.01):
            grown.append(process.memory_info().rss - before)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield grown
    finally:
        is_over.set()
        looking.join()


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_a_gigabyte_of_prints_ends_in_bounded_memory_and_leaves_no_more_than_its_end(isolation: str) -> None:
    said = Said(SystemClock())
    handler = handlers.app.handlers[f"flood.{isolation}"]
    job = executing(handler.type, {"mib": 1024}, timeout_seconds=120.0)
    async with runner_of() as runner:
        with growth() as grown:
            ended = await runner.run(handler, job, stop=Stop(), said=said)

    tail = said.log.read()
    assert ended.result == 1024
    assert max(grown) < 64 * MIB
    assert said.log.written_bytes == 1024 * MIB
    assert len(tail.lines) + tail.dropped_lines == 1024 * 1024
    assert len(tail.lines) == 64
