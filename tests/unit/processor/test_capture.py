"""Whose words are whose, in each isolation."""

import asyncio
import contextvars
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import psutil
import pytest
import structlog

from observatory import JobContext, Observatory
from observatory.core.handler import Handler
from observatory.core.job import Outcome
from observatory.processor.runner import Runner
from observatory.processor.said import Said
from observatory.processor.stopping import Stop
from observatory.runtime.logging import configure_logging
from observatory.runtime.sources import SystemClock
from tests import handlers
from tests.unit.processor.jobs import executing, run, runner_of

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


MISUSED = {
    "template": "WARNING shop: %d rows "
    "(could not be formatted: TypeError: %d format: a real number is required, not str)",
    "argument": "WARNING shop: %s rows (could not be formatted: ValueError: it cannot be shown)",
    "message": "WARNING shop: <Unshowable> (could not be formatted: ValueError: it cannot be shown)",
    "surrogate": "a\\ud800b",
    "bytes": "café \\xff",
}
"""What is in the log of a handler that does this."""


@contextmanager
def service_log() -> Iterator[io.StringIO]:
    """What the service says while it runs as it is configured."""
    stream, handlers_before, level = io.StringIO(), logging.root.handlers[:], logging.root.level
    configure_logging("info", stream=stream)
    try:
        yield stream
    finally:
        logging.root.handlers[:] = handlers_before
        logging.root.setLevel(level)
        structlog.reset_defaults()


@contextmanager
def standard_output(path: Path, encoding: str) -> Iterator[TextIO]:
    """The standard output of the service while this lasts: a file, as under most supervisors."""
    before = sys.stdout
    with path.open("w+", encoding=encoding) as stream:
        stream.write("before\n")
        sys.stdout = stream
        try:
            yield stream
        finally:
            sys.stdout = before


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("how", handlers.MISUSES)
async def test_a_mistake_with_streams_and_logs_costs_no_attempt_and_nothing_of_the_others(
    isolation: str, how: str, tmp_path: Path
) -> None:
    handler = handlers.app.handlers[f"misuse.{isolation}"]
    said, job = Said(SystemClock()), executing(handler.type, {"how": how})
    with standard_output(tmp_path / "stdout", "utf-8") as stdout, service_log() as log:
        async with runner_of() as runner:
            ended = await runner.run(handler, job, stop=Stop(), said=said)
            later = await words(runner, handlers.app.handlers[f"say.{isolation}"], {"text": "later"})
            print("the service's own ф")
        is_as_before = (stdout.encoding, stdout.closed) == ("utf-8", False)

    assert (ended.outcome, ended.result) == (Outcome.SUCCEEDED, ["utf-8", False, False, True]), ended.error
    texts = [line.text for line in said.log.read().lines]
    assert texts[-2:] == ["heard ф", "INFO observatory.job: logged"]
    assert later[:2] == ["later 0", "later 0 to stderr"]
    assert "Logging error" not in "".join(texts)
    if how in MISUSED:
        assert texts[:-2] == [MISUSED[how]]
    if how in {"template", "argument", "message"} and isolation != "process":
        assert json.loads(log.getvalue().splitlines()[0])["event"] == MISUSED[how].removeprefix("WARNING shop: ")
    assert sum(map(len, texts)) < 8 * 1024
    assert (tmp_path / "stdout").read_text(encoding="utf-8") == "before\nthe service's own ф\n"
    assert is_as_before


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_what_is_no_exception_passes_through_a_log_as_it_does_everywhere(isolation: str) -> None:
    async with runner_of() as runner:
        ended = await run(runner, f"misuse.{isolation}", {"how": "stops"})

    assert ended.error is not None
    assert ended.error.type == "SystemExit"


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_a_stream_that_a_handler_put_in_place_and_closed_is_not_met_by_the_next(
    isolation: str, tmp_path: Path
) -> None:
    before = sys.stderr
    with standard_output(tmp_path / "stdout", "utf-8"):
        async with runner_of() as runner:
            await run(runner, f"misuse.{isolation}", {"how": "replaces and closes"})
            later = await words(runner, handlers.app.handlers[f"say.{isolation}"], {"text": "later"})
            print("the service's own")

    assert sys.stderr is before
    assert later[:2] == ["later 0", "later 0 to stderr"]
    assert (tmp_path / "stdout").read_text(encoding="utf-8") == "before\nthe service's own\n"


async def test_a_thread_that_a_handler_left_behind_cannot_close_the_stream_of_the_service(tmp_path: Path) -> None:
    app, gate, is_over = Observatory(), threading.Event(), threading.Event()

    def speak_later() -> None:
        gate.wait()
        print("left \ud800 behind")
        sys.stdout.buffer.write(b"")
        handlers.MISUSES["close"]()
        is_over.set()

    @app.job("leaves")
    def leaves(ctx: JobContext) -> None:
        threading.Thread(target=contextvars.copy_context().run, args=(speak_later,), daemon=True).start()

    with standard_output(tmp_path / "stdout", "ascii"):
        async with runner_of() as runner:
            await words(runner, app.handlers["leaves"])
            gate.set()
            assert await asyncio.to_thread(is_over.wait, 10)
            print("the service's own")

    assert (tmp_path / "stdout").read_text(encoding="utf-8") == "before\nleft \\ud800 behind\nthe service's own\n"


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
