"""Does every driver of pruning remove whole jobs, only expired ones, and account for each of them?"""

import asyncio
import inspect
import itertools
from datetime import timedelta

import msgspec
import pytest

from observatory.core import limits
from observatory.core.command import Cancel, Fail, Succeed
from observatory.core.errors import CheckpointMoved, StoreUnavailable
from observatory.core.folds import STATS_VIEW, StatsView, canonical, fold_stats
from observatory.core.job import JobError, JobStatus, Outcome
from observatory.core.retention import Kept, RetentionPolicy
from observatory.job_store.attempt_logs import AttemptLog
from observatory.job_store.port import Order
from observatory.job_store.pruning import Folded, Pruning, Rollup
from observatory.testing.factories import new_job
from observatory.view_store.port import StoredView
from tests.conformance.checkers import all_events, all_jobs

HOUR = RetentionPolicy(kept=Kept(completed_s=3_600, failed_s=3_600, cancelled_s=3_600))
ALL = {"count_max": limits.PRUNE_JOBS_MAX, "events_max": 10_000}
ERROR = JobError(type="ValueError", message="no")


async def submit(truth, count=1, **changes):
    answers = await truth.store.submit([new_job(truth.ids, **changes) for _ in range(count)])
    return [answer.job.id for answer in answers]


async def finished(truth, count=1, *, status="COMPLETED", **changes):
    """Jobs that became final now; their ids."""
    ids = await submit(truth, count, **changes)
    if status == "CANCELLED":
        await truth.store.apply([Order(job_id, Cancel()) for job_id in ids])
        return ids
    types = [changes.get("type", "example")]
    jobs = await truth.store.claim(types=types, worker="w", count_max=count, lease_s=10.0)
    for job in jobs:
        end = (
            Succeed(fence=job.fence, result={"ok": True}, run_s=0.25)
            if status == "COMPLETED"
            else Fail(fence=job.fence, outcome=Outcome.FAILED, error=ERROR, retry_in_s=None, run_s=0.5)
        )
        await truth.store.apply([Order(job.id, end)])
    return ids


async def counted(truth):
    """Save the counters of all that ever happened, as the metrics engine does; where they stand."""
    view = (await truth.pruning.rollup(STATS_VIEW)).stats
    events = await all_events(truth.log)
    for event in events:
        view = fold_stats(view, event)
    position = events[-1].position if events else 0
    await truth.views.drop(STATS_VIEW)
    saved = StoredView(msgspec.json.encode(view), position, "g1")
    await truth.views.save(STATS_VIEW, saved, expected_checkpoint=0)
    return Folded(view=STATS_VIEW, generation="g1", until=position, own_types=frozenset(view.by_type))


async def expired(truth, policy=HOUR, until=None):
    until = await truth.log.head() if until is None else until
    return [job.job_id for job in (await truth.pruning.expired(policy, until=until, **ALL)).jobs]


async def prune(truth, policy=HOUR):
    """One piece, as the pruner does it."""
    folded = await counted(truth)
    found = await truth.pruning.expired(policy, until=folded.until, **ALL)
    return await truth.pruning.prune(found.jobs, folded)


