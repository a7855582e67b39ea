"""The pruner and the watch over it, over a real store."""

from collections.abc import Generator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from observatory.core import limits
from observatory.core.folds import STATS_VIEW, StatsView, fold_stats
from observatory.core.retention import Kept, RetentionPolicy
from observatory.edge.health import Check, readiness_of
from observatory.job_store.pruning import Pruned
from observatory.maintenance.pruner import Pruner
from observatory.maintenance.pruning_watch import PruningBehind, PruningWatch
from observatory.view_store.projection import Projection
from tests.conformance.checkers import all_events, all_jobs
from tests.conformance.drivers import SQLITE_INLINE, Truth
from tests.conformance.test_pruning import finished, submit

HOUR = RetentionPolicy(kept=Kept(completed_s=3_600, failed_s=3_600, cancelled_s=3_600))
NEVER = RetentionPolicy(kept=Kept(completed_s=None, failed_s=None, cancelled_s=None))


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PRUNE_REST_S", 0.0)


@pytest.fixture
def truth(tmp_path: Path) -> Generator[Truth]:
    truth = SQLITE_INLINE.open_truth(tmp_path)
    yield truth
    truth.end()


def pruner_of(truth: Truth, policy: RetentionPolicy = HOUR) -> Pruner:
    return Pruner(pruning=truth.pruning, outbox=truth.outbox, views=truth.views, policy=policy)


def watch_of(truth: Truth, policy: RetentionPolicy = HOUR) -> PruningWatch:
    return PruningWatch(pruning=truth.pruning, policy=policy, clock=truth.clock)


async def fold(truth: Truth) -> None:
    """Let the counters catch up."""
    projection = Projection(STATS_VIEW, StatsView, fold_stats, store=truth.views, ids=truth.ids)
    await projection.load()
    after = projection.checkpoint
    await projection.apply(await truth.log.after(after, count_max=limits.READ_EVENTS_MAX), after=after)


async def publish(truth: Truth) -> None:
    await truth.outbox.unpublished(count_max=1)
    await truth.outbox.confirm(await truth.log.head())


async def prune_all(pruner: Pruner) -> int:
    total = 0
    while count := await pruner.run_once():
        total += count
    return total


async def test_every_expired_job_goes_and_every_other_stays(truth: Truth) -> None:
    await finished(truth, 30)
    truth.clock.advance(3_600)
    await finished(truth, 2)
    await submit(truth)
    await fold(truth)
    await publish(truth)

    assert await prune_all(pruner_of(truth)) == 30

    assert len(await all_jobs(truth.queries)) == 3
    assert (await truth.pruning.rollup(STATS_VIEW)).jobs == 30


async def test_nothing_goes_that_the_counters_have_not_folded(truth: Truth) -> None:
    await finished(truth)
    truth.clock.advance(3_600)
    await submit(truth)
    await publish(truth)

    assert await prune_all(pruner_of(truth)) == 0
    await fold(truth)
    assert await prune_all(pruner_of(truth)) == 1


async def test_nothing_goes_that_the_relay_has_not_published(truth: Truth) -> None:
    assert await truth.outbox.unpublished(count_max=1) == []
    await finished(truth)
    truth.clock.advance(3_600)
    await submit(truth)
    await fold(truth)

    assert await prune_all(pruner_of(truth)) == 0
    await publish(truth)
    assert await prune_all(pruner_of(truth)) == 1


async def test_what_is_kept_for_ever_stays(truth: Truth) -> None:
    await finished(truth)
    truth.clock.advance(86_400 * 5_000)
    await submit(truth)
    await fold(truth)
    await publish(truth)

    assert await prune_all(pruner_of(truth, NEVER)) == 0
    watch = watch_of(truth, NEVER)
    await watch.run_once()
    assert not watch.is_behind


async def test_a_damaged_job_stays_is_named_once_and_holds_up_no_other(truth: Truth) -> None:
    damaged, sound = await finished(truth, 2)
    truth.clock.advance(3_600)
    await submit(truth)
    await fold(truth)
    await publish(truth)
    file = truth.store._file
    file.write_now(lambda c: c.execute("UPDATE events SET payload = '{' WHERE job_id = ? AND sequence = 2", (damaged,)))
    pruner = pruner_of(truth)

    with capture_logs() as logs:
        pruned = await prune_all(pruner)
        await pruner.run_once()

    assert pruned == 1
    assert await truth.queries.job(sound) is None
    assert [line["jobs"] for line in logs if line["log_level"] == "error"] == [1]


