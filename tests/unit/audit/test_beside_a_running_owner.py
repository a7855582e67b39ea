"""A healthy system that works while it is audited has no violation."""

import asyncio
from pathlib import Path

import pytest

from observatory.audit.report import AuditReport
from observatory.core import limits
from observatory.core.command import Cancel, Fail, Succeed
from observatory.core.job import Outcome
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
        self.advance(limits.AUDIT_SAY_S)
        return super().monotonic()


async def audited_while_working(world: World, folder: Path) -> tuple[AuditReport, int]:
    """The report, and how often work was done between two pages of the audit."""
    loop, rounds = asyncio.get_running_loop(), 0

    def work_between_pages(done: int, total: int) -> None:
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
    assert report.ledger.rows == report.ledger.accepted == 240
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