class TestRoundTrip:
    async def test_an_expired_job_goes_with_all_that_belongs_to_it(self, truth):
        (old,) = await finished(truth, idempotency_key="k")
        await truth.attempt_logs.save([AttemptLog(job_id=old, attempt=1, fence=1, lines=(), is_complete=True)])
        truth.clock.advance(3_600)
        (new,) = await submit(truth)

        pruned = await prune(truth)

        assert (pruned.jobs, pruned.events) == (1, 4)
        assert await truth.queries.job(old) is None
        assert await truth.log.of_job(old, count_max=10) == []
        assert await truth.attempt_logs.attempt_log(old) is None
        assert [job.id for job in await all_jobs(truth.queries)] == [new]

    async def test_its_idempotency_key_is_free_again(self, truth):
        (old,) = await finished(truth, idempotency_key="k")
        truth.clock.advance(3_600)
        await submit(truth)
        await prune(truth)

        (again,) = await submit(truth, idempotency_key="k")

        assert again != old

    async def test_the_rollup_with_what_remains_is_the_fold_of_all_that_was(self, truth):
        for status in ("COMPLETED", "FAILED", "CANCELLED"):
            await finished(truth, 2, status=status)
        truth.clock.advance(3_600)
        await finished(truth)
        whole = StatsView()
        for event in await all_events(truth.log):
            whole = fold_stats(whole, event)

        await prune(truth)
        rollup = await truth.pruning.rollup(STATS_VIEW)
        again = rollup.stats
        for event in await all_events(truth.log):
            again = fold_stats(again, event)

        assert rollup.jobs == 6
        assert canonical(again) == canonical(whole)

    async def test_a_piece_says_how_long_it_took_and_how_long_it_may_take(self, truth, monkeypatch):
        await finished(truth)
        truth.clock.advance(3_600)
        await submit(truth)
        monkeypatch.setattr(truth.clock, "monotonic", itertools.count(7.0, 0.5).__next__)

        pruned = await prune(truth)

        assert (pruned.jobs, pruned.took_s) == (1, 0.5)
        assert limits.PRUNE_PIECE_S <= truth.pruning.piece_s <= limits.PRUNE_SHARED_PIECE_S

    async def test_nothing_pruned_is_an_empty_rollup(self, truth):
        assert await truth.pruning.rollup(STATS_VIEW) == Rollup()

    async def test_what_was_pruned_is_known_after_a_restart(self, truth):
        await finished(truth)
        truth.clock.advance(3_600)
        await submit(truth)
        await prune(truth)
        before = await truth.pruning.rollup(STATS_VIEW)

        truth.restart()

        assert await truth.pruning.rollup(STATS_VIEW) == before


