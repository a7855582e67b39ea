"""A process that is told to stop ends, whatever holds it and whoever does not listen."""

import os
import signal
import subprocess
import sys

import pytest

BEGINNING = """
import asyncio, os, sys, threading
from observatory.core import limits
from observatory.runtime.stop_signals import StopSignals

limits.STOP_S_MAX = 0.5

def say(text):
    print(text, file=sys.stderr, flush=True)

signals = StopSignals(lambda: say("stopping"), lambda: say("late"))

async def main():
    stop = asyncio.Event()
    with signals.setting(stop):
        print("ready", flush=True)
        WORK
        signals.leave()

asyncio.run(main())
"""
FILL_STDERR = """
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x" * 65536)
except BlockingIOError:
    os.set_blocking(2, True)
"""


def run(work: str, *, before: str = "", signals: int = 1) -> tuple[int, str]:
    """The exit code, and what was said on standard error when it is not filled."""
    code = before + BEGINNING.replace("WORK", work)
    if before:
        code = "import os\n" + code
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        if signals == 2:
            assert process.stderr.readline() == "stopping\n"  # else the two may arrive as one
            process.send_signal(signal.SIGTERM)
        exit_code = process.wait(timeout=20)
        return exit_code, "" if before else process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_what_ends_in_order_ends_with_0() -> None:
    assert run("await stop.wait()") == (0, "stopping\n")


BLOCKS = "threading.Event().wait()"
STAYS = "await stop.wait(); threading.Thread(target=threading.Event().wait).start()"


@pytest.mark.parametrize("work", [BLOCKS, "await asyncio.Event().wait()", "while True: pass"])
def test_what_does_not_end_is_ended_with_1_and_says_so(work: str) -> None:
    code, said = run(work)

    assert code == 1
    assert said.splitlines()[-1] == "late"


@pytest.mark.parametrize("work", [BLOCKS, STAYS])
def test_a_standard_error_that_nobody_reads_holds_up_nothing(work: str) -> None:
    code, _ = run(work, before=FILL_STDERR)

    assert code in (0, 1)


def test_a_thread_that_stays_does_not_keep_a_process_that_is_done() -> None:
    assert run(STAYS)[0] == 0


@pytest.mark.skipif(os.name == "nt", reason="there are no such exit codes")
def test_the_second_signal_ends_it_at_once() -> None:
    code, _ = run("limits.STOP_S_MAX = 3600.0; await asyncio.Event().wait()", signals=2)

    assert code == 128 + signal.SIGTERM
