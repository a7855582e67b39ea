"""Does every driver of the job store keep what the port promises?

After each test the fixture replays every event of the store through the core (`checkers.check_store`).
"""

import asyncio
import inspect
import random
from datetime import timedelta

import msgspec
import pytest

from observatory.core import limits
from observatory.core.command import (
    BecomeDue,
    Cancel,
    Claim,
    Fail,
    Refuse,
    Release,
    Report,
    Rescue,
    Snooze,
    Start,
    Succeed,
)
from observatory.core.errors import (
    IdempotencyConflict,
    IllegalTransition,
    LeaseLost,
    ObservatoryError,
    StoreUnavailable,
    UnknownJob,
)
from observatory.core.event import EventType
from observatory.core.job import JobStatus, Outcome, Progress
from observatory.core.lifecycle import transition
from observatory.job_store.port import JobStore, Lease, Order, WorkerInfo
from observatory.testing.factories import ERROR, full_new_job, new_job, type_info
from observatory.testing.manual_sources import BEGINNING
from tests.conformance.checkers import all_events, all_jobs

S = JobStatus
WORKER = WorkerInfo(instance_id="worker-1", host="host-1", pid=1, version="1.2.3", started_at=BEGINNING, slots=4)


async def submit(truth, count=1, **fields):
    """The ids of *count* jobs that were accepted together."""
    answers = await truth.store.submit([new_job(truth.ids, **fields) for _ in range(count)])
    return [answer.job.id for answer in answers]


async def claim(truth, count=1, *, worker="worker-1", lease_s=10.0, types=("example",)):
    return await truth.store.claim(types=types, worker=worker, count_max=count, lease_s=lease_s)


async def executing(truth, count=1, **fields):
    """Jobs whose attempt runs."""
    await submit(truth, count, **fields)
    return await claim(truth, count)


def success(job, result=None):
    return Order(job.id, Succeed(fence=job.fence, result=result, run_s=0.5))


def failure(job, retry_in_s=None):
    command = Fail(fence=job.fence, outcome=Outcome.FAILED, error=ERROR, retry_in_s=retry_in_s, run_s=0.5)
    return Order(job.id, command)


async def apply_one(truth, job_id, command):
    return (await truth.store.apply([Order(job_id, command)]))[0]


async def shape(truth):
    """What the store holds, without the ids and instants that differ between two tries."""
    jobs = [
        (job.id, job.status, job.sequence, job.fence, job.lease_expires_at) for job in await all_jobs(truth.queries)
    ]
    events = [(event.job_id, event.sequence, event.event_type) for event in await all_events(truth.log)]
    return jobs, events


