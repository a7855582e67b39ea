"""
What does an attempt in a child process cost, and how soon is its end known?

    python -m benchmarks.child_processes

Measures our own children and, where it is installed, Pebble's `ProcessPool(max_workers=1)`; see
docs/decisions/0003-child-processes.md.
"""

import asyncio
import importlib.util
import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from observatory.core.job import Job, JobStatus
from observatory.processor.runner import Runner
from observatory.processor.stopping import Stop
from observatory.runtime.sources import SystemClock
from observatory.testing.manual_sources import BEGINNING
from tests import handlers

ROUND_TRIPS = 1_000
CRASHES = 10
NEVER_S = 3.0
TIMEOUT_S = 0.5


async def took_ms(call: Callable[[], Awaitable[Any]]) -> tuple[float, str]:
    """Milliseconds until *call* ended, and what it said."""
    began_s = time.perf_counter()
    try:
        said = str(await asyncio.wait_for(call(), NEVER_S))
    except TimeoutError as error:
        said = f"timed out: {error.args}"
    except Exception as error:  # noqa: BLE001 — how each pool reports a crash is what is measured
        said = f"{type(error).__name__} {getattr(error, 'exitcode', '')}"
    return (time.perf_counter() - began_s) * 1e3, said


async def report(name: str, calls: dict[str, Callable[[], Awaitable[Any]]]) -> None:
    """*calls*: `noop`, `segfault`, `exit_3`, `exit_0`, `time_out`."""
    print(f"{name}\n  {'first call':<12} {(await took_ms(calls['noop']))[0]:9.1f} ms")
    round_trips = sorted([(await took_ms(calls["noop"]))[0] for _ in range(ROUND_TRIPS)])
    tail = round_trips[int(ROUND_TRIPS * 0.99)]
    print(f"  {'round trip':<12} {statistics.median(round_trips):9.3f} ms median, {tail:.3f} ms p99")
    for kind in ("segfault", "exit_3", "exit_0", "time_out"):
        ends, nexts = [], []
        for _ in range(CRASHES if kind in ("segfault", "exit_3") else 1):
            ends.append(await took_ms(calls[kind]))
            nexts.append((await took_ms(calls["noop"]))[0])
        end_ms, next_ms = statistics.median(ms for ms, _ in ends), statistics.median(nexts)
        print(f"  {kind:<12} {end_ms:9.1f} ms, then the next attempt {next_ms:.1f} ms: {ends[-1][1]}")
    print(f"  {'threads':<12} {threading.active_count() - 1:9d}")


def executing(type_name: str, payload: dict[str, Any], timeout_s: float = 60.0) -> Job:
    return Job(
        id="0197a000-0000-7000-8000-000000000001",
        type=type_name,
        status=JobStatus.EXECUTING,
        created_at=BEGINNING,
        updated_at=BEGINNING,
        payload=payload,
        queue="default",
        priority=5,
        run_at=BEGINNING,
        attempt=1,
        max_attempts=3,
        timeout_seconds=timeout_s,
        fence=1,
        sequence=2,
        event_id="0197a000-0000-7000-8000-00000000000e",
        correlation_id="0197a000-0000-7000-8000-00000000000c",
    )


async def measure_ours() -> None:
    runner = Runner(slots=1, clock=SystemClock(), app_spec="tests.handlers:app")

    def call(type_name: str, payload: dict[str, Any], timeout_s: float = 60.0) -> Callable[[], Awaitable[Any]]:
        async def run() -> str:
            job = executing(type_name, payload, timeout_s)
            ended = await runner.run(handlers.app.handlers[type_name], job, stop=Stop())
            return f"{ended.outcome}: {ended.error.message}" if ended.error else ended.outcome

        return run

    await report(
        "our child",
        {
            "noop": call("quick.process", {"n": 1}),
            "segfault": call("segfault.process", {}),
            "exit_3": call("exit.process", {"code": 3}),
            "exit_0": call("exit.process", {"code": 0}),
            "time_out": call("forever.process", {}, TIMEOUT_S),
        },
    )
    await runner.stop()


async def measure_pebble() -> None:
    from pebble import ProcessPool

    pool = ProcessPool(max_workers=1, context=multiprocessing.get_context("spawn"))

    def call(function: Callable[..., Any], *args: Any, timeout_s: float | None = None) -> Callable[[], Awaitable[Any]]:
        return lambda: asyncio.wrap_future(pool.schedule(function, args, timeout=timeout_s))

    await report(
        "Pebble, spawn",
        {
            "noop": call(dict, [("n", 1)]),
            "segfault": call(handlers.segfault_process, None),
            "exit_3": call(os._exit, 3),
            "exit_0": call(os._exit, 0),
            "time_out": call(handlers.forever_process, None, timeout_s=TIMEOUT_S),
        },
    )
    pool.stop()
    pool.join()


def main() -> None:
    # Children say on standard error where a fatal signal struck them, which is what they are here for.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    asyncio.run(measure_ours())
    if importlib.util.find_spec("pebble") is None:
        print("Pebble is not installed")
    else:
        asyncio.run(measure_pebble())


if __name__ == "__main__":
    main()
