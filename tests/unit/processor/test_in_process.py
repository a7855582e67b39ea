"""Attempts in child processes: what crashes is one attempt, and what is said about it is true."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from observatory.core.job import Outcome
from observatory.processor.child_protocol import Run
from observatory.processor.context import StopReason
from observatory.processor.in_process import ChildProcess
from observatory.processor.said import Said
from observatory.processor.stopping import Stop
from observatory.runtime.sources import SystemClock
from tests import handlers
from tests.unit.processor.jobs import Fifo, executing, run, runner_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups")

ROOT = Path(__file__).parents[3]


async def test_results_and_wishes_cross_as_json() -> None:
    async with runner_of() as runner:
        quick = await run(runner, "quick.process", {"text": "ü", "list": [1, 2.5, None]})
        snoozed = await run(runner, "snooze.process")

    assert (quick.outcome, quick.result) == (Outcome.SUCCEEDED, {"text": "ü", "list": [1, 2.5, None]})
    assert quick.run_s > 0
    assert (snoozed.outcome, snoozed.wait_s) == (Outcome.SNOOZED, 60.0)


async def test_the_largest_payload_crosses() -> None:
    payload = {"text": "x" * 250_000}
    async with runner_of() as runner:
        ended = await run(runner, "quick.process", payload)

    assert ended.error is not None
    assert ended.error.type == "ResultTooLarge"


async def test_a_child_starts_on_first_use_and_is_kept() -> None:
    async with runner_of() as runner:
        before = runner.children
        first = await run(runner, "who.process")
        second = await run(runner, "who.process")
        after = runner.children

    assert (before, after) == (0, 1)
    assert first.result["pid"] == second.result["pid"] != os.getpid()


async def test_there_is_one_child_for_each_attempt_at_the_same_time() -> None:
    async with runner_of(slots=2) as runner:
        both = await asyncio.gather(run(runner, "who.process"), run(runner, "who.process"))
        children = runner.children

    assert children == 2
    assert both[0].result["pid"] != both[1].result["pid"]


async def test_a_child_is_out_of_reach_of_the_terminal() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "who.process")

    assert ended.result["pgid"] == ended.result["pid"] != os.getpgrp()
    assert ended.result["stdinIsEmpty"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_all_does_not_end_a_child_before_the_drain(number: int) -> None:
    async with runner_of() as runner:
        first = await run(runner, "who.process")
        os.kill(first.result["pid"], number)
        second = await run(runner, "who.process")

    assert first.result["pid"] == second.result["pid"]


@pytest.mark.parametrize("type_name", ["context.async", "context.thread", "context.process"])
async def test_a_handler_knows_its_attempt(type_name: str) -> None:
    minute = timedelta(seconds=60)
    began = SystemClock().now()
    async with runner_of() as runner:
        ended = await run(runner, type_name)

    job = executing(type_name)
    said: dict[str, Any] = ended.result
    assert 0 < said.pop("secondsLeft") <= 60.0
    assert began + minute <= datetime.fromisoformat(said.pop("deadline")) <= SystemClock().now() + minute
    assert said == {
        "jobId": job.id,
        "type": type_name,
        "attempt": 2,
        "maxAttempts": 3,
        "fence": 7,
        "idempotencyKey": job.id,
        "correlationId": job.correlation_id,
        "shouldStop": False,
    }


# --- crashes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_name", "payload", "says"),
    [
        ("segfault.process", {}, "killed by signal 11 (SIGSEGV)"),
        ("kill.oneself", {"number": 9}, "killed by signal 9 (SIGKILL)"),
        ("exit.process", {"code": 3}, "exited with code 3 before it gave a result"),
        ("exit.process", {"code": 0}, "exited with code 0 before it gave a result"),
        (
            "close.everything",
            {},
            "killed by signal 9 (SIGKILL) | exited with code 1 before it gave a result",
        ),  # what closes first
    ],
)
async def test_a_crash_ends_one_attempt_and_says_truly_how(type_name: str, payload: dict[str, Any], says: str) -> None:
    async with runner_of() as runner:
        ended = await run(runner, type_name, payload)
        afterwards = await run(runner, "quick.process", {"a": 1})

    assert ended.outcome is Outcome.CRASHED
    assert ended.error is not None
    assert ended.error.type == "Crashed"
    assert ended.error.message in says.split(" | ")
    assert afterwards.result == {"a": 1}


async def test_a_crash_does_not_touch_the_attempt_beside_it(tmp_path: Path) -> None:
    fifo = Fifo(tmp_path)
    async with runner_of(slots=2) as runner:
        stop = Stop()
        beside = asyncio.ensure_future(run(runner, "forever.process", {"fifo": fifo.path}, stop=stop))
        await fifo.first_line()
        crash = await run(runner, "segfault.process")
        beside_was_done = beside.done()
        stop.ask(StopReason.LEASE_LOST)
        await beside
        await fifo.rest()

    assert crash.outcome is Outcome.CRASHED
    assert not beside_was_done


async def test_a_child_that_died_while_idle_is_replaced() -> None:
    async with runner_of() as runner:
        first = await run(runner, "who.process")
        (child,) = runner._children._alive
        os.kill(first.result["pid"], signal.SIGKILL)
        await child.gone
        second = await run(runner, "who.process")

    assert second.outcome is Outcome.SUCCEEDED
    assert second.result["pid"] != first.result["pid"]


async def test_a_handler_that_writes_into_the_pipe_is_not_believed() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "babble.into.pipe")
        afterwards = await run(runner, "quick.process")

    assert ended.outcome is Outcome.CRASHED
    assert afterwards.outcome is Outcome.SUCCEEDED


async def test_an_answer_for_another_attempt_is_not_believed() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "answer.for.another")
        afterwards = await run(runner, "quick.process", {"a": 1})

    assert ended.outcome is Outcome.CRASHED
    assert ended.error is not None
    assert ended.error.message == "the child answered for something else and was killed"
    assert afterwards.result == {"a": 1}


async def test_a_child_that_answers_twice_does_not_meet_the_next_attempt() -> None:
    async with runner_of() as runner:
        await run(runner, "quick.process")
        (child,) = runner._children._alive
        await run(runner, "answer.twice")
        exited = await child.gone
        afterwards = await run(runner, "quick.process", {"a": 1})

    assert exited.code == -signal.SIGKILL
    assert afterwards.result == {"a": 1}


@pytest.mark.parametrize(("copy", "code"), [("returns", 0), ("exits", 5), ("raises", 1)])
async def test_a_forked_copy_of_a_child_ends_without_an_answer(copy: str, code: int) -> None:
    async with runner_of() as runner:
        ended = await run(runner, "fork", {"copy": copy})
        afterwards = await run(runner, "quick.process", {"a": 1})

    assert (ended.outcome, ended.result) == (Outcome.SUCCEEDED, {"from": "the original", "copy": code})
    assert afterwards.result == {"a": 1}


async def test_a_copy_forked_behind_pythons_back_ends_without_an_answer() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "fork.in.c")
        afterwards = await run(runner, "quick.process", {"a": 1})

    assert (ended.result, afterwards.result) == ("the original", {"a": 1})


async def test_a_handler_can_end_its_forked_copies() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "fork.and.terminate")

    assert ended.result == -signal.SIGTERM


async def test_a_handler_may_use_forked_processes() -> None:
    async with runner_of() as runner:
        results = [(await run(runner, "multiprocess")).result for _ in range(2)]

    assert results == [[0, 1, 4, 9], [0, 1, 4, 9]]


async def test_what_a_crashed_attempt_started_dies_with_it(tmp_path: Path) -> None:
    fifo = Fifo(tmp_path)
    async with runner_of() as runner:
        running = asyncio.ensure_future(run(runner, "family.process", {"fifo": fifo.path, "then": "exit"}))
        await fifo.first_line()
        ended = await running
        await fifo.rest()

    assert ended.error is not None
    assert ended.error.message == "exited with code 3 before it gave a result"


class EndedTransport:
    """Of a process of which the loop knows that it has ended."""

    def get_returncode(self) -> int:
        return 3

    def get_pid(self) -> int:
        return 4_000_000

    def close(self) -> None: ...


@pytest.mark.parametrize("first", ["the pipe", "the process"])
async def test_the_group_of_a_crashed_child_is_killed_once_whichever_end_is_reported_first(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda *group: killed.append(group))
    child = ChildProcess()
    child._transport = EndedTransport()  # pyright: ignore[reportAttributeAccessIssue]
    if first == "the process":
        child.process_exited()
    child.pipe_connection_lost(1, None)
    if first == "the pipe":
        child.process_exited()

    assert child.gone.result().code == 3
    assert killed == [(4_000_000, signal.SIGKILL)]


# --- the end of its time --------------------------------------------------------------------------


async def test_an_attempt_past_its_time_out_is_killed_with_what_it_started(tmp_path: Path) -> None:
    fifo = Fifo(tmp_path)
    async with runner_of() as runner:
        await run(runner, "quick.process")
        payload = {"fifo": fifo.path, "then": "go on"}
        running = asyncio.ensure_future(run(runner, "family.process", payload, timeout_seconds=1.0))
        await fifo.first_line()
        ended = await running
        await fifo.rest()
        children = runner.children

    assert ended.outcome is Outcome.TIMED_OUT
    assert ended.error is not None
    assert ended.error.message == "it went past its time-out of 1 s; it was killed"
    assert children == 0


@pytest.mark.parametrize(
    ("reason", "outcome", "says"),
    [
        (StopReason.CANCEL, "cancelled", "a cancel was requested; it was killed"),
        (StopReason.DRAIN, "released", "its processor ends; it was killed"),
        (StopReason.LEASE_LOST, "lease_lost", "its lease was lost; it was killed"),
    ],
)
async def test_a_handler_that_does_not_look_is_killed(
    tmp_path: Path, reason: StopReason, outcome: str, says: str
) -> None:
    fifo = Fifo(tmp_path)
    async with runner_of(grace_s=0.05, drain_s=0.05) as runner:
        stop = Stop()
        running = asyncio.ensure_future(run(runner, "forever.process", {"fifo": fifo.path}, stop=stop))
        await fifo.first_line()
        stop.ask(reason)
        ended = await running
        await fifo.rest()

    assert ended.outcome == outcome
    assert ended.error is not None
    assert ended.error.message == says


@pytest.mark.parametrize(("reason", "outcome"), [(StopReason.CANCEL, "cancelled"), (StopReason.DRAIN, "released")])
async def test_a_handler_that_looks_ends_by_itself_and_its_child_is_kept(reason: StopReason, outcome: str) -> None:
    async with runner_of(grace_s=60.0, drain_s=60.0) as runner:
        first = await run(runner, "who.process")
        stop = Stop()
        stop.ask(reason)
        ended = await run(runner, "polite.process", stop=stop)
        second = await run(runner, "who.process")

    assert ended.outcome == outcome
    assert ended.error is not None
    assert ended.error.message.endswith("it ended where it was asked to")
    assert first.result["pid"] == second.result["pid"]


async def test_a_soft_time_out_is_seen_in_the_child() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "polite.process")

    assert ended.outcome is Outcome.TIMED_OUT
    assert ended.error is not None
    assert ended.error.message == "its soft time-out passed; it ended where it was asked to"


async def test_a_question_of_one_attempt_is_not_heard_by_the_next() -> None:
    async with runner_of(grace_s=60.0) as runner:
        stop = Stop()
        stop.ask(StopReason.CANCEL)
        await run(runner, "polite.process", stop=stop)
        ended = await run(runner, "context.process")

    assert ended.result["shouldStop"] is False


async def test_cancelling_the_run_kills_the_child(tmp_path: Path) -> None:
    fifo = Fifo(tmp_path)
    async with runner_of() as runner:
        running = asyncio.ensure_future(run(runner, "forever.process", {"fifo": fifo.path}))
        await fifo.first_line()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await fifo.rest()

        assert runner.free_slots == 2


# --- what an attempt leaves behind ----------------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        "threads",
        "child processes",
        "resource limits",
        "signal handlers",
        "blocked signals",
        "timers",
        "a lack of modules",
    ],
)
async def test_a_child_in_which_something_was_left_meets_no_other_attempt(what: str) -> None:
    async with runner_of() as runner:
        ended = await run(runner, "leave", {"what": what})
        children = runner.children
        afterwards = await run(runner, "who.process")

    assert ended.outcome is Outcome.SUCCEEDED
    assert children == 0
    assert afterwards.result["pid"] != ended.result


@pytest.mark.parametrize("what", ["nothing", "folder", "umask", "a program that has ended", "a thread that has ended"])
async def test_a_child_is_kept_when_all_that_was_left_can_be_taken_back(what: str) -> None:
    async with runner_of() as runner:
        before = await run(runner, "surroundings")
        await run(runner, "leave", {"what": what})
        after = await run(runner, "surroundings")

    assert after.result == before.result


async def test_what_an_attempt_started_and_left_ends_with_it(tmp_path: Path) -> None:
    fifo = Fifo(tmp_path)
    async with runner_of() as runner:
        running = asyncio.ensure_future(run(runner, "family.process", {"fifo": fifo.path, "then": "return"}))
        await fifo.first_line()
        ended = await running
        await fifo.rest()

    assert ended.outcome is Outcome.SUCCEEDED


# --- memory ---------------------------------------------------------------------------------------

needs_address_space_limit = pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")


@needs_address_space_limit
async def test_an_attempt_past_its_memory_is_reported_as_such_and_gets_a_fresh_child() -> None:
    async with runner_of() as runner:
        first = await run(runner, "who.process")
        ended = await run(runner, "eat.memory", {"mib": 128})
        second = await run(runner, "who.process")

    assert ended.outcome is Outcome.CRASHED
    assert ended.error is not None
    assert (ended.error.type, ended.error.message) == ("MemoryLimit", "went past memory_bytes_max (67108864 bytes)")
    assert second.result["pid"] != first.result["pid"]


@needs_address_space_limit
async def test_an_attempt_within_its_memory_succeeds_every_time() -> None:
    async with runner_of() as runner:
        results = [(await run(runner, "eat.memory", {"mib": 48})).result for _ in range(3)]
        children = runner.children

    assert results == [48, 48, 48]
    assert children == 1


@needs_address_space_limit
async def test_a_child_that_dies_for_lack_of_memory_names_the_limit() -> None:
    async with runner_of() as runner:
        ended = await run(runner, "die.of.memory")

    assert ended.outcome is Outcome.CRASHED
    assert ended.error is not None
    assert ended.error.message == "killed by signal 11 (SIGSEGV), under memory_bytes_max of 67108864 bytes"


# --- what belongs to whom -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("no_such_module:app", "BadSettings: there is no module no_such_module"),
        ("tests.handlers:nothing", "BadSettings: tests.handlers has no nothing"),
        ("tests.handlers:MIB", "BadSettings: tests.handlers:MIB is not an application"),
        ("tests.unit.processor.broken_app:app", "SystemExit: 5"),
    ],
)
async def test_an_application_that_cannot_be_imported_is_named_in_the_error(spec: str, says: str) -> None:
    async with runner_of(app_spec=spec) as runner:
        ended = await run(runner, "quick.process")
        children = runner.children

    assert ended.outcome is Outcome.CRASHED
    assert ended.error is not None
    assert ended.error.type == "ChildNotReady"
    assert ended.error.message == f"the child could not import {spec}: {says}"
    assert children == 0


async def test_a_child_looks_a_type_up_by_its_exact_name_and_imports_nothing_for_it() -> None:
    async with runner_of(app_spec="observatory.builtin_jobs:app") as runner:
        ended = await run(runner, "quick.process")

    assert ended.error is not None
    assert ended.error.type == "UnknownType"


async def test_a_stop_while_the_child_starts_is_heard() -> None:
    async with runner_of(grace_s=0.0) as runner:
        stop = Stop()
        stop.ask(StopReason.CANCEL)
        ended = await run(runner, "quick.process", stop=stop)
        children = runner.children

    assert ended.outcome is Outcome.CANCELLED
    assert children == 0


async def test_a_child_starts_where_its_runner_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an application does that is named by a module of the folder in which the person stands."""
    (tmp_path / "start" / "elsewhere").mkdir(parents=True)
    (tmp_path / "start" / "shop.py").write_text("from tests.handlers import app")
    monkeypatch.chdir(tmp_path / "start")
    monkeypatch.syspath_prepend("")
    async with runner_of(app_spec="shop:app") as runner:
        os.chdir("elsewhere")
        ended = await run(runner, "where.process")

    assert ended.result == str(tmp_path / "start")