async def test_pieces_shrink_when_they_hold_the_writer_too_long(truth: Truth) -> None:
    await finished(truth, 40)
    truth.clock.advance(3_600)
    await submit(truth)
    await fold(truth)
    await publish(truth)
    sizes = []
    prune = truth.pruning.prune

    async def slow(jobs, folded):
        sizes.append(len(jobs))
        pruned = await prune(jobs, folded)
        return Pruned(pruned.jobs, pruned.events, limits.PRUNE_PIECE_S * 2)

    truth.pruning.prune = slow

    await prune_all(pruner_of(truth))

    assert sizes[:4] == [10, 5, 2, 1]
    assert sum(sizes) == 40


async def test_free_space_is_given_back_piece_by_piece_down_to_what_is_kept(
    truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = 30
    monkeypatch.setattr(limits, "FREE_BYTES_KEPT", kept * 4_096)
    monkeypatch.setattr(limits, "FREE_SHARE_KEPT", 0.0)
    await finished(truth, 40, payload={"text": "x" * 20_000})
    truth.clock.advance(3_600)
    await submit(truth)
    await fold(truth)
    await publish(truth)
    pruner, free = pruner_of(truth), list[int]()

    while await pruner.run_once():
        free.append(free_pages(truth))

    pruned = max(free)
    assert pruned > kept + 2 * limits.VACUUM_PAGES_MAX
    assert free[free.index(pruned) :] == [*range(pruned, kept, -limits.VACUUM_PAGES_MAX), kept]


def free_pages(truth: Truth) -> int:
    (pages,) = truth.store._file.write_now(lambda c: c.execute("PRAGMA freelist_count").fetchone())
    return pages


class TestWatch:
    async def test_it_shouts_when_nothing_prunes(self, truth: Truth) -> None:
        await finished(truth)
        await submit(truth)
        watch = watch_of(truth)
        truth.clock.advance(3_600 + limits.PRUNE_LATE_S_MAX + 1)

        with capture_logs() as logs:
            await watch.run_once()
            assert not watch.is_behind, "the first look cannot tell whether the backlog shrinks"
            truth.clock.advance(limits.PRUNE_LOOK_S)
            await watch.run_once()

        assert watch.is_behind
        assert [line["event"] for line in logs] == ["pruning is behind: expired jobs stay"]
        with pytest.raises(PruningBehind):
            await watch.check()

    async def test_it_is_a_warning_and_the_service_stays_ready(self, truth: Truth) -> None:
        watch = watch_of(truth)
        watch.is_behind = True

        readiness = await readiness_of([Check("pruning", watch.check, only_warns=True)], service="s", version="1")

        assert readiness.is_ready
        assert [(one.name, one.warning) for one in readiness.checks] == [("pruning", "pruning_behind")]

    async def test_at_the_bound_it_is_quiet(self, truth: Truth) -> None:
        await finished(truth)
        await submit(truth)
        watch = watch_of(truth)
        truth.clock.advance(3_600 + limits.PRUNE_LATE_S_MAX)

        await watch.run_once()
        await watch.run_once()

        assert not watch.is_behind

    async def test_a_backlog_that_shrinks_is_no_fault(self, truth: Truth) -> None:
        for _ in range(3):
            await finished(truth, 10)
            truth.clock.advance(1.0)
        truth.clock.advance(86_400)
        await submit(truth)
        await fold(truth)
        await publish(truth)
        watch, pruner = watch_of(truth), pruner_of(truth)

        seen = []
        for _ in range(3):
            await watch.run_once()
            seen.append(watch.is_behind)
            await pruner.run_once()

        assert seen == [False, False, False]

    async def test_it_is_quiet_again_once_pruning_works(self, truth: Truth) -> None:
        await finished(truth)
        await submit(truth)
        watch = watch_of(truth)
        truth.clock.advance(86_400)
        await watch.run_once()
        await watch.run_once()
        await fold(truth)
        await publish(truth)

        await prune_all(pruner_of(truth))
        await watch.run_once()

        assert not watch.is_behind
        assert watch.late_s == 0
        assert len(await all_events(truth.log)) == 1
