"""`up --reload`: what is edited is what runs; what cannot be imported is said, and what ran before goes on."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from observatory import Client
from tests.e2e.process import PROGRAM, READY_S_MAX, environment, odd

SOURCE = """
from observatory import Observatory

app = Observatory()

@app.job("price")
def price(ctx, *, amount: int) -> int:
    return {formula}

@app.job("slow")
async def slow(ctx) -> int:
    import asyncio
    if ctx.fence == 1:
        await asyncio.sleep(3600)
    return ctx.attempt
"""
FREE_PORTS = ("--gateway-port", "0", "--read-model-port", "0", "--web-port", "0")


class Reloading:
    """`up --reload` over an application in a folder of its own."""

    def __init__(self, folder: Path, formula: str) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.edit(formula)
        self.process = subprocess.Popen(
            [*PROGRAM, "up", "--json", "--app", "shop:app", "--reload", *FREE_PORTS],
            cwd=folder, env=environment(self.data_dir), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.client = Client(data_dir=str(self.data_dir))

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line))

    def edit(self, formula: str) -> None:
        (self.folder / "shop.py").write_text(SOURCE.format(formula=formula), encoding="utf-8")

    def until(self, is_wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """What it says up to the line that is wanted."""
        said: list[dict[str, Any]] = []
        end_s = time.monotonic() + 3 * READY_S_MAX
        while not said or not is_wanted(said[-1]):
            said.append(self._lines.get(timeout=end_s - time.monotonic()))
        return said

    def until_ready(self) -> dict[str, str]:
        steps = self.until(lambda step: step["text"].startswith("see it:"))
        return {step["name"]: step["text"] for step in steps}

    def stop(self, number: int = signal.SIGINT) -> tuple[int, float, str]:
        """Exit code, seconds, and what it wrote on standard error."""
        began_s = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout=READY_S_MAX)
        took_s = time.monotonic() - began_s
        self._reader.join()
        assert self.process.stderr is not None
        return code, took_s, self.process.stderr.read()

    def close(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def start(tmp_path: Path) -> Generator[Callable[[str], Reloading]]:
    started: list[Reloading] = []

    def start_with(formula: str) -> Reloading:
        started.append(Reloading(tmp_path, formula))
        return started[-1]

    yield start_with
    for one in started:
        one.close()


def test_an_edited_handler_is_what_runs_at_the_same_addresses(start: Callable[[str], Reloading]) -> None:
    up = start("amount * 2")
    before = up.until_ready()
    assert up.client.submit("price", {"amount": 5}).result(timeout_s=60) == 10
    held = up.client.submit("slow")
    while held.status() != "EXECUTING":
        pass

    up.edit("amount * 3 + 1")
    after = up.until_ready()

    assert {name: after[name] for name in ("gateway", "read model", "dashboard")} == {
        name: before[name] for name in ("gateway", "read model", "dashboard")
    }
    assert up.client.submit("price", {"amount": 5}).result(timeout_s=60) == 16
    assert held.result(timeout_s=60) == 1, "the attempt that was cut short was given back and cost nothing"
    code, _, errors = up.stop()
    assert (code, errors_without_log(errors)) == (0, "")
    assert odd(up.data_dir, "audit").returncode == 0


def test_what_cannot_be_imported_is_said_in_one_line_and_the_last_good_one_goes_on(
    start: Callable[[str], Reloading],
) -> None:
    up = start("amount")
    up.until_ready()

    up.edit("amount +")
    (*_, fault) = up.until(lambda step: step["name"] == "reload")

    assert "SyntaxError" in fault["text"]
    assert "shop.py, line 8" in fault["text"]
    assert up.client.submit("price", {"amount": 5}).result(timeout_s=60) == 5
    up.edit("amount + 100")
    up.until_ready()
    assert up.client.submit("price", {"amount": 5}).result(timeout_s=60) == 105
    assert up.stop(signal.SIGTERM)[0] == 0


def test_a_fault_at_the_start_is_waited_out(start: Callable[[str], Reloading]) -> None:
    up = start("amount -")
    (*_, fault) = up.until(lambda step: step["name"] == "reload")
    assert "SyntaxError" in fault["text"]

    up.edit("amount - 1")
    up.until_ready()

    assert up.client.submit("price", {"amount": 5}).result(timeout_s=60) == 4


@pytest.mark.parametrize("formula", ["amount", "amount -"])
def test_a_stop_ends_it_in_time_whether_it_runs_or_waits_for_a_change(
    start: Callable[[str], Reloading], formula: str
) -> None:
    up = start(formula)
    up.until(lambda step: step["name"] == "reload" or step["text"].startswith("see it:"))

    code, took_s, errors = up.stop()

    assert (code, errors_without_log(errors)) == (0, "")
    assert took_s < 5


def test_reload_without_an_application_or_without_its_package_is_one_clear_line(tmp_path: Path) -> None:
    done = odd(tmp_path / "data", "up", "--reload", *FREE_PORTS)
    assert done.returncode == 2
    assert "--reload needs an application to reload" in done.stderr
    assert "--app module:app" in done.stderr

    hidden = "import sys; sys.modules['watchfiles'] = None; from observatory.cli.app import main; sys.exit(main())"
    command = [sys.executable, "-c", hidden, "up", "--reload", "--app", "tests.handlers:app"]
    done = subprocess.run(
        command, env=environment(tmp_path / "data"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "pip install 'task-observatory[reload]'" in done.stderr
    assert not (tmp_path / "data").exists()
    assert os.environ.get("OBSERVATORY_RELOAD_PORTS") is None


def errors_without_log(text: str) -> str:
    """What is not a line of the log of the process."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("{"))
