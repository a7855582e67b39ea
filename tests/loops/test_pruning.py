"""Pruning while everything else runs."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from observatory.core import limits
from observatory.core.retention import Kept, RetentionPolicy
from observatory.runtime.wiring import audit, compare_counters
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