class TestRoundTrip:
    async def test_a_job_with_every_field_comes_back_as_it_was_accepted(self, truth):
        new = full_new_job(truth.ids, run_at=truth.clock.now() + timedelta(days=366, microseconds=1), priority=0)

        [answer] = await truth.store.submit([new])

        job = await truth.queries.job(new.id)
        assert job == answer.job
        assert not answer.is_replay
        assert job.status is S.SCHEDULED
        for name in (
            "payload",
            "metadata",
            "idempotency_key",
            "retry_of",
            "traceparent",
            "run_at",
            "event_id",
            "queue",
        ):
            assert getattr(job, name) == getattr(new, name), name
        [event] = await all_events(truth.log)
        assert (event.event_id, event.causation_id) == (new.event_id, new.causation_id)

    async def test_answers_come_in_the_order_of_the_jobs(self, truth):
        news = [new_job(truth.ids, priority=number % 10) for number in range(20)]

        answers = await truth.store.submit(news)

        assert [answer.job.id for answer in answers] == [new.id for new in news]

    @pytest.mark.parametrize(
        "payload",
        [
            {},
            {"text": "\U0001f991 é \u2028 \\ \" ' \x7f"},
            {"number": 2**53 - 1, "small": -(2**53 - 1), "real": 0.1, "tiny": 5e-324},
            {"nested": [[], {}, [None, False, 0, ""]]},
            {"a" * limits.JSON_KEY_BYTES_MAX: "b"},
        ],
        ids=["empty", "text", "numbers", "nested", "long-name"],
    )
    async def test_any_payload_and_result_come_back_unchanged(self, truth, payload):
        [job] = await executing(truth, payload=payload)
        assert job.payload == payload

        await truth.store.apply([success(job, result=payload)])

        done = await truth.queries.job(job.id)
        assert done.payload == done.result == payload

    async def test_every_command_leaves_what_the_core_says(self, truth):
        jobs = await executing(truth, 9)
        commands = [
            Succeed(fence=1, result=0),
            Fail(fence=1, outcome=Outcome.TIMED_OUT, error=ERROR, retry_in_s=2.5),
            Fail(fence=1, outcome=Outcome.FAILED, error=ERROR, retry_in_s=None),
            Snooze(fence=1, run_in_s=60.0),
            Release(fence=1),
            Refuse(fence=1, error=ERROR),
            Report(fence=1, progress=Progress(fraction=0.25, message="ein Viertel")),
            Cancel(),
            Rescue(fence=1, retry_in_s=1.0),
        ]
        truth.clock.advance(10.0)

        applied = await truth.store.apply([Order(job.id, c) for job, c in zip(jobs, commands, strict=True)])

        for job, command, answer in zip(jobs, commands, applied, strict=True):
            expected = transition(job, command, truth.clock.now()).job
            assert await truth.queries.job(job.id) == expected
            assert (answer.status, answer.sequence, answer.has_changed) == (expected.status, expected.sequence, True)

    async def test_a_claimed_job_is_the_one_that_is_stored(self, truth):
        [job] = await executing(truth)

        assert await truth.queries.job(job.id) == job
        assert (job.status, job.attempt, job.fence, job.worker) == (S.EXECUTING, 1, 1, "worker-1")
        assert job.lease_expires_at == truth.clock.now() + timedelta(seconds=10)

    @pytest.mark.parametrize("count_max", [1, 2, 5])
    async def test_claims_go_by_priority_then_due_time_then_acceptance(self, truth, count_max):
        due = [truth.clock.now() + timedelta(seconds=seconds) for seconds in (2, 1, 1, 1, 1)]
        news = [
            new_job(truth.ids, priority=priority, run_at=run_at)
            for run_at, priority in zip(due, (0, 5, 5, 0, 9), strict=True)
        ]
        # Ids that sort against the order of acceptance.
        ids = sorted((new.id for new in news), reverse=True)
        news = [msgspec.structs.replace(new, id=job_id) for new, job_id in zip(news, ids, strict=True)]
        await truth.store.submit(news)
        truth.clock.advance(5.0)
        await truth.store.make_due(count_max=10)

        claimed = [job for _ in range(5) for job in await claim(truth, count_max)]

        assert [job.id for job in claimed] == [news[number].id for number in (3, 0, 1, 2, 4)]

    async def test_claims_over_several_types_are_merged_in_order(self, truth):
        for priority, job_type in [(3, "a"), (1, "b"), (2, "a"), (0, "c"), (1, "a")]:
            await submit(truth, type=job_type, priority=priority)

        claimed = await claim(truth, 3, types=("a", "b", "a"))

        assert [(job.priority, job.type) for job in claimed] == [(1, "b"), (1, "a"), (2, "a")]

    @pytest.mark.parametrize(("begun", "buffer"), [(0, 1), (1, 0), (2, 1), (0, 3), (3, 3)])
    async def test_the_first_of_a_claim_begin_and_the_others_wait_for_their_start(self, truth, begun, buffer):
        ids = await submit(truth, 3)

        claimed = await truth.store.claim(
            types=["example"], worker="w", count_max=begun, buffer_max=buffer, lease_s=10.0
        )

        assert [job.id for job in claimed] == ids[: begun + buffer]
        expected = ([(S.EXECUTING, 1)] * begun + [(S.VALIDATED, 0)] * buffer)[:3]
        assert [(job.status, job.attempt) for job in claimed] == expected
        assert {job.fence for job in claimed} == {1}
        for job in claimed[begun:]:
            applied = await apply_one(truth, job.id, Start(fence=job.fence))
            assert applied.status is S.EXECUTING
            again = await apply_one(truth, job.id, Start(fence=job.fence))
            assert isinstance(again, IllegalTransition)
        assert {job.attempt for job in await all_jobs(truth.queries) if job.status is S.EXECUTING} == {1}

    async def test_what_waits_for_its_start_is_leased_and_rescued_at_no_cost(self, truth):
        await submit(truth)
        [job] = await truth.store.claim(types=["example"], worker="w", count_max=0, buffer_max=1, lease_s=10.0)
        assert await claim(truth) == []

        truth.clock.advance(10.0)
        [expired] = await truth.store.expired_leases(count_max=10)
        await apply_one(truth, expired.lease.job_id, Rescue(fence=expired.lease.fence, retry_in_s=5.0))

        late = await apply_one(truth, job.id, Start(fence=job.fence))
        assert isinstance(late, LeaseLost)
        [again] = await claim(truth)
        assert (again.attempt, again.fence) == (1, 3)

    async def test_types_are_matched_exactly_and_none_claims_nothing(self, truth):
        await submit(truth, type="Example")

        assert await claim(truth, types=("example", "Exampl", "%", "Example ")) == []
        assert await claim(truth, types=()) == []

    async def test_a_heartbeat_extends_the_lease_and_tells_of_a_cancel(self, truth):
        first, second = await executing(truth, 2)
        await apply_one(truth, second.id, Cancel())
        truth.clock.advance(9.0)

        states = await truth.store.heartbeat(WORKER, [Lease(first.id, 1), Lease(second.id, 1)], lease_s=10.0)

        assert [(state.is_held, state.is_cancel_requested) for state in states] == [(True, False), (True, True)]
        job = await truth.queries.job(first.id)
        assert job.lease_expires_at == truth.clock.now() + timedelta(seconds=10)
        assert job.sequence == first.sequence

    async def test_due_jobs_become_pending_earliest_first(self, truth):
        now = truth.clock.now()
        ids = [(await submit(truth, run_at=now + timedelta(seconds=seconds)))[0] for seconds in (30, 10, 20)]
        truth.clock.advance(10.0)
        assert await truth.store.make_due(count_max=10) == 1
        truth.clock.advance(20.0)

        assert await truth.store.make_due(count_max=1) == 1

        assert [(await truth.queries.job(job_id)).status for job_id in ids] == [S.SCHEDULED, S.PENDING, S.PENDING]

    async def test_a_retry_becomes_due_like_a_schedule(self, truth):
        [job] = await executing(truth)
        await truth.store.apply([failure(job, retry_in_s=3.0)])
        truth.clock.advance(2.999999)
        assert await truth.store.make_due(count_max=10) == 0
        truth.clock.advance(0.000001)

        assert await truth.store.make_due(count_max=10) == 1
        [again] = await claim(truth)

        assert (again.attempt, again.fence, again.error) == (2, 2, ERROR)

    async def test_expired_leases_are_listed_longest_ended_first(self, truth):
        await submit(truth, 3)
        long, short, middle = [(await claim(truth, lease_s=lease_s))[0] for lease_s in (30.0, 10.0, 20.0)]
        assert await truth.store.expired_leases(count_max=10) == []
        truth.clock.advance(20.0)

        expired = await truth.store.expired_leases(count_max=10)

        assert [(one.lease, one.attempt) for one in expired] == [
            (Lease(short.id, 1), 1),
            (Lease(middle.id, 1), 1),
        ]
        assert [one.lease.job_id for one in await truth.store.expired_leases(count_max=1)] == [short.id]
        assert long.lease_expires_at > truth.clock.now()

    async def test_leases_of_other_instances_can_be_ended(self, truth):
        await submit(truth, 2)
        [mine], [others] = await claim(truth, worker="worker-1"), await claim(truth, worker="gone")

        assert await truth.store.end_leases_of_others(["worker-1"]) == 1

        assert [one.lease.job_id for one in await truth.store.expired_leases(count_max=10)] == [others.id]
        assert (await apply_one(truth, others.id, Rescue(fence=1, retry_in_s=0.0))).status is S.RETRYING
        assert (await truth.queries.job(mine.id)).status is S.EXECUTING

    async def test_events_name_their_producer_and_what_caused_them(self, truth):
        [job] = await executing(truth)
        await truth.store.apply([success(job)])

        created, validated, executed, completed = await all_events(truth.log)

        assert created.producer.service == "gateway"
        assert created.causation_id is validated.causation_id is None
        assert completed.causation_id == executed.event_id

    async def test_everything_is_there_after_a_kill(self, truth):
        jobs = await executing(truth, 3)
        await truth.store.apply([success(jobs[0], {"n": 1}), failure(jobs[1], retry_in_s=1.0)])
        await truth.store.announce([type_info()])
        before, events = await all_jobs(truth.queries), await all_events(truth.log)

        truth.restart()

        assert await all_jobs(truth.queries) == before
        assert await all_events(truth.log) == events
        assert [known.info for known in await truth.queries.types()] == [type_info()]


