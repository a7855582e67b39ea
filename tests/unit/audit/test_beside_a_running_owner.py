"""A healthy system that works while it is audited has no violation."""

import asyncio
from pathlib import Path

import pytest

from observatory.audit.report import AuditReport
from observatory.core import limits
from observatory.core.command import Cancel, Fail, Succeed
from observatory.core.folds import STATS_VIEW
from observatory.core.job import Outcome
from observatory.core.retention import Kept, RetentionPolicy
from observatory.job_store.pruning import Folded
from observatory.job_store.sqlite import SqlitePruning
from observatory.runtime.auditing import audit_folder
from observatory.testing.manual_sources import ManualClock
from tests.unit.audit.conftest import DRIVERS, found
from tests.unit.audit.populated import ERROR, World


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "READ_EVENTS_MAX", 100)
    monkeypatch.setattr(limits, "PAGE_ITEMS_MAX", 20)


class Hurrying(ManualClock):
    """Half a second passes between two looks, so that the audit tells its progress at every page."""

    def monotonic(self) -> float:
        self.advance(limits.PROGRESS_LINE_S)
        return super().monotonic()


async def audited_while_working(world: World, folder: Path) -> tuple[AuditReport, int]:
    """The report, and how often work was done between two pages of the audit."""
    loop, rounds = asyncio.get_running_loop(), 0

    def work_between_pages(what: str, done: int, total: int) -> None:
        nonlocal rounds
        asyncio.run_coroutine_threadsafe(_work(world), loop).result()
        rounds += 1

    report = await asyncio.to_thread(audit_folder, folder, drivers=DRIVERS, say=work_between_pages, clock=Hurrying())
    return report, rounds


async def _work(world: World) -> None:
    """One round: jobs are accepted, begun, ended in several ways, tried again, and counted."""
    accepted = await world.submit(6)
    for number, job in enumerate(await world.claim(5)):
        if number % 3 == 0:
            fail = Fail(fence=job.fence, outcome=Outcome.FAILED, error=ERROR, retry_in_s=0.5)
            await world.apply(job.id, fail)
        elif number % 3 == 1:
            await world.apply(job.id, Succeed(fence=job.fence, result=number))
    world.clock.advance(1.0)
    await world.store.make_due(count_max=10)
    await world.count()
    if accepted and (left := await world.claim(1)):
        await world.apply(left[0].id, Cancel())


async def test_a_working_system_is_clean(tmp_path: Path) -> None:
    world = World(tmp_path)
    for _ in range(40):
        await _work(world)

    report, rounds = await audited_while_working(world, tmp_path)

    assert rounds > 20
    assert report.violations == []
    assert report.checked.position < await world.log.head()
    assert report.ledger.rows == report.ledger.accepted == 240 + 6  # six came while the file was checked
    assert report.ledger.rows_by_status == report.ledger.counted_by_status
    await world.file.close()


async def test_a_fault_is_found_beside_a_working_owner(tmp_path: Path) -> None:
    world = World(tmp_path)
    job_id = (await world.submit(1))[0]
    for _ in range(20):
        await _work(world)
    await world.file.write(lambda connection: connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,)))

    report, rounds = await audited_while_working(world, tmp_path)

    assert rounds > 10
    assert ("job_missing", job_id) in found(report)
    assert {job for _, job in found(report)} <= {job_id, None}
    await world.file.close()


async def test_what_is_written_meanwhile_can_be_taken_out_of_the_log_before_the_audit_ends(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.submit(200)
    logs: list[tuple[int, int]] = []

    def write_and_write_back(what: str, done: int, total: int) -> None:
        world.file.write_now(lambda c: c.execute("UPDATE jobs SET metadata = '{}'"))
        _, in_the_log, written_back = world.file._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if total:
            logs.append((in_the_log, written_back))

    await asyncio.to_thread(audit_folder, tmp_path, drivers=DRIVERS, say=write_and_write_back, clock=Hurrying())

    assert len(logs) > 3
    assert all(in_the_log == written_back > 0 for in_the_log, written_back in logs[:3])
    await world.file.close()


async def test_what_is_pruned_meanwhile_is_no_fault(tmp_path: Path) -> None:
    world = World(tmp_path)
    for _ in range(20):
        await _work(world)
    world.clock.advance(60.0)
    loop, pruned = asyncio.get_running_loop(), list[int]()

    def prune(what: str, done: int, total: int) -> None:
        if total:
            pruned.append(asyncio.run_coroutine_threadsafe(prune_some(world), loop).result())

    report = await asyncio.to_thread(audit_folder, tmp_path, drivers=DRIVERS, say=prune, clock=Hurrying())

    assert sum(pruned) > 3
    assert report.violations == []
    assert report.ledger.rows + report.ledger.pruned == 120
    await world.file.close()


async def prune_some(world: World) -> int:
    """The number of jobs that were pruned, at most two."""
    folded = Folded(
        view=STATS_VIEW,
        generation=world.stats.generation,
        until=world.stats.checkpoint,
        own_types=frozenset(world.stats.view.by_type),
    )
    pruning = SqlitePruning(world.file, clock=world.clock)
    policy = RetentionPolicy(kept=Kept(completed_s=60, failed_s=60, cancelled_s=60))
    found = await pruning.expired(policy, until=folded.until, count_max=2, events_max=1_000)
    return (await pruning.prune(found.jobs, folded)).jobs if found.jobs else 0
