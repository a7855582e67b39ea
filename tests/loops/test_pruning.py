"""Pruning while everything else runs."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from observatory.core import limits
from observatory.core.retention import Kept, RetentionPolicy
from observatory.runtime.embedded import run_embedded
from observatory.runtime.keeping import audit, compare_counters
from observatory.runtime.settings import load
from observatory.runtime.step import Step
from tests.handlers import app
from tests.loops.place import WAIT_S_MAX, running_place
from tests.unit.runtime.test_rebuilding import nobody

AT_ONCE = RetentionPolicy(kept=Kept(completed_s=0, failed_s=0, cancelled_s=0))


def test_jobs_are_pruned_while_others_run_and_everything_adds_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PRUNE_SWEEP_S", 0.02)

    asyncio.run(live(tmp_path))

    report = audit(tmp_path)
    assert report.violations == []
    assert (report.ledger.rows, report.ledger.pruned) == (1, 30)
    assert compare_counters(tmp_path, say=nobody).is_equal


async def live(folder: Path) -> None:
    """Thirty jobs run and are pruned; the one that has the newest event stays."""
    async with running_place(folder, {"quick": app.handlers["quick"]}, policy=AT_ONCE) as place:
        ids = [await place.submit("quick") for _ in range(30)]
        await place.submit(
            "nobody", run_at=datetime.now(UTC) + timedelta(seconds=1)
        )  # its job.queued is the newest event
        async with asyncio.timeout(WAIT_S_MAX):
            while any([await place.queries.job(job_id) is not None for job_id in ids]):  # noqa: ASYNC110 — nothing tells of it
                await asyncio.sleep(0.05)


@asynccontextmanager
async def whole_system(folder: Path, **variables: str) -> AsyncIterator[Callable[[str, str], httpx2.AsyncClient]]:
    """As `up` runs it, with the settings of *variables*; gives a client of one of its services."""
    flags = {"data_dir": folder, "gateway_port": 0, "read_model_port": 0, "web_port": 0}
    said, stop = list[Step](), asyncio.Event()
    running = asyncio.create_task(run_embedded(load(flags, variables), say=said.append, stop=stop))
    await until(lambda: answered(running.done() or any(step.text.startswith("see it:") for step in said)))
    token = (folder / "token").read_text(encoding="utf-8").strip()

    def client(service: str) -> httpx2.AsyncClient:
        url = next(step.text for step in said if step.name == service)
        return httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)

    try:
        yield client
    finally:
        stop.set()
        await running


async def answered(answer: Any) -> Any:
    return answer


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """Look again and again; what was found in the end."""
    async with asyncio.timeout(WAIT_S_MAX):
        while not (found := await look()):  # noqa: ASYNC110 — nothing tells of it
            await asyncio.sleep(0.05)
    return found


async def submit_and_wait(gateway: httpx2.AsyncClient, job_type: str, payload: dict[str, Any]) -> str:
    answer = await gateway.post("/jobs", json={"type": job_type, "payload": payload, "maxAttempts": 1})
    job_id: str = answer.json()["id"]

    async def is_final() -> bool:
        return "finishedAt" in (await gateway.get(f"/jobs/{job_id}")).json()

    await until(is_final)
    return job_id


def age(folder: Path, *, damaged: str) -> None:
    """Everything ended two days earlier, and an event of *damaged* cannot be read any more."""
    with closing(sqlite3.connect(folder / "observatory.db")) as database, database:
        database.execute("UPDATE jobs SET finished_at = finished_at - ?", (2 * 86_400 * 1_000_000,))
        database.execute("UPDATE events SET payload = '{' WHERE job_id = ? AND sequence = 2", (damaged,))


async def test_the_running_system_prunes_as_it_is_set_and_warns_of_what_it_cannot_prune(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with whole_system(tmp_path) as client, client("gateway") as gateway:
        kept = await submit_and_wait(gateway, "sleep", {"seconds": 0})
        by_type = await submit_and_wait(gateway, "echo", {})
        by_status = await submit_and_wait(gateway, "fail", {"message": "no"})
        damaged = await submit_and_wait(gateway, "echo", {})
    age(tmp_path, damaged=damaged)
    monkeypatch.setattr(limits, "PRUNE_LOOK_S", 0.1)
    settings = {"ODD_RETENTION_FAILED": "1d", "ODD_RETENTION_TYPES": "echo:completed=1d"}

    async with whole_system(tmp_path, **settings) as client, client("read model") as read_model:

        async def pruned() -> Any:
            stats = (await read_model.get("/stats")).json()
            return stats if (stats["prunedJobs"], stats["lag"]) == (2, 0) else None

        async def warning() -> Any:
            readiness = await read_model.get("/readyz")
            assert readiness.status_code == 200
            return next(check.get("warning") for check in readiness.json()["checks"] if check["name"] == "pruning")

        stats = await until(pruned)
        assert await until(warning) == "pruning_behind"
        found = [(await read_model.get(f"/jobs/{job_id}")).status_code for job_id in (by_type, by_status, kept)]
        metrics = (await read_model.get("/metrics")).text

    assert found == [404, 404, 200]
    assert stats["totalJobs"] == 6, "those that were pruned and the first job of each start among them"
    late_s = next(line for line in metrics.splitlines() if line.startswith("odd_pruning_late_seconds "))
    assert float(late_s.split()[1]) > limits.PRUNE_LATE_S_MAX
    assert "odd_jobs_pruned_total 2.0" in metrics