class TestConcurrency:
    async def test_sixty_four_submits_with_one_key_make_one_job(self, truth):
        stores = [truth.store, truth.other_store] * 32

        answers = await asyncio.gather(*(store.submit([new_job(truth.ids, idempotency_key="k")]) for store in stores))

        jobs = [answer.job for [answer] in answers]
        assert len({job.id for job in jobs}) == 1
        assert [answer.is_replay for [answer] in answers].count(False) == 1
        assert len(await all_jobs(truth.queries)) == 1

    async def test_concurrent_claims_are_disjoint(self, truth):
        submitted = await submit(truth, 50)
        stores = [truth.store, truth.other_store] * 5

        claims = await asyncio.gather(
            *(
                store.claim(types=["example"], worker=f"worker-{number}", count_max=7, lease_s=10.0)
                for number, store in enumerate(stores)
            )
        )

        claimed = [job.id for jobs in claims for job in jobs]
        assert len(claimed) == len(set(claimed))
        assert set(claimed) <= set(submitted)
        claimed += [job.id for job in await claim(truth, 50)]
        assert sorted(claimed) == sorted(submitted)

    @pytest.mark.parametrize("is_rescue_first", [True, False])
    async def test_of_a_settle_and_a_rescue_one_wins(self, truth, is_rescue_first):
        [job] = await executing(truth)
        truth.clock.advance(10.0)
        calls = [
            truth.store.apply([success(job)]),
            truth.other_store.apply([Order(job.id, Rescue(fence=1, retry_in_s=0.0))]),
        ]

        answers = [answer for [answer] in await asyncio.gather(*(calls[::-1] if is_rescue_first else calls))]

        assert [isinstance(answer, LeaseLost) for answer in answers].count(True) == 1
        [winner] = [answer for answer in answers if not isinstance(answer, Exception)]
        assert (await truth.queries.job(job.id)).status is winner.status

    async def test_of_many_settles_of_one_attempt_one_wins(self, truth):
        [job] = await executing(truth)

        answers = await asyncio.gather(
            *(truth.store.apply([success(job, number)]) for number in range(20)),
        )

        wins = [number for number, [answer] in enumerate(answers) if not isinstance(answer, Exception)]
        assert len(wins) == 1
        assert (await truth.queries.job(job.id)).result == wins[0]

    async def test_of_two_rescues_one_wins(self, truth):
        [job] = await executing(truth)
        truth.clock.advance(10.0)
        order = Order(job.id, Rescue(fence=1, retry_in_s=1.0))

        [first], [second] = await asyncio.gather(truth.store.apply([order]), truth.other_store.apply([order]))

        assert sum(isinstance(answer, LeaseLost) for answer in (first, second)) == 1
        assert (await truth.queries.job(job.id)).fence == 2

    async def test_a_cancel_beside_a_claim_ends_in_one_of_the_two_stories(self, truth):
        [job_id] = await submit(truth)

        [answer], claimed = await asyncio.gather(
            truth.store.apply([Order(job_id, Cancel())]),
            truth.other_store.claim(types=["example"], worker="worker-1", count_max=1, lease_s=10.0),
        )

        job = await truth.queries.job(job_id)
        assert answer.status is job.status
        if claimed:
            assert (job.status, job.cancel_requested_at) == (S.EXECUTING, truth.clock.now())
        else:
            assert job.status is S.CANCELLED

    async def test_two_sweeps_make_each_job_due_once(self, truth):
        await submit(truth, 10, run_at=truth.clock.now() + timedelta(seconds=1))
        truth.clock.advance(1.0)

        counts = await asyncio.gather(*(store.make_due(count_max=10) for store in (truth.store, truth.other_store)))

        assert sum(counts) == 10


