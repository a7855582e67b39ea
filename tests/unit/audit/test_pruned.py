"""An audit of data from which jobs were pruned: clean as it is, and what was lost is told from what was pruned."""

import asyncio
import sqlite3
from pathlib import Path

import msgspec
import pytest

from observatory.audit.report import AuditReport
from observatory.core import limits
from observatory.core.command import Succeed
from observatory.core.folds import STATS_VIEW
from observatory.core.retention import Kept, RetentionPolicy
from observatory.job_store.pruning import Folded
from observatory.job_store.sqlite import SqlitePruning
from tests.unit.audit.conftest import audit
from tests.unit.audit.populated import World

MINUTE = RetentionPolicy(kept=Kept(completed_s=60, failed_s=60, cancelled_s=60))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    asyncio.run(_pruned(tmp_path))
    return tmp_path


async def _pruned(folder: Path) -> None:
    """Five pruned jobs between others that stay."""
    world = World(folder)
    for count in (2, 3):
        await world.submit(count)
        for job in await world.claim(count):
            await world.apply(job.id, Succeed(fence=job.fence, result={"a": 1}, run_s=0.5))
        await world.store.submit([world.new(0, type="nobody")])
    world.clock.advance(60.0)
    await world.submit(2)
    await world.count()
    pruning = SqlitePruning(world.file, clock=world.clock)
    folded = Folded(
        view=STATS_VIEW,
        generation=world.stats.generation,
        until=world.stats.checkpoint,
        own_types=frozenset(world.stats.view.by_type),
    )
    found = await pruning.expired(MINUTE, until=folded.until, count_max=limits.PRUNE_JOBS_MAX, events_max=1_000)
    assert (await pruning.prune(found.jobs, folded)).jobs == 5
    await world.file.close()


def planted(folder: Path, *statements: str) -> AuditReport:
    connection = sqlite3.connect(folder / "observatory.db")
    with connection:
        for sql in statements:
            assert connection.execute(sql).rowcount > 0
    connection.close()
    return audit(folder)


def codes(report: AuditReport) -> set[str]:
    return {str(violation.code) for violation in report.violations}


def test_data_from_which_jobs_were_pruned_is_clean_and_adds_up(folder: Path) -> None:
    report = audit(folder)

    assert report.violations == []
    ledger = report.ledger
    assert (ledger.accepted, ledger.rows, ledger.pruned) == (4, 4, 5)
    assert ledger.pruned_by_status == {"COMPLETED": 5}
    assert ledger.counted_by_status == {"COMPLETED": 5, "PENDING": 4}


def test_a_job_that_was_deleted_and_not_pruned_is_found(folder: Path) -> None:
    connection = sqlite3.connect(folder / "observatory.db")
    (job_id, position), *_ = connection.execute("SELECT job_id, position FROM events ORDER BY position").fetchall()
    connection.close()

    report = planted(folder, f"DELETE FROM jobs WHERE id = '{job_id}'", f"DELETE FROM events WHERE job_id = '{job_id}'")

    assert "position_gap" in codes(report)
    gap = next(one for one in report.violations if one.code == "position_gap")
    assert f"position {position} is missing" in gap.detail
    assert "counter_differs" in codes(report)


def test_an_event_that_was_deleted_is_found(folder: Path) -> None:
    report = planted(folder, "DELETE FROM events WHERE position = (SELECT min(position) FROM events)")

    assert "position_gap" in codes(report)
    assert any(one.job_id is not None for one in report.violations)


@pytest.mark.parametrize(
    "change",
    [
        "jobs = jobs + 1",
        "events = events + 1",
        "positions_sum = positions_sum + 1",
        "document = replace(document, '\"totalJobs\":5', '\"totalJobs\":6')",
        "document = replace(document, '\"COMPLETED\":5', '\"COMPLETED\":4')",
        "document = replace(document, '\"runSecondsSum\":2.5', '\"runSecondsSum\":2.0')",
        "document = replace(document, '\"succeeded\":5', '\"succeeded\":9')",
        "document = '{'",
        "jobs = jobs - 1, events = events - 4",
    ],
)
def test_a_rollup_that_was_changed_by_hand_is_found(folder: Path, change: str) -> None:
    report = planted(folder, f"UPDATE pruned SET {change}")

    assert codes(report) & {"rollup_differs", "position_gap", "counter_differs"}


def test_a_rollup_that_was_deleted_is_found(folder: Path) -> None:
    report = planted(folder, "DELETE FROM pruned")

    assert {"position_gap", "counter_differs"} <= codes(report)


def test_counters_that_forgot_the_pruned_jobs_are_found(folder: Path) -> None:
    connection = sqlite3.connect(folder / "observatory.db")
    (document,) = connection.execute("SELECT document FROM views").fetchone()
    connection.close()
    view = msgspec.json.decode(document)
    view["totalJobs"] -= 5

    report = planted(folder, f"UPDATE views SET document = '{msgspec.json.encode(view).decode()}'")

    assert codes(report) == {"counter_differs"}
