"""Counters that are made anew from rollup and history are those that were there, over any history."""

import asyncio
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.command import Cancel, Fail, Snooze, Succeed
from observatory.core.errors import CannotStart, DataFolderInUse, DataFolderUnusable
from observatory.core.folds import STATS_VIEW
from observatory.core.job import JobError, Outcome
from observatory.core.retention import Kept, RetentionPolicy
from observatory.job_store.pruning import Folded
from observatory.job_store.sqlite import SqlitePruning
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.keeping import audit, compare_counters, rebuild_counters
from tests.unit.audit.populated import World

MINUTE = RetentionPolicy(kept=Kept(completed_s=60, failed_s=60, cancelled_s=60))
ERROR = JobError(type="ValueError", message="no")
STEPS = st.lists(
    st.sampled_from(["submit", "claim and succeed", "fail", "discard", "snooze", "cancel", "wait", "prune", "count"]),
    min_size=3,
    max_size=40,
)


def nobody(done: int, total: int) -> None:
    """Nobody watches."""


async def live_through(folder: Path, steps: list[str]) -> int:
    """A history of *steps*; how many jobs were pruned."""
    world = World(folder)
    pruning = SqlitePruning(world.file, clock=world.clock)
    await world.submit(2)
    await world.count()
    for step in [*steps, "count"]:
        if step == "submit":
            await world.submit(3)
        elif step == "cancel":
            rows = world.file.read_now(lambda c: c.execute("SELECT id FROM jobs WHERE status = 'PENDING'").fetchall())
            for (job_id,) in rows[:1]:
                await world.apply(job_id, Cancel())
        elif step == "wait":
            world.clock.advance(61.0)
            await world.store.make_due(count_max=limits.DUE_BATCH_MAX)
        elif step == "count":
            await world.count()
        elif step == "prune":
            await prune(world, pruning)
        else:
            for job in await world.claim(2):
                ends = {
                    "claim and succeed": Succeed(fence=job.fence, result=None, run_s=0.1),
                    "fail": Fail(fence=job.fence, outcome=Outcome.FAILED, error=ERROR, retry_in_s=1.0, run_s=0.3),
                    "discard": Fail(fence=job.fence, outcome=Outcome.FAILED, error=ERROR, retry_in_s=None, run_s=0.7),
                    "snooze": Snooze(fence=job.fence, run_in_s=1.0, run_s=0.2),
                }
                await world.apply(job.id, ends[step])
    pruned = (await pruning.rollup(STATS_VIEW)).jobs
    await world.file.close()
    return pruned


async def prune(world: World, pruning: SqlitePruning) -> None:
    folded = Folded(
        view=STATS_VIEW,
        generation=world.stats.generation,
        until=world.stats.checkpoint,
        own_types=frozenset(world.stats.view.by_type),
    )
    found = await pruning.expired(MINUTE, until=folded.until, count_max=3, events_max=1_000)
    await pruning.prune(found.jobs, folded)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_counters_made_anew_are_those_that_were_there(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(live_through(folder, steps))
        before = compare_counters(folder, say=nobody)

        rebuilt = rebuild_counters(folder, say=nobody)

        assert before.is_equal
        assert (rebuilt.digest, rebuilt.position) == (before.digest, before.position)
        assert audit(folder).violations == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    steps = ["submit", "claim and succeed", "discard", "wait", "submit", "count", "prune", "claim and succeed"]
    assert asyncio.run(live_through(tmp_path, steps)) > 0
    return tmp_path


def plant(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(folder / "observatory.db")
    with connection:
        assert connection.execute(sql).rowcount > 0
    connection.close()


@pytest.mark.parametrize("damage", ["document = '{'", "document = replace(document, '\"events\":', '\"events\":1')"])
def test_a_damaged_view_is_told_from_what_the_history_gives_and_mended(folder: Path, damage: str) -> None:
    sound = compare_counters(folder, say=nobody)
    plant(folder, f"UPDATE views SET {damage}")

    damaged = compare_counters(folder, say=nobody)
    rebuild_counters(folder, say=nobody)

    assert not damaged.is_equal
    assert damaged.rebuilt_digest == sound.digest
    assert compare_counters(folder, say=nobody) == sound


def test_the_view_that_was_made_anew_has_another_generation(folder: Path) -> None:
    def generation() -> str:
        connection = sqlite3.connect(folder / "observatory.db")
        (found,) = connection.execute("SELECT generation FROM views").fetchone()
        connection.close()
        return found

    before = generation()
    rebuild_counters(folder, say=nobody)

    assert generation() != before


def test_comparing_changes_no_byte(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    compare_counters(folder, say=nobody)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_counters_that_were_never_saved_cannot_be_compared(folder: Path) -> None:
    plant(folder, "DELETE FROM views")

    with pytest.raises(CannotStart, match="no counters are saved"):
        compare_counters(folder, say=nobody)


def test_a_folder_that_is_owned_or_empty_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataFolderUnusable, match="does not exist"):
        rebuild_counters(tmp_path / "nothing", say=nobody)
    assert not (tmp_path / "nothing").exists()

    owner = DataFolder(folder)
    owner.open()
    with pytest.raises(DataFolderInUse):
        rebuild_counters(folder, say=nobody)
    owner.close()
