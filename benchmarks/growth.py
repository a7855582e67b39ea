"""
Does the system stay as fast when many jobs are stored, and how soon does the read model answer then?

    python -m benchmarks.growth            (JOBS=1000000 for the full size; a hundred thousand by default)

Two stores of the same build: one that is empty and one with `JOBS` completed jobs and their four events each. `PAIRS`
pairs in turn measure the rate from the first submit to the last completion, on the full and on the empty one. Then
`odd-dashboard up` runs on the full one, and each question is asked `QUESTIONS` times over HTTP, one caller.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec

from benchmarks import embedded
from observatory.core import limits
from observatory.core.command import Succeed
from observatory.job_store.port import Order
from observatory.runtime.event_loop import new_event_loop
from observatory.testing.factories import new_job
from tests.e2e.process import Up
from tests.loops.place import Place

JOBS = int(os.environ.get("JOBS", "100000"))
PAIRS = 5
DRAINED = 2_000
PIECE = 500
QUESTIONS = 200
TYPES = 7
QUEUES = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        full, empty = Path(folder, "full"), Path(folder, "empty")
        began_s = time.perf_counter()
        _run(_filled(full))
        size = sum(file.stat().st_size for file in full.iterdir()) / 1e9
        print(f"  {JOBS:,} jobs stored in {time.perf_counter() - began_s:,.0f} s, {size:,.2f} GB", flush=True)
        _report_pairs(full, empty)
        _report_questions(full)


def _run(work: object) -> float:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)  # pyright: ignore[reportArgumentType]


# --- filling --------------------------------------------------------------------------------------


async def _filled(folder: Path) -> None:
    """Every job goes the whole way, in pieces: accepted, claimed, completed."""
    async with embedded.place(folder) as here:
        for first in range(0, JOBS, PIECE):
            await here.store.submit([_old_job(here, number) for number in range(first, first + PIECE)])
            jobs = await here.store.claim(
                types=[f"old-{n}" for n in range(TYPES)], worker="filler", count_max=PIECE, lease_s=60.0
            )
            done = [Order(job.id, Succeed(fence=job.fence, result={"bytes": 1}, run_s=0.01)) for job in jobs]
            await here.store.apply(done)


def _old_job(here: Place, number: int):
    return new_job(
        here.ids, type=f"old-{number % TYPES}", queue=f"queue-{number % QUEUES}", payload={"path": f"/data/{number}"}
    )


# --- rates ----------------------------------------------------------------------------------------


def _report_pairs(full: Path, empty: Path) -> None:
    ratios: list[float] = []
    rates: dict[str, list[float]] = {"full": [], "empty": []}
    for number in range(PAIRS):
        rates["full"].append(_run(_rate(full)))
        rates["empty"].append(_run(_rate(empty.with_name(f"empty-{number}"))))
        ratios.append(rates["full"][-1] / rates["empty"][-1])
    for name, values in rates.items():
        spread = f"{min(values):,.0f} to {max(values):,.0f}"
        print(f"  end to end, {name:<6} {statistics.median(values):>10,.0f} jobs/s ({spread})")
    print(f"  ratio, median of {PAIRS} pairs {statistics.median(ratios):>6.2f}   target: at least 0.9")


async def _rate(folder: Path) -> float:
    async with embedded.place(folder, slots=64, works=True) as here:
        return await embedded.rate(DRAINED, lambda: embedded.drain(here, DRAINED))


# --- questions ------------------------------------------------------------------------------------


def _report_questions(full: Path) -> None:
    data_dir = full
    up = Up(data_dir).until_ready()
    try:
        with httpx2.Client(base_url=up.url("read model"), trust_env=False, timeout=30.0) as client:
            for name, path, target_ms in _questions(client):
                waits = sorted(_asked_ms(client, path) for _ in range(QUESTIONS))
                p50, p95 = waits[len(waits) // 2], waits[int(len(waits) * 0.95)]
                print(f"  {name:<44} p50 {p50:>7.1f} ms  p95 {p95:>7.1f} ms   target: p95 below {target_ms} ms")
    finally:
        up.kill()


def _questions(client: httpx2.Client) -> Iterator[tuple[str, str, int]]:
    page = msgspec.json.decode(client.get("/jobs?limit=50").content)
    back = _far_back(client)
    yield "/jobs, the newest page", "/jobs?limit=50", 50
    yield "/jobs, a page far back", f"/jobs?limit=50{back}", 50
    yield "/jobs?status=COMPLETED", "/jobs?limit=50&status=COMPLETED", 50
    yield "/jobs?status=FAILED (none)", "/jobs?limit=50&status=FAILED", 50
    yield "/jobs?type=old-3", "/jobs?limit=50&type=old-3", 50
    yield "/jobs?queue=queue-2", "/jobs?limit=50&queue=queue-2", 50
    yield "/stats", "/stats", 5
    job_id = page["items"][0]["id"]
    yield "one job", f"/jobs/{job_id}", 10
    yield "the events of one job", f"/jobs/{job_id}/events", 10


def _far_back(client: httpx2.Client) -> str:
    """The cursor behind up to a hundred pages of the largest size, as a part of a query."""
    cursor = ""
    for _ in range(100):
        following = msgspec.json.decode(client.get(f"/jobs?limit={limits.PAGE_ITEMS_MAX}{cursor}").content)
        if following.get("nextCursor") is None:
            break
        cursor = f"&cursor={following['nextCursor']}"
    return cursor


def _asked_ms(client: httpx2.Client, path: str) -> float:
    began_s = time.perf_counter()
    answer = client.get(path)
    took_ms = (time.perf_counter() - began_s) * 1e3
    assert answer.status_code == 200, answer.text
    return took_ms


if __name__ == "__main__":
    main()