class TestIdempotency:
    async def test_the_same_submit_again_is_a_replay(self, truth):
        news = [new_job(truth.ids), new_job(truth.ids, idempotency_key="k")]
        first = await truth.store.submit(news)

        again = await truth.other_store.submit(news)

        assert [answer.is_replay for answer in again] == [True, True]
        assert [answer.job for answer in again] == [answer.job for answer in first]
        assert len(await all_events(truth.log)) == 2

    async def test_the_same_key_and_body_give_the_first_job_as_it_is_now(self, truth):
        [first] = await truth.store.submit([new_job(truth.ids, idempotency_key="k")])
        [claimed] = await claim(truth)

        [answer] = await truth.store.submit([new_job(truth.ids, idempotency_key="k")])

        assert answer.is_replay
        assert answer.job == claimed
        assert answer.job.id == first.job.id

    async def test_the_same_key_with_another_body_is_refused(self, truth):
        [first] = await truth.store.submit([new_job(truth.ids, idempotency_key="k")])

        [answer] = await truth.store.submit([new_job(truth.ids, idempotency_key="k", payload={"other": 1})])

        assert isinstance(answer, IdempotencyConflict)
        assert answer.job_id == first.job.id
        assert len(await all_jobs(truth.queries)) == 1

    async def test_a_refused_item_does_not_hold_up_the_others(self, truth):
        await truth.store.submit([new_job(truth.ids, idempotency_key="k")])
        news = [new_job(truth.ids), new_job(truth.ids, idempotency_key="k", payload={}), new_job(truth.ids)]

        before, refused, after = await truth.store.submit(news)

        assert isinstance(refused, IdempotencyConflict)
        assert [before.job.id, after.job.id] == [news[0].id, news[2].id]

    async def test_two_items_of_one_call_share_a_key_like_two_calls(self, truth):
        first = new_job(truth.ids, idempotency_key="k")

        answers = await truth.store.submit(
            [
                first,
                new_job(truth.ids, idempotency_key="k"),
                new_job(truth.ids, idempotency_key="k", payload={}),
                first,
            ]
        )

        assert [answers[0].is_replay, answers[1].is_replay, answers[3].is_replay] == [False, True, True]
        assert isinstance(answers[2], IdempotencyConflict)
        assert answers[1].job.id == answers[3].job.id == first.id

    async def test_a_key_that_looks_like_another_jobs_id_is_only_a_key(self, truth):
        first = new_job(truth.ids)
        second = new_job(truth.ids, idempotency_key=first.id)

        one, two = await truth.store.submit([first, second])
        again, other = await truth.store.submit([first, new_job(truth.ids, idempotency_key=first.id)])

        assert (one.job.id, two.job.id) == (first.id, second.id)
        assert (again.job.id, other.job.id) == (first.id, second.id)

    async def test_keys_differ_by_every_character(self, truth):
        keys = ["k", "K", "k ", "ｋ", "é", "e\u0301"]

        answers = await truth.store.submit([new_job(truth.ids, idempotency_key=key) for key in keys])

        assert not any(answer.is_replay for answer in answers)

    @pytest.mark.parametrize(
        "command",
        [
            Succeed(fence=1),
            Fail(fence=1, outcome=Outcome.FAILED, error=ERROR, retry_in_s=1.0),
            Snooze(fence=1, run_in_s=1.0),
            Release(fence=1),
            Refuse(fence=1, error=ERROR),
            Rescue(fence=1, retry_in_s=1.0),
        ],
        ids=lambda command: type(command).__name__,
    )
    async def test_the_end_of_an_attempt_takes_effect_once(self, truth, command):
        [job] = await executing(truth)
        truth.clock.advance(10.0)
        await apply_one(truth, job.id, command)
        before = await shape(truth)

        answer = await apply_one(truth, job.id, command)

        assert isinstance(answer, LeaseLost)
        assert await shape(truth) == before

    async def test_a_second_cancel_of_a_running_job_changes_nothing_and_says_so(self, truth):
        [job] = await executing(truth)
        first = await apply_one(truth, job.id, Cancel())
        before = await shape(truth)

        second = await apply_one(truth, job.id, Cancel())

        assert (first.has_changed, second.has_changed) == (True, False)
        assert (second.status, second.sequence) == (first.status, first.sequence)
        assert await shape(truth) == before

    async def test_heartbeats_announcements_and_sweeps_may_be_repeated(self, truth):
        [job] = await executing(truth)
        for _ in range(2):
            [state] = await truth.store.heartbeat(WORKER, [Lease(job.id, 1)], lease_s=10.0)
            await truth.store.announce([type_info(), type_info(max_attempts=7)])
            assert state.is_held
            assert await truth.store.make_due(count_max=10) == 0

        assert [known.info.max_attempts for known in await truth.queries.types()] == [7]
        assert len(await truth.queries.processes()) == 1
        assert len(await all_events(truth.log)) == 2

    async def test_leases_are_ended_once(self, truth):
        await executing(truth, 2)

        assert await truth.store.end_leases_of_others([]) == 2
        assert await truth.store.end_leases_of_others([]) == 0