class TestWhichJobs:
    async def test_a_job_expires_at_the_instant_and_not_before(self, truth):
        ids = await finished(truth)
        await submit(truth)

        truth.clock.advance(3_599.999)
        before = await expired(truth)
        truth.clock.advance(0.001)

        assert (before, await expired(truth)) == ([], ids)

    async def test_what_is_not_final_never_expires(self, truth):
        await submit(truth)
        await truth.store.claim(types=["example"], worker="w", count_max=1, lease_s=10.0)
        await submit(truth, run_at=truth.clock.now() + timedelta(days=1))
        await submit(truth, type="other")
        truth.clock.advance(86_400 * 365)
        await finished(truth, type="last")

        assert await expired(truth) == []

    @pytest.mark.parametrize("kept", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
    async def test_each_status_has_a_time_of_its_own(self, truth, kept):
        ids = {status: (await finished(truth, status=status))[0] for status in ("COMPLETED", "FAILED", "CANCELLED")}
        truth.clock.advance(3_600)
        await submit(truth)
        never = {f"{status.lower()}_s": None if status == kept else 3_600 for status in ids}

        found = await expired(truth, RetentionPolicy(kept=Kept(**never)))

        assert sorted(found) == sorted(job_id for status, job_id in ids.items() if status != kept)

    async def test_a_type_may_be_kept_shorter_or_longer_than_the_others(self, truth):
        (short,) = await finished(truth, type="short")
        (usual,) = await finished(truth, type="usual")
        await finished(truth, type="long")
        policy = RetentionPolicy(
            kept=HOUR.kept, by_type={"short": {JobStatus.COMPLETED: 60}, "long": {JobStatus.COMPLETED: None}}
        )

        await submit(truth)
        truth.clock.advance(60)
        after_a_minute = await expired(truth, policy)
        truth.clock.advance(3_540)

        assert after_a_minute == [short]
        assert sorted(await expired(truth, policy)) == sorted([short, usual])

    async def test_a_job_of_which_another_is_the_retry_expires_by_itself(self, truth):
        (first,) = await finished(truth, status="FAILED")
        truth.clock.advance(3_600)
        await submit(truth, retry_of=first)

        await prune(truth)

        assert await truth.queries.job(first) is None

    async def test_what_the_counters_or_the_relay_have_not_seen_stays(self, truth):
        first, second = await finished(truth, 2)
        truth.clock.advance(3_600)
        await submit(truth)
        last = (await truth.log.of_job(first, count_max=10))[-1].position

        assert first not in await expired(truth, until=last)
        assert first in await expired(truth, until=last + 1)
        assert second not in await expired(truth, until=last + 1)

    async def test_the_newest_event_stays_so_that_the_head_does_not_move(self, truth):
        await finished(truth, 3)
        truth.clock.advance(3_600)
        head = await truth.log.head()

        await prune(truth)

        assert await truth.log.head() == await truth.log.highest_given() == head
        assert len(await all_jobs(truth.queries)) == 1

    async def test_the_types_take_turns(self, truth):
        for name in ("a", "b", "c"):
            await finished(truth, 2, type=name)
        truth.clock.advance(3_600)
        await submit(truth)
        until = await truth.log.head()

        seen = []
        for _ in range(3):
            found = await truth.pruning.expired(HOUR, until=until, count_max=1, events_max=100)
            seen += [next(iter(job.stats.by_type)) for job in found.jobs]

        assert seen == ["a", "b", "c"]


class TestOverdue:
    async def test_it_is_since_the_job_that_waits_longest_should_have_gone(self, truth):
        finished_at = truth.clock.now()
        await finished(truth)
        truth.clock.advance(100)
        await finished(truth, status="FAILED")
        truth.clock.advance(5_000)
        await submit(truth)

        assert (await truth.pruning.overdue(HOUR)).since == finished_at + timedelta(hours=1)

    async def test_nothing_waits_when_nothing_expired_or_only_the_newest_event_keeps_a_job(self, truth):
        await finished(truth)
        assert (await truth.pruning.overdue(HOUR)).since is None
        truth.clock.advance(86_400)

        assert (await truth.pruning.overdue(HOUR)).since is None


class TestConcurrency:
    async def test_a_view_that_is_made_anew_meanwhile_stops_it(self, truth):
        await finished(truth)
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = await truth.pruning.expired(HOUR, until=folded.until, **ALL)

        await truth.views.drop(STATS_VIEW)
        with pytest.raises(CheckpointMoved):
            await truth.pruning.prune(found.jobs, folded)
        await truth.views.save(STATS_VIEW, StoredView(b"{}", folded.until, "g2"), expected_checkpoint=0)
        with pytest.raises(CheckpointMoved):
            await truth.pruning.prune(found.jobs, folded)

        assert await truth.pruning.rollup(STATS_VIEW) == Rollup()

    async def test_two_that_prune_the_same_jobs_count_each_once(self, truth):
        await finished(truth, 6)
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = (await truth.pruning.expired(HOUR, until=folded.until, **ALL)).jobs

        pruned = await asyncio.gather(
            *(truth.pruning.prune(jobs, folded) for jobs in (found, found[::-1], found[2:], found[:4][::-1]))
        )

        assert sum(one.jobs for one in pruned) == (await truth.pruning.rollup(STATS_VIEW)).jobs == 6
        assert len(await all_jobs(truth.queries)) == 1

    async def test_two_that_prune_other_jobs_at_the_same_time_count_them_all(self, truth):
        await finished(truth, 12)
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = (await truth.pruning.expired(HOUR, until=folded.until, **ALL)).jobs

        await asyncio.gather(*(truth.pruning.prune(found[place::4], folded) for place in range(4)))

        assert (await truth.pruning.rollup(STATS_VIEW)).jobs == 12

    async def test_a_job_that_another_one_prunes_in_the_middle_of_a_look_is_not_taken_for_damaged(self, truth):
        await finished(truth, 40)
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = (await truth.pruning.expired(HOUR, until=folded.until, **ALL)).jobs

        async def look():
            return [await truth.pruning.expired(HOUR, until=folded.until, **ALL) for _ in range(10)]

        async def take_away():
            for job in found:
                await truth.pruning.prune([job], folded)

        looks, _ = await asyncio.gather(look(), take_away())

        assert {one.unreadable for one in looks} == {0}

    async def test_a_view_that_is_begun_again_at_the_same_time_has_what_was_pruned_in_its_rollup_or_keeps_it(
        self, truth
    ):
        await finished(truth, 4)
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = (await truth.pruning.expired(HOUR, until=folded.until, **ALL)).jobs

        async def begin_again():
            await truth.views.drop(STATS_VIEW)
            return await truth.pruning.rollup(STATS_VIEW)

        *pieces, rollup = await asyncio.gather(
            *(truth.pruning.prune([job], folded) for job in found), begin_again(), return_exceptions=True
        )

        refused = [one for one in pieces if isinstance(one, CheckpointMoved)]
        assert rollup.jobs == sum(one.jobs for one in pieces if one not in refused)
        assert (await truth.pruning.rollup(STATS_VIEW)).jobs == rollup.jobs

    async def test_a_log_that_is_saved_while_its_job_is_pruned_goes_with_it(self, truth):
        jobs = await finished(truth, 10)
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = (await truth.pruning.expired(HOUR, until=folded.until, **ALL)).jobs
        logs = [AttemptLog(job_id=job_id, attempt=1, fence=1, lines=(), is_complete=True) for job_id in jobs]

        is_pruned = asyncio.Event()

        async def save(log):
            while not is_pruned.is_set():
                await truth.attempt_logs.save([log])

        async def prune():
            await asyncio.sleep(0.02)
            await truth.pruning.prune(found, folded)
            is_pruned.set()

        await asyncio.gather(prune(), *(save(log) for log in logs[:6]))

        assert [await truth.attempt_logs.attempt_log(job_id) for job_id in jobs] == [None] * 10

    async def test_a_key_that_is_used_again_while_its_job_is_pruned_is_a_replay_or_a_new_job(self, truth):
        (old,) = await finished(truth, idempotency_key="k")
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = (await truth.pruning.expired(HOUR, until=folded.until, **ALL)).jobs
        again = [new_job(truth.ids, idempotency_key="k") for _ in range(4)]

        *answers, pruned = await asyncio.gather(
            *(truth.other_store.submit([job]) for job in again), truth.pruning.prune(found, folded)
        )

        assert pruned.jobs == 1
        new = {answer.job.id for [answer] in answers if answer.job.id != old}
        assert {job.id for job in await all_jobs(truth.queries)} >= new
        assert len(new) <= 1

    async def test_a_view_that_is_behind_stops_it(self, truth):
        await finished(truth)
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = await truth.pruning.expired(HOUR, until=folded.until, **ALL)
        ahead = msgspec.structs.replace(folded, until=folded.until + 1)

        with pytest.raises(CheckpointMoved):
            await truth.pruning.prune(found.jobs, ahead)


class TestIdempotency:
    async def test_pruning_the_same_jobs_again_counts_nothing_twice(self, truth):
        await finished(truth, 2)
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = await truth.pruning.expired(HOUR, until=folded.until, **ALL)

        first = await truth.pruning.prune(found.jobs, folded)
        second = await truth.pruning.prune(found.jobs, folded)

        assert (first.jobs, second.jobs) == (2, 0)
        assert (await truth.pruning.rollup(STATS_VIEW)).jobs == 2

    async def test_after_a_lost_answer_it_may_be_repeated(self, truth):
        await finished(truth, 2)
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = await truth.pruning.expired(HOUR, until=folded.until, **ALL)

        truth.faults.lose_next_commit()
        with pytest.raises(StoreUnavailable):
            await truth.pruning.prune(found.jobs, folded)
        await truth.pruning.prune(found.jobs, folded)

        assert (await truth.pruning.rollup(STATS_VIEW)).jobs == 2


class TestBounds:
    async def test_a_piece_has_at_most_so_many_jobs_and_events_but_always_one(self, truth):
        await finished(truth, 5)
        truth.clock.advance(3_600)
        await submit(truth)
        until = await truth.log.head()

        async def count(count_max, events_max):
            found = await truth.pruning.expired(HOUR, until=until, count_max=count_max, events_max=events_max)
            return len(found.jobs)

        assert [await count(2, 100), await count(100, 8), await count(100, 7), await count(100, 1)] == [2, 2, 1, 1]

    @pytest.mark.parametrize("count_max", [0, limits.PRUNE_JOBS_MAX + 1])
    async def test_a_piece_beyond_the_bounds_is_a_programmers_error(self, truth, count_max):
        with pytest.raises(AssertionError):
            await truth.pruning.expired(HOUR, until=1, count_max=count_max, events_max=1)

    async def test_types_beyond_those_with_a_counter_of_their_own_are_counted_together(self, truth, monkeypatch):
        monkeypatch.setattr(limits, "LABEL_VALUES_MAX", 2)
        for name in ("a", "b", "c", "d"):
            await finished(truth, type=name)
        truth.clock.advance(3_600)
        await finished(truth, type="d")
        await submit(truth, type="b")
        whole = StatsView()
        for event in await all_events(truth.log):
            whole = fold_stats(whole, event)

        await prune(truth)
        again = (await truth.pruning.rollup(STATS_VIEW)).stats
        assert sorted(again.by_type) == ["a", "b", "other"]
        for event in await all_events(truth.log):
            again = fold_stats(again, event)

        assert canonical(again) == canonical(whole)

    async def test_little_free_space_is_kept(self, truth):
        await finished(truth)

        assert await truth.pruning.give_back(pages_max=limits.VACUUM_PAGES_MAX) == 0

    async def test_much_free_space_is_given_back_in_pieces(self, truth, monkeypatch):
        monkeypatch.setattr(limits, "FREE_BYTES_KEPT", 0)
        monkeypatch.setattr(limits, "FREE_SHARE_KEPT", 0.0)
        await finished(truth, 40, payload={"text": "x" * 20_000})
        truth.clock.advance(3_600)
        await submit(truth)
        await prune(truth)

        given = [await truth.pruning.give_back(pages_max=10) for _ in range(3)]

        if truth.gives_space_back:
            assert all(0 < pages <= 10 for pages in given)
        else:
            assert given == [0, 0, 0]


class TestFailureInTheMiddle:
    async def test_pruning_happens_as_a_whole_or_not_at_all(self, truth):
        await finished(truth, 3)
        truth.clock.advance(3_600)
        await submit(truth)
        folded = await counted(truth)
        found = await truth.pruning.expired(HOUR, until=folded.until, **ALL)
        failures = 0

        for number in range(1, 100):
            truth.faults.fail_call(number)
            try:
                await truth.pruning.prune(found.jobs, folded)
            except StoreUnavailable:
                failures += 1
                assert await truth.pruning.rollup(STATS_VIEW) == Rollup()
                assert len(await all_jobs(truth.queries)) == 4
            else:
                break

        truth.faults.heal()
        assert failures > 5
        assert (await truth.pruning.rollup(STATS_VIEW)).jobs == 3


CALLS = {
    "expired": lambda pruning, folded: pruning.expired(HOUR, until=1, count_max=1, events_max=1),
    "prune": lambda pruning, folded: pruning.prune([], folded),
    "rollup": lambda pruning, folded: pruning.rollup(STATS_VIEW),
    "overdue": lambda pruning, folded: pruning.overdue(HOUR),
    "give_back": lambda pruning, folded: pruning.give_back(pages_max=1),
}


class TestErrorTranslation:
    def test_every_method_of_the_port_is_put_to_the_test(self):
        assert {name for name, one in vars(Pruning).items() if inspect.iscoroutinefunction(one)} == set(CALLS)

    @pytest.mark.parametrize("name", CALLS)
    async def test_every_error_of_the_vendor_becomes_unavailable(self, truth, name):
        folded = Folded(view=STATS_VIEW, generation="g", until=0, own_types=())
        if name == "give_back" and not truth.gives_space_back:
            return  # asks nothing of the engine
        for error in truth.faults.vendor_errors:
            truth.faults.fail_always(error)
            with pytest.raises(StoreUnavailable):
                await CALLS[name](truth.pruning, folded)
