"""
How fast are jobs accepted and finished in one process, against bare SQLite on the same disk?

    python -m benchmarks.embedded

The peer is SQLite itself, in the same run and folder: one row of a job's size per transaction, and rows in batches,
with the same durability (WAL, synchronous=FULL). Each figure is the median of `ROUNDS` rounds, ours and the peer's in
turn. Durability is the default one; every job has its full history of four events.
"""

import asyncio
import contextlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

from observatory import JobContext, Observatory
from observatory.engine.sqlite_file import connect
from observatory.gateway.gateway import Gateway
from observatory.gateway.submit import CallContext
from observatory.runtime.event_loop import new_event_loop
from observatory.runtime.sources import SystemClock
from observatory.testing.factories import new_job
from tests.loops.place import Place, running_place

ROUNDS = 3
SINGLES = 2_000
CALLERS = 8
BATCH = 500
BATCHES = 40
DRAINED = 10_000
LATENCIES = 200
PACE_S = 0.02

BARE_SINGLE = "bare SQLite: one row a transaction, rows/s"
BARE_BATCH = "bare SQLite: batches of 500, rows/s"
RATIOS = (
    ("submit, one caller, jobs/s", BARE_SINGLE),
    ("submit, 8 callers, jobs/s", BARE_SINGLE),
    ("submit in batches of 500, jobs/s", BARE_BATCH),
    ("end to end, noop jobs/s", BARE_SINGLE),
)

app = Observatory()


@app.job("noop")
async def noop(ctx: JobContext) -> None:
    """Does nothing."""


begun_s: dict[int, asyncio.Future[float]] = {}


@app.job("stamp")
async def stamp(ctx: JobContext, *, number: int) -> None:
    """Notes when it began."""
    begun_s[number].set_result(time.perf_counter())


def main() -> None:
    figures: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            for name, value in runner.run(one_round()).items():
                figures.setdefault(name, []).append(value)
    medians = {name: statistics.median(values) for name, values in figures.items()}
    for name, value in medians.items():
        spread = f"{min(figures[name]):,.1f} to {max(figures[name]):,.1f}"
        print(f"  {name:<58} {value:>12,.1f}   ({spread})")
    print("  ratios")
    for ours, theirs in RATIOS:
        print(f"  {ours} / {theirs.split(':')[1].split(',')[0].strip():<24} {medians[ours] / medians[theirs]:>8.2f}")


async def one_round() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        figures = {
            BARE_SINGLE: bare(path, 1, SINGLES),
            BARE_BATCH: bare(path, BATCH, BATCHES * BATCH),
        }
        async with place(path / "submit") as idle:
            figures["submit, one caller, jobs/s"] = await rate(SINGLES, lambda: submit_by(idle, 1, SINGLES))
            figures["submit, 8 callers, jobs/s"] = await rate(SINGLES, lambda: submit_by(idle, CALLERS, SINGLES))
            figures["submit in batches of 500, jobs/s"] = await rate(BATCHES * BATCH, lambda: submit_batches(idle))
        async with place(path / "drain", slots=64, works=True) as busy:
            figures["end to end, noop jobs/s"] = await rate(DRAINED, lambda: drain(busy, DRAINED))
            waits_ms = await latencies_ms(busy, LATENCIES)
        figures["latency submit to start at 50/s, median ms"] = statistics.median(waits_ms)
        figures["latency submit to start at 50/s, p99 ms"] = sorted(waits_ms)[int(len(waits_ms) * 0.99)]
        return figures


def bare(folder: Path, rows_each: int, rows: int) -> float:
    """Rows per second that SQLite itself takes."""
    with contextlib.closing(connect(folder / f"bare-{rows_each}.db")) as connection:
        connection.execute("CREATE TABLE jobs (number INTEGER PRIMARY KEY, id TEXT UNIQUE, body TEXT)")
        began_s = time.perf_counter()
        for first in range(0, rows, rows_each):
            insert(connection, first, rows_each)
        return rows / (time.perf_counter() - began_s)


def insert(connection: sqlite3.Connection, first: int, count: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    values = [(f"01a20ffb-9b14-7f14-ba6c-{number:012x}", "x" * 500) for number in range(first, first + count)]
    connection.executemany("INSERT INTO jobs (id, body) VALUES (?, ?)", values)
    connection.execute("COMMIT")


@contextlib.asynccontextmanager
async def place(folder: Path, *, slots: int = 4, works: bool = False) -> AsyncGenerator[Place]:
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 — nothing else runs yet
    async with running_place(folder, app.handlers if works else {}, slots=slots, app="benchmarks.embedded:app") as here:
        yield here


async def rate(count: int, work: Callable[[], Awaitable[object]]) -> float:
    began_s = time.perf_counter()
    await work()
    return count / (time.perf_counter() - began_s)


async def submit_by(here: Place, callers: int, count: int) -> None:
    async def one_caller() -> None:
        for _ in range(count // callers):
            await here.store.submit([new_job(here.ids, type="nobody")])

    await asyncio.gather(*(one_caller() for _ in range(callers)))


async def submit_batches(here: Place) -> None:
    for _ in range(BATCHES):
        await here.store.submit([new_job(here.ids, type="nobody") for _ in range(BATCH)])


async def drain(here: Place, count: int) -> None:
    """Submit while the processor works, and wait until the last job is final."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(until_completed(here, count))
        for _ in range(count // BATCH):
            await here.store.submit([new_job(here.ids, type="noop", payload={}) for _ in range(BATCH)])
            await here.bus.hint()


async def until_completed(here: Place, count: int) -> None:
    while count:
        delivery = await here.news.receive(timeout_s=30.0)
        assert delivery is not None, "nothing happens any more"
        count -= sum(event.event_type == "job.completed" for event in delivery.events)


async def latencies_ms(here: Place, count: int) -> list[float]:
    """From the call of the gateway's submit to the first line of the handler, one job every `PACE_S`."""
    gateway = Gateway(here.store, here.queries, here.bus, clock=SystemClock(), ids=here.ids)
    waits: list[float] = []
    for number in range(count):
        begun = begun_s[number] = asyncio.get_running_loop().create_future()
        document = {"type": "stamp", "payload": {"number": number}}
        began_s = time.perf_counter()
        await gateway.submit(document, CallContext(correlation_id=here.ids.new_id()))
        waits.append((await begun - began_s) * 1e3)
        await asyncio.sleep(PACE_S)
    return waits


if __name__ == "__main__":
    main()