class TestRefusals:
    async def test_a_stale_fence_changes_nothing(self, truth):
        [job] = await executing(truth)
        before = await shape(truth)

        for fence in (0, 2):
            commands = [
                Succeed(fence=fence),
                Release(fence=fence),
                Start(fence=fence),
                Refuse(fence=fence, error=ERROR),
            ]
            for answer in await truth.store.apply([Order(job.id, command) for command in commands]):
                assert isinstance(answer, LeaseLost)

        assert await shape(truth) == before

    async def test_a_rescued_attempt_learns_it_from_its_heartbeat(self, truth):
        [job] = await executing(truth)
        truth.clock.advance(10.0)
        await apply_one(truth, job.id, Rescue(fence=1, retry_in_s=60.0))

        [state] = await truth.store.heartbeat(WORKER, [Lease(job.id, 1)], lease_s=10.0)

        assert not state.is_held
        assert (await truth.queries.job(job.id)).lease_expires_at is None

    async def test_an_old_attempt_cannot_extend_the_lease_of_the_next_one(self, truth):
        [job] = await executing(truth)
        truth.clock.advance(10.0)
        await apply_one(truth, job.id, Rescue(fence=1, retry_in_s=0.0))
        await truth.store.make_due(count_max=1)
        [again] = await claim(truth, worker="worker-2")
        truth.clock.advance(5.0)

        states = await truth.store.heartbeat(WORKER, [Lease(job.id, 1), Lease(job.id, 2)], lease_s=10.0)

        assert [state.is_held for state in states] == [False, False]
        assert (await truth.queries.job(job.id)).lease_expires_at == again.lease_expires_at

    async def test_a_heartbeat_that_came_in_time_prevents_the_rescue(self, truth):
        [job] = await executing(truth)
        truth.clock.advance(10.0)
        [expired] = await truth.store.expired_leases(count_max=10)
        await truth.store.heartbeat(WORKER, [Lease(job.id, 1)], lease_s=10.0)

        answer = await apply_one(truth, job.id, Rescue(fence=expired.lease.fence, retry_in_s=0.0))

        assert isinstance(answer, LeaseLost)

    async def test_an_unknown_job_is_answered_and_the_others_take_effect(self, truth):
        [job] = await executing(truth)

        answers = await truth.store.apply([Order("no-such-job", Cancel()), success(job)])

        assert isinstance(answers[0], UnknownJob)
        assert answers[1].status is S.COMPLETED

    async def test_two_orders_for_one_job_act_one_after_the_other(self, truth):
        [job] = await executing(truth)
        report = Report(fence=1, progress=Progress(fraction=1.0))

        answers = await truth.store.apply([Order(job.id, report), success(job), Order(job.id, report)])

        assert [answers[0].sequence, answers[1].sequence] == [3, 5]
        assert isinstance(answers[2], LeaseLost)

    async def test_commands_against_the_status_are_refused(self, truth):
        [job_id] = await submit(truth, run_at=truth.clock.now() + timedelta(seconds=1))

        assert isinstance(await apply_one(truth, job_id, BecomeDue()), IllegalTransition)
        assert isinstance(await apply_one(truth, job_id, Succeed(fence=0)), LeaseLost)
        assert (await apply_one(truth, job_id, Cancel())).status is S.CANCELLED
        assert isinstance(await apply_one(truth, job_id, Cancel()), IllegalTransition)

    async def test_a_scheduled_job_cannot_be_claimed_before_it_is_due(self, truth):
        await submit(truth, run_at=truth.clock.now() + timedelta(seconds=1))
        truth.clock.advance(1.0)

        assert await claim(truth) == []
        await truth.store.make_due(count_max=1)
        assert len(await claim(truth)) == 1


