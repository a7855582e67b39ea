"""
How does one process of ours compare with Huey over SQLite, both durable, both keeping results?

    python -m benchmarks.huey_peer

`PAIRS` pairs in turn: ours, then Huey's, in fresh folders on the same disk. Huey runs as its documentation says: a
producer here, and a consumer with two worker processes; every job returns a value, which it stores. Ours has its whole
history of four events a job beside the result. SQLite is WAL with `synchronous=FULL` for both.

End to end is from the first submit until the last result is stored, with the workers running before. Latency is from
the call of submit to the first line of the handler, one job every `PACE_S`.
"""

import asyncio
import contextlib
import importlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import embedded
from observatory.runtime.event_loop import new_event_loop

PAIRS = 5
SUBMITTED = 2_000
DRAINED = 4_000
CALLERS = 8
LATENCIES = 150
PACE_S = 0.02
WAIT_S_MAX = 120.0

ONE = "submit, one caller, jobs/s"
EIGHT = "submit, 8 callers, jobs/s"
BATCH = "submit in batches, jobs/s"
WHOLE = "end to end, jobs/s"
P50 = "latency submit to start, p50 ms"
P99 = "latency submit to start, p99 ms"

TARGETS = {
    EIGHT: "at least 1 x Huey",
    WHOLE: "at least 2.5 x Huey",
    P50: "at most 2 ms",
    P99: "at most 5 ms",
    BATCH: "at least 40,000/s",
}


def main() -> None:
    ours: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {}
    for _ in range(PAIRS):
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            _note(ours, runner.run(_our_round()))
        _note(theirs, _their_round())
    print(f"  {PAIRS} pairs in turn; medians (ranges)")
    print(f"  {'':<34} {'ours':>26} {'Huey':>26} {'ratio':>7}  target")
    for name, values in ours.items():
        ratio = statistics.median(values) / statistics.median(theirs[name])
        print(f"  {name:<34} {_shown(values):>26} {_shown(theirs[name]):>26} {ratio:>7.2f}  {TARGETS.get(name, '')}")


def _note(figures: dict[str, list[float]], measured: dict[str, float]) -> None:
    for name, value in measured.items():
        figures.setdefault(name, []).append(value)


def _shown(values: list[float]) -> str:
    digits = 1 if statistics.median(values) < 100 else 0
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


# --- ours ---------------------------------------------------------------------------------------


async def _our_round() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        figures: dict[str, float] = {}
        async with embedded.place(path / "submit") as idle:
            figures[ONE] = await embedded.rate(SUBMITTED, lambda: embedded.submit_by(idle, 1, SUBMITTED))
            figures[EIGHT] = await embedded.rate(SUBMITTED, lambda: embedded.submit_by(idle, CALLERS, SUBMITTED))
            figures[BATCH] = await embedded.rate(
                embedded.BATCH * embedded.BATCHES, lambda: embedded.submit_batches(idle)
            )
        async with embedded.place(path / "drain", slots=64, works=True) as busy:
            figures[WHOLE] = await embedded.rate(DRAINED, lambda: embedded.drain(busy, DRAINED))
            waits_ms = await embedded.latencies_ms(busy, LATENCIES)
        figures[P50], figures[P99] = _percentiles(waits_ms)
        return figures


# --- Huey ---------------------------------------------------------------------------------------


def _their_round() -> dict[str, float]:
    figures: dict[str, float] = {}
    with _huey() as app:
        figures[ONE] = _rate(SUBMITTED, lambda: [app.noop(number) for number in range(SUBMITTED)])
        with ThreadPoolExecutor(CALLERS) as callers:
            figures[EIGHT] = _rate(SUBMITTED, lambda: list(callers.map(app.noop, range(SUBMITTED))))
        figures[BATCH] = _rate(SUBMITTED, lambda: app.noop.map([(number,) for number in range(SUBMITTED)]))
    with _huey() as app, _consumer():
        _until_stored(app.huey, lambda: app.noop(0), 1)
        figures[WHOLE] = _rate(
            DRAINED,
            lambda: _until_stored(app.huey, lambda: [app.noop(number) for number in range(DRAINED)], DRAINED),
        )
        figures[P50], figures[P99] = _percentiles(_their_latencies_ms(app))
    return figures


@contextlib.contextmanager
def _huey() -> Generator[Any]:
    """The application over a fresh file."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HUEY_FILE"] = str(Path(folder, "huey.db"))
        sys.modules.pop("benchmarks.huey_app", None)
        app = importlib.import_module("benchmarks.huey_app")
        try:
            yield app
        finally:
            app.huey.storage.close()


@contextlib.contextmanager
def _consumer() -> Generator[None]:
    """Two worker processes, polling as often as Huey lets them."""
    command = [sys.executable, "-m", "huey.bin.huey_consumer", "benchmarks.huey_app.huey", "-k", "process", "-w", "2"]
    with subprocess.Popen([*command, "-q", "-n", "-d", "0.005", "-m", "0.005"], cwd=Path(__file__).parents[1]) as child:
        try:
            yield
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(timeout=WAIT_S_MAX)


def _until_stored(huey: Any, submit: Callable[[], object], count: int) -> None:
    """Submit, and wait until *count* more results are stored; those of before are flushed first."""
    huey.storage.flush_results()
    submit()
    until_s = time.monotonic() + WAIT_S_MAX
    while huey.storage.result_store_size() < count:
        assert time.monotonic() < until_s, f"{huey.storage.result_store_size()} of {count} results are stored"
        time.sleep(0.005)


def _their_latencies_ms(app: Any) -> list[float]:
    waits: list[float] = []
    for number in range(LATENCIES):
        began_s = time.time()
        result = app.noop(number)
        waits.append((result.get(blocking=True, timeout=WAIT_S_MAX, backoff=1.0, max_delay=0.002) - began_s) * 1e3)
        time.sleep(PACE_S)
    return waits


def _rate(count: int, work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return count / (time.perf_counter() - began_s)


def _percentiles(waits_ms: list[float]) -> tuple[float, float]:
    return statistics.median(waits_ms), sorted(waits_ms)[int(len(waits_ms) * 0.99)]


if __name__ == "__main__":
    main()
