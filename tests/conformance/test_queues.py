"""The contract of `Queues`, and what a claim makes of it, over every driver of the truth."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.command import Cancel, Release, Rescue, Snooze, Start, Succeed
from observatory.core.errors import StoreUnavailable, TooManyQueues
from observatory.core.job import JobStatus
from observatory.core.queue import QueueSetting
from observatory.job_store.port import Order
from observatory.testing.factories import fail, new_job


async def submit(truth, *queues, **fields):
    """One PENDING job in each of *queues*; their ids."""
    jobs = [new_job(truth.ids, queue=queue, **fields) for queue in queues]
    await truth.store.submit(jobs)
    return [job.id for job in jobs]


async def claim(truth, count_max=10, *, types=("example",), buffer_max=0, lease_s=15.0, store=None):
    return await (store or truth.store).claim(
        types=types, worker="worker-1", count_max=count_max, buffer_max=buffer_max, lease_s=lease_s
    )


async def settle(truth, job, command):
    [answer] = await truth.store.apply([Order(job.id, command)])
    return answer


class TestSettings:
    async def test_nothing_is_set_at_first(self, truth):
        assert await truth.queues.settings() == []

    async def test_a_pause_says_since_when_by_whom_and_why(self, truth):
        setting = await truth.queues.pause("mail", by="ada", reason="the server is down")

        assert setting == QueueSetting(
            queue="mail", paused_at=truth.clock.now(), paused_by="ada", pause_reason="the server is down"
        )
        assert await truth.queues.settings() == [setting]

    async def test_a_second_pause_keeps_the_first(self, truth):
        first = await truth.queues.pause("mail", by="ada", reason=None)
        truth.clock.advance(60.0)

        assert await truth.queues.pause("mail", by="bob", reason="me too") == first

    async def test_a_resume_leaves_the_limit_and_may_be_repeated(self, truth):
        await truth.queues.set_concurrency("mail", 3)
        await truth.queues.pause("mail", by="ada", reason=None)

        limited = QueueSetting(queue="mail", concurrency_max=3)
        assert await truth.queues.resume("mail") == limited
        assert await truth.queues.resume("mail") == limited
        assert await truth.queues.settings() == [limited]

    async def test_a_limit_leaves_the_pause_and_can_be_lifted(self, truth):
        paused = await truth.queues.pause("mail", by="ada", reason=None)
        await truth.queues.set_concurrency("mail", 3)

        assert await truth.queues.set_concurrency("mail", None) == paused
        await truth.queues.resume("mail")
        assert await truth.queues.settings() == []

    async def test_settings_outlive_a_restart(self, truth):
        setting = await truth.queues.pause("mail", by="ada", reason="r")

        truth.restart()

        assert await truth.queues.settings() == [setting]

    async def test_settings_come_by_name(self, truth):
        for queue in ("b", "c", "a"):
            await truth.queues.set_concurrency(queue, limits.QUEUE_CONCURRENCY_MAX)

        assert [setting.queue for setting in await truth.queues.settings()] == ["a", "b", "c"]

    async def test_one_queue_more_than_may_be_set_is_refused_and_those_that_are_set_can_be_changed(self, truth):
        for number in range(limits.QUEUES_SET_MAX):
            await truth.queues.set_concurrency(f"q{number}", 1)

        with pytest.raises(TooManyQueues, match=str(limits.QUEUES_SET_MAX)):
            await truth.queues.pause("one-more", by="ada", reason=None)
        with pytest.raises(TooManyQueues):
            await truth.queues.set_concurrency("one-more", 1)
        await truth.queues.pause("q0", by="ada", reason=None)
        await truth.queues.resume("one-more")
        await truth.queues.set_concurrency("q1", None)
        await truth.queues.pause("one-more", by="ada", reason=None)

        assert len(await truth.queues.settings()) == limits.QUEUES_SET_MAX

    async def test_a_failed_pause_can_be_repeated(self, truth):
        truth.faults.lose_next_commit()
        with pytest.raises(StoreUnavailable):
            await truth.queues.pause("mail", by="ada", reason=None)

        await truth.queues.pause("mail", by="ada", reason=None)

        assert len(await truth.queues.settings()) == 1

    async def test_of_many_who_pause_at_the_same_time_the_first_is_kept(self, truth):
        answers = await asyncio.gather(*(truth.queues.pause("mail", by=f"p{n}", reason=None) for n in range(12)))

        assert len({answer.paused_by for answer in answers}) == 1
        assert await truth.queues.settings() == answers[:1]

    async def test_changes_of_one_queue_at_the_same_time_do_not_undo_each_other(self, truth):
        for number in range(5):
            queue = f"q{number}"
            await asyncio.gather(
                truth.queues.pause(queue, by="ada", reason=None), truth.queues.set_concurrency(queue, 3)
            )
            await asyncio.gather(truth.queues.resume(queue), truth.queues.set_concurrency(queue, 4))

        found = await truth.queues.settings()

        assert found == [QueueSetting(queue=f"q{number}", concurrency_max=4) for number in range(5)]

    async def test_those_who_come_at_the_same_time_share_the_room_that_is_left(self, truth, monkeypatch):
        monkeypatch.setattr(limits, "QUEUES_SET_MAX", 3)

        answers = await asyncio.gather(
            *(truth.queues.set_concurrency(f"q{number}", 1) for number in range(10)), return_exceptions=True
        )

        assert [type(answer) for answer in answers].count(TooManyQueues) == 7
        assert len(await truth.queues.settings()) == 3

    async def test_a_claim_that_begins_after_a_pause_was_answered_takes_nothing(self, truth):
        await submit(truth, *["mail"] * 40)
        paused = asyncio.Event()

        async def claims():
            taken_later = 0
            while not paused.is_set():
                await claim(truth, 1)
            for _ in range(3):
                taken_later += len(await claim(truth, 5, store=truth.other_store))
            return taken_later

        async def pause():
            await asyncio.sleep(0.01)
            await truth.queues.pause("mail", by="ada", reason=None)
            paused.set()

        taken_later, _ = await asyncio.gather(claims(), pause())

        assert taken_later == 0


class TestPaused:
    async def test_nothing_is_claimed_from_a_paused_queue_and_the_others_go_on(self, truth):
        _, other = await submit(truth, "mail", "default")
        await truth.queues.pause("mail", by="ada", reason=None)

        assert [job.id for job in await claim(truth)] == [other]
        assert await claim(truth) == []

    async def test_what_runs_goes_on_and_settles(self, truth):
        await submit(truth, "mail")
        [job] = await claim(truth)
        await truth.queues.pause("mail", by="ada", reason=None)

        answer = await settle(truth, job, Succeed(fence=job.fence))

        assert answer.status is JobStatus.COMPLETED

    async def test_what_waits_in_a_processor_may_begin(self, truth):
        await submit(truth, "mail")
        [job] = await claim(truth, 0, buffer_max=1)
        await truth.queues.pause("mail", by="ada", reason=None)

        assert (await settle(truth, job, Start(fence=job.fence))).status is JobStatus.EXECUTING

    async def test_a_resumed_queue_is_claimed_from_in_the_old_order(self, truth):
        ids = await submit(truth, "mail", "default", "mail")
        await truth.queues.pause("mail", by="ada", reason=None)
        await truth.queues.resume("mail")

        assert [job.id for job in await claim(truth)] == ids

    async def test_a_job_that_becomes_due_while_its_queue_is_paused_waits(self, truth):
        await submit(truth, "mail")
        [job] = await claim(truth)
        await settle(truth, job, fail(job, retry_in_s=1.0))
        await truth.queues.pause("mail", by="ada", reason=None)
        truth.clock.advance(2.0)

        assert await truth.store.make_due(count_max=10) == 1
        assert await claim(truth) == []

    async def test_many_waiting_jobs_of_a_paused_queue_do_not_hold_up_those_behind_them(self, truth):
        await submit(truth, *["mail"] * 900)
        [last] = await submit(truth, "default")
        await truth.queues.pause("mail", by="ada", reason=None)

        assert [job.id for job in await claim(truth, 1)] == [last]


class TestLimited:
    async def test_a_claim_takes_no_more_than_the_limit(self, truth):
        ids = await submit(truth, *["mail"] * 5)
        await truth.queues.set_concurrency("mail", 2)

        assert [job.id for job in await claim(truth)] == ids[:2]
        assert await claim(truth) == []

    async def test_the_limit_is_one_over_all_types_and_processors(self, truth):
        await submit(truth, *["mail"] * 3)
        await submit(truth, *["mail"] * 3, type="other")
        await truth.queues.set_concurrency("mail", 4)

        claims = [
            claim(truth, 2, types=(name,), store=store)
            for store in (truth.store, truth.other_store)
            for name in ("example", "other")
        ]
        assert sum(len(jobs) for jobs in await asyncio.gather(*claims)) == 4

    async def test_a_limit_counts_what_was_claimed_before_it_was_set(self, truth):
        await submit(truth, *["mail"] * 5)
        running = await claim(truth, 3)
        await truth.queues.set_concurrency("mail", 2)

        assert await claim(truth) == []
        for job in running[:2]:
            await settle(truth, job, Succeed(fence=job.fence))
        assert len(await claim(truth)) == 1

    @pytest.mark.parametrize(
        "command",
        [
            lambda job: Succeed(fence=job.fence),
            fail,
            lambda job: fail(job, retry_in_s=9.0),
            lambda job: Snooze(fence=job.fence, run_in_s=9.0),
            lambda job: Release(fence=job.fence),
        ],
        ids=["succeed", "fail", "retry", "snooze", "release"],
    )
    async def test_the_end_of_an_attempt_makes_room_and_says_so(self, truth, command):
        await submit(truth, "mail", "mail", "default")
        await truth.queues.set_concurrency("mail", 1)
        jobs = {job.queue: job for job in await claim(truth)}

        in_mail = await settle(truth, jobs["mail"], command(jobs["mail"]))
        elsewhere = await settle(truth, jobs["default"], command(jobs["default"]))

        assert (in_mail.makes_room, elsewhere.makes_room) == (True, False)
        assert "mail" in {job.queue for job in await claim(truth)}

    async def test_a_lease_that_ended_counts_until_its_rescue(self, truth):
        await submit(truth, "mail", "mail")
        await truth.queues.set_concurrency("mail", 1)
        [job] = await claim(truth, lease_s=5.0)
        truth.clock.advance(10.0)

        assert await claim(truth) == []
        rescued = await settle(truth, job, Rescue(fence=job.fence, retry_in_s=60.0))

        assert rescued.makes_room
        assert len(await claim(truth)) == 1

    async def test_a_request_to_stop_makes_no_room_yet(self, truth):
        await submit(truth, "mail", "mail")
        await truth.queues.set_concurrency("mail", 1)
        [job] = await claim(truth)

        assert not (await settle(truth, job, Cancel())).makes_room
        assert await claim(truth) == []

    async def test_nothing_of_a_limited_queue_is_buffered(self, truth):
        await submit(truth, "mail", "default", "mail", "default")
        await truth.queues.set_concurrency("mail", 10)

        jobs = await claim(truth, 1, buffer_max=10)

        assert [(job.queue, job.status) for job in jobs] == [
            ("mail", JobStatus.EXECUTING),
            ("default", JobStatus.VALIDATED),
            ("default", JobStatus.VALIDATED),
        ]

    async def test_a_buffered_job_counts(self, truth):
        await submit(truth, "mail", "mail")
        await claim(truth, 0, buffer_max=1)
        await truth.queues.set_concurrency("mail", 1)

        assert await claim(truth) == []

    async def test_a_full_queue_does_not_hold_up_the_others(self, truth):
        await truth.queues.set_concurrency("mail", 1)
        await submit(truth, *["mail"] * 600, priority=0)
        [last] = await submit(truth, "default", priority=9)

        jobs = await claim(truth, 5)

        assert [job.queue for job in jobs] == ["mail", "default"]
        assert jobs[1].id == last

    async def test_order_goes_across_queues_and_types(self, truth):
        ids = []
        for number, (queue, kind) in enumerate([("b", "y"), ("a", "x"), ("c", "x"), ("a", "y"), ("b", "x")] * 3):
            ids += await submit(truth, queue, type=kind, priority=number % 2)
        wanted = ids[0::2] + ids[1::2]

        one_by_one = [(await claim(truth, 1, types=("x", "y")))[0].id for _ in range(5)]
        rest = [job.id for job in await claim(truth, 100, types=("x", "y"))]

        assert one_by_one + rest == wanted


SET = st.none() | st.just("paused") | st.integers(1, 3)


class Model:
    """Some queues of one example, and what of them is leased."""

    def __init__(self, settings):
        self.settings = settings
        self.leased = {queue: [] for queue in settings}

    def note(self, jobs):
        for job in jobs:
            self.leased[job.queue].append(job)
            if isinstance(self.settings[job.queue], int):
                assert job.status is JobStatus.EXECUTING

    def check(self):
        for queue, value in self.settings.items():
            assert value != "paused" or not self.leased[queue]
            assert not isinstance(value, int) or len(self.leased[queue]) <= value


async def apply_settings(truth, settings):
    for queue, value in settings.items():
        if value == "paused":
            await truth.queues.pause(queue, by="me", reason=None)
        elif value is not None:
            await truth.queues.set_concurrency(queue, value)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(SET, min_size=3, max_size=3), data=st.data())
async def test_whatever_is_set_and_settled_no_claim_takes_what_it_may_not(truth, values, data):
    unique = truth.ids.new_id()  # of this example alone: the store is shared by all of them
    kind, queues = f"t-{unique}", [f"{unique}-{number}" for number in range(3)]
    some = st.lists(st.integers(0, 2).map(lambda number: queues[number]), max_size=6)
    model = Model(dict(zip(queues, values, strict=True)))
    await apply_settings(truth, model.settings)

    for _ in range(data.draw(st.integers(1, 6))):
        await submit(truth, *data.draw(some), type=kind)
        count_max, buffer_max = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 2))
        model.note(await claim(truth, count_max, types=(kind,), buffer_max=buffer_max))
        model.check()
        for queue in data.draw(some):
            if model.leased[queue]:
                job = model.leased[queue].pop()
                await settle(truth, job, Release(fence=job.fence))

    for queue in queues:
        await truth.queues.resume(queue)
        await truth.queues.set_concurrency(queue, None)