class TestBounds:
    @pytest.mark.parametrize("count", [0, 1, limits.BATCH_JOBS_MAX])
    async def test_a_submit_takes_up_to_the_bound(self, truth, count):
        assert len(await submit(truth, count)) == count
        assert len(await all_jobs(truth.queries)) == count

    async def test_a_submit_beyond_the_bound_is_a_programmers_error(self, truth):
        with pytest.raises(AssertionError):
            await submit(truth, limits.BATCH_JOBS_MAX + 1)

    @pytest.mark.parametrize("count", [0, 1, limits.CLAIM_BATCH_MAX])
    async def test_a_claim_takes_up_to_what_it_asked_for(self, truth, count):
        await submit(truth, limits.CLAIM_BATCH_MAX + 1)

        assert len(await claim(truth, count)) == count

    @pytest.mark.parametrize(
        "wrong", [{"count": -1}, {"count": limits.CLAIM_BATCH_MAX + 1}, {"lease_s": 0.0}, {"lease_s": 3_600.1}], ids=str
    )
    async def test_a_claim_beyond_its_bounds_is_a_programmers_error(self, truth, wrong):
        with pytest.raises(AssertionError):
            await claim(truth, **wrong)

    async def test_the_longest_lease_is_held_to_its_end(self, truth):
        await submit(truth)
        [job] = await claim(truth, lease_s=limits.LEASE_S_MAX)
        truth.clock.advance(limits.LEASE_S_MAX)

        assert [one.lease.job_id for one in await truth.store.expired_leases(count_max=1)] == [job.id]

    @pytest.mark.parametrize("count", [0, 1, limits.APPLY_BATCH_MAX])
    async def test_orders_up_to_the_bound_are_carried_out(self, truth, count):
        ids = await submit(truth, count)

        answers = await truth.store.apply([Order(job_id, Cancel()) for job_id in ids])

        assert [answer.job_id for answer in answers] == ids
        assert all(answer.status is S.CANCELLED for answer in answers)

    async def test_orders_beyond_the_bound_are_a_programmers_error(self, truth):
        with pytest.raises(AssertionError):
            await truth.store.apply([Order("x", Cancel())] * (limits.APPLY_BATCH_MAX + 1))

    async def test_a_sweep_of_nothing_and_of_more_than_there_is(self, truth):
        await submit(truth, 3, run_at=truth.clock.now() + timedelta(seconds=1))
        truth.clock.advance(1.0)

        assert await truth.store.make_due(count_max=0) == 0
        assert await truth.store.make_due(count_max=limits.DUE_BATCH_MAX) == 3
        assert await truth.store.expired_leases(count_max=0) == []

    async def test_the_largest_payload_is_kept(self, truth):
        payload = {"text": "ß" * (limits.PAYLOAD_BYTES_MAX // 2 - 10)}

        [job] = await executing(truth, payload=payload)

        assert (await truth.queries.job(job.id)).payload == payload

    async def test_the_bounds_of_every_number_of_a_job_are_kept(self, truth):
        low = {"priority": limits.PRIORITY_MIN, "max_attempts": 1, "timeout_seconds": 0.001}
        high = {
            "priority": limits.PRIORITY_MAX,
            "max_attempts": limits.ATTEMPTS_MAX,
            "timeout_seconds": limits.TIMEOUT_S_MAX,
            "run_at": truth.clock.now() + timedelta(days=limits.RUN_AHEAD_DAYS_MAX),
        }

        answers = await truth.store.submit([new_job(truth.ids, **fields) for fields in (low, high)])

        for answer, fields in zip(answers, (low, high), strict=True):
            job = await truth.queries.job(answer.job.id)
            assert {name: getattr(job, name) for name in fields} == fields

    async def test_a_heartbeat_and_an_announcement_of_nothing(self, truth):
        assert await truth.store.heartbeat(WORKER, [], lease_s=10.0) == []
        await truth.store.announce([])

        assert await truth.queries.types() == []
        assert [worker.instance_id for worker in await truth.queries.processes()] == ["worker-1"]


# --- failure in the middle and error translation ----------------------------------------------------


async def ready_for_anything(truth):
    """A store in which every call of `CHANGES` has something to do. Returns the running jobs."""
    running = await executing(truth, 4)
    await submit(truth, 2, run_at=truth.clock.now() + timedelta(seconds=5))
    await submit(truth, 3, priority=9)
    truth.clock.advance(5.0)
    return running


CHANGES = {
    "submit": lambda truth, running, news: truth.store.submit(news),
    "claim": lambda truth, running, news: claim(truth, 2),
    "apply": lambda truth, running, news: truth.store.apply(
        [success(running[0]), failure(running[1], 1.0), Order(running[2].id, Cancel())]
    ),
    "heartbeat": lambda truth, running, news: truth.store.heartbeat(
        WORKER, [Lease(job.id, job.fence) for job in running], lease_s=60.0
    ),
    "announce": lambda truth, running, news: truth.store.announce([type_info("a"), type_info("b")]),
    "make_due": lambda truth, running, news: truth.store.make_due(count_max=10),
    "end_leases_of_others": lambda truth, running, news: truth.store.end_leases_of_others(["somebody"]),
}
READS = {"expired_leases": lambda truth, running, news: truth.store.expired_leases(count_max=10)}


def test_every_method_of_the_port_is_put_to_the_test():
    methods = {name for name, one in vars(JobStore).items() if inspect.iscoroutinefunction(one)}

    assert methods == set(CHANGES) | set(READS)


async def everything(truth):
    """All that a caller can see of the store."""
    workers = [worker.instance_id for worker in await truth.queries.processes()]
    types = [known.info.type for known in await truth.queries.types()]
    return await shape(truth), workers, types


class TestFailureInTheMiddle:
    @pytest.mark.parametrize("is_killed", [False, True], ids=["goes-on", "killed"])
    @pytest.mark.parametrize("name", CHANGES)
    async def test_a_change_happens_as_a_whole_or_not_at_all(self, truth, name, is_killed):
        running = await ready_for_anything(truth)
        news = [new_job(truth.ids, idempotency_key=key) for key in ("a", None, "b")]
        before = await everything(truth)
        failures = 0

        for number in range(1, 100):
            truth.faults.fail_call(number)
            try:
                await CHANGES[name](truth, running, news)
            except StoreUnavailable:
                failures += 1
                truth.faults.heal()
                if is_killed:
                    truth.restart()
                assert await everything(truth) == before
            else:
                break

        assert failures >= 1
        assert not truth.faults.has_fired
        truth.faults.heal()
        assert await everything(truth) != before

    @pytest.mark.parametrize("name", CHANGES)
    async def test_a_commit_that_is_lost_on_the_way_back_took_effect_as_a_whole(self, truth, name):
        running = await ready_for_anything(truth)
        news = [new_job(truth.ids, idempotency_key=key) for key in ("a", None, "b")]
        before = await everything(truth)
        truth.faults.lose_next_commit()

        with pytest.raises(StoreUnavailable):
            await CHANGES[name](truth, running, news)

        assert truth.faults.has_fired
        assert await everything(truth) != before

    async def test_a_submit_whose_answer_was_lost_can_be_repeated(self, truth):
        news = [new_job(truth.ids, idempotency_key=key) for key in ("a", None, "b")]
        truth.faults.lose_next_commit()
        with pytest.raises(StoreUnavailable):
            await truth.store.submit(news)

        answers = await truth.store.submit(news)

        assert [(answer.job.id, answer.is_replay) for answer in answers] == [(new.id, True) for new in news]
        assert len(await all_events(truth.log)) == 3

    async def test_a_settle_whose_answer_was_lost_is_answered_as_over(self, truth):
        [job] = await executing(truth)
        truth.faults.lose_next_commit()
        with pytest.raises(StoreUnavailable):
            await truth.store.apply([success(job)])

        [answer] = await truth.store.apply([success(job)])

        assert isinstance(answer, LeaseLost)
        assert (await truth.queries.job(job.id)).status is S.COMPLETED

    async def test_a_claim_whose_answer_was_lost_is_rescued(self, truth):
        [job_id] = await submit(truth)
        truth.faults.lose_next_commit()
        with pytest.raises(StoreUnavailable):
            await claim(truth)

        assert await claim(truth) == []
        truth.clock.advance(10.0)
        [expired] = await truth.store.expired_leases(count_max=10)
        answer = await apply_one(truth, job_id, Rescue(fence=expired.lease.fence, retry_in_s=0.0))

        assert answer.status is S.RETRYING

    async def test_many_callers_whose_common_commit_was_lost_repeat_without_harm(self, truth):
        [job] = await executing(truth)
        news = [new_job(truth.ids) for _ in range(10)]
        truth.faults.lose_next_commit()

        answers = await asyncio.gather(
            truth.store.apply([success(job)]),
            *(truth.store.submit([new]) for new in news),
            return_exceptions=True,
        )
        again = await truth.store.submit(news)

        # Whoever was answered was answered truly: none is told that its attempt is over because of its own success.
        assert truth.faults.has_fired
        assert all(isinstance(answer, list | StoreUnavailable) for answer in answers)
        assert not [
            one for answer in answers if isinstance(answer, list) for one in answer if isinstance(one, LeaseLost)
        ]
        assert [answer.job.id for answer in again] == [new.id for new in news]
        assert len(await all_jobs(truth.queries)) == 11

    async def test_the_store_works_on_after_a_failure(self, truth):
        truth.faults.fail_call(1)
        with pytest.raises(StoreUnavailable):
            await submit(truth)

        [job] = await executing(truth)

        assert job.status is S.EXECUTING

    async def test_one_bad_submit_among_many_fails_alone(self, truth):
        good = [new_job(truth.ids) for _ in range(5)]
        bad = new_job(truth.ids, payload={"not JSON": object()}, fingerprint="f")

        answers = await asyncio.gather(
            *(truth.store.submit([new]) for new in [*good[:3], bad, *good[3:]]), return_exceptions=True
        )

        assert [isinstance(answer, list) for answer in answers] == [True, True, True, False, True, True]
        assert {job.id for job in await all_jobs(truth.queries)} == {new.id for new in good}


class TestErrorTranslation:
    @pytest.mark.parametrize("name", [*CHANGES, *READS])
    async def test_every_error_of_the_vendor_becomes_unavailable(self, truth, name):
        running = await ready_for_anything(truth)
        news = [new_job(truth.ids)]

        for error in truth.faults.vendor_errors:
            truth.faults.fail_always(error)
            with pytest.raises(StoreUnavailable) as raised:
                await (CHANGES | READS)[name](truth, running, news)
            assert type(error).__name__ in str(raised.value)
            truth.faults.heal()


class TestAgainstTheCore:
    @pytest.mark.parametrize("seed", range(4))
    async def test_a_random_walk_answers_as_the_core_does(self, truth, seed):
        chance = random.Random(seed)
        reached = set()

        for _ in range(200):
            jobs = await all_jobs(truth.queries)
            if sum(not job.status.is_final for job in jobs) < 4:
                await submit(truth, 3, max_attempts=2)
                continue
            truth.clock.advance(chance.choice([0.0, 0.0, 1.0, 6.0]))
            if chance.random() < 0.3:
                await truth.store.make_due(count_max=chance.randint(1, 6))
                await claim(truth, chance.randint(1, 3), lease_s=5.0)
            chosen = chance.choices(jobs, weights=[1 if job.status.is_final else 10 for job in jobs])[0]
            job = await truth.queries.job(chosen.id)
            command = random_command(chance, job)
            expected, refusal = expectation(job, command, truth.clock.now())
            answer = await apply_one(truth, job.id, command)
            assert await truth.queries.job(job.id) == expected
            assert refusal in (None, type(answer))
            reached.add(type(command))

        assert len(reached) == 10
        assert {event.event_type for event in await all_events(truth.log)} >= set(EventType) - {EventType.STARTED}


def expectation(job, command, at):
    """What the core makes of it: the job afterwards, and the class of the refusal if it refuses."""
    try:
        return transition(job, command, at).job, None
    except ObservatoryError as refused:
        return job, type(refused)


def random_command(chance, job):
    """Any command but Accept and Claim; mostly with the current fence, and rarely one that ends the job."""
    fence = job.fence + chance.choice([0, 0, 0, 0, -1])
    retry_in_s = chance.choice([0.0, 1.0, 1.0, None])
    commands = [
        BecomeDue(),
        Start(fence=fence),
        Report(fence=fence, progress=Progress(fraction=chance.random())),
        Succeed(fence=fence, result=chance.random()),
        Fail(fence=fence, outcome=Outcome.FAILED, error=ERROR, retry_in_s=retry_in_s),
        Snooze(fence=fence, run_in_s=1.0),
        Release(fence=fence),
        Refuse(fence=fence, error=ERROR),
        Rescue(fence=fence, retry_in_s=1.0),
        Cancel(),
    ]
    return chance.choices(commands, weights=[2, 1, 4, 2, 3, 3, 3, 1, 3, 1])[0]


async def test_a_claim_among_the_orders_is_a_programmers_error(truth):
    [job_id] = await submit(truth)

    with pytest.raises(AssertionError):
        await truth.store.apply([Order(job_id, Claim(worker="worker-1", lease_s=1.0))])