async def test_a_child_starts_although_the_folder_of_its_runner_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "start").mkdir()
    monkeypatch.chdir(tmp_path / "start")
    async with runner_of() as runner:
        os.chdir(tmp_path)
        (tmp_path / "start").rmdir()
        ended = await run(runner, "where.process")

    assert ended.result == str(tmp_path)


def run_script(code: str) -> "subprocess.CompletedProcess[str]":
    header = (
        "import asyncio, os, signal, sys\n"
        "from observatory.processor.stopping import Stop\n"
        "from tests.unit.processor.jobs import run, runner_of\n"
    )
    script = [sys.executable, "-c", header + code]
    return subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


async def test_what_a_handler_prints_and_logs_belongs_to_its_attempt_and_shows_nowhere_else(
    capfd: pytest.CaptureFixture[str],
) -> None:
    said = Said(SystemClock())
    async with runner_of() as runner:
        ended = await runner.run(
            handlers.app.handlers["print.much"], executing("print.much", {"lines": 20_000}), stop=Stop(), said=said
        )

    tail = said.log.read()
    texts = [line.text for line in tail.lines]
    assert ended.result == 20_000
    assert texts.count("to stderr") == 1
    assert "line 19999" in texts
    assert any("logged by the handler" in text for text in texts)
    assert tail.dropped_lines + len(texts) >= 20_000
    assert capfd.readouterr() == ("", "")


async def test_what_a_kept_child_prints_before_its_processor_looks_belongs_to_the_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask = ChildProcess.ask

    def ask_and_be_late(child: ChildProcess, message: Any) -> Any:
        answer = ask(child, message)
        if isinstance(message, Run):
            readable, _, _ = select.select([child.output._our_end], [], [], 10)
            assert readable
        return answer

    said = Said(SystemClock())
    handler = handlers.app.handlers["print.much"]
    async with runner_of() as runner:
        await run(runner, "who.process")  # leaves a child to keep
        monkeypatch.setattr(ChildProcess, "ask", ask_and_be_late)
        await runner.run(handler, executing("print.much", {"lines": 1}), stop=Stop(), said=said)

    assert "line 0" in [line.text for line in said.log.read().lines]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has lifelines")
@pytest.mark.parametrize("then", ["go on", "hold the interpreter"])
def test_no_child_and_nothing_it_started_outlives_a_killed_processor(tmp_path: Path, then: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = f"""
async def main():
    async with runner_of() as runner:
        await run(runner, "family.process", {{"fifo": {str(fifo)!r}, "then": {then!r}}})
asyncio.run(main())
"""
    header = "import asyncio\nfrom tests.unit.processor.jobs import run, runner_of\n"
    processor = subprocess.Popen([sys.executable, "-c", header + code], cwd=ROOT)
    try:
        with fifo.open(encoding="ascii") as said:
            begun = said.readline()
            processor.kill()
            rest = said.read()  # returns when the child and what it started are gone
    finally:
        processor.kill()
        processor.wait()

    assert (len(begun.split()), rest) == (2, "")


def test_an_idle_child_ends_with_its_killed_processor(tmp_path: Path) -> None:
    """The child inherits standard error; its end is the end of that pipe."""
    done = run_script("""
async def main():
    async with runner_of() as runner:
        ended = await run(runner, "who.process")
        print(ended.result["pid"], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
""")

    assert done.returncode == -signal.SIGKILL
    assert int(done.stdout) > 0


def test_children_work_on_uvloop_too() -> None:
    pytest.importorskip("uvloop")
    done = run_script("""
import uvloop
async def main():
    async with runner_of() as runner:
        first = await run(runner, "quick.process", {"a": 1})
        crash = await run(runner, "segfault.process")
        exited = await run(runner, "exit.process", {"code": 0})
        late = await run(runner, "forever.process", timeout_seconds=0.2)
        print(first.result, crash.error.message, exited.error.message, late.outcome, runner.children, sep="|")
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
    loop.run(main())
""")

    assert done.stdout == (
        "{'a': 1}|killed by signal 11 (SIGSEGV)|exited with code 0 before it gave a result|timed_out|0\n"
    ), done.stderr


async def test_the_end_of_the_runner_is_the_end_of_its_children() -> None:
    async with runner_of() as runner:
        await asyncio.gather(run(runner, "who.process"), run(runner, "who.process"))
        children = list(runner._children._alive)

    assert [child.gone.result().code for child in children] == [0, 0]
