"""Does a job's status change only as the table says?"""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from observatory.core import folds
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
from observatory.core.errors import IllegalTransition, LeaseLost
from observatory.core.event import EventType
from observatory.core.job import FINAL, JobStatus, Outcome, Progress
from observatory.core.lifecycle import ALLOWED
from observatory.testing.factories import ERROR, JobFactory, fail
from tests.unit.core import naive_lifecycle as naive

S = JobStatus


def said(history, count=0):
    """Types of the last *count* events; 0 means all."""
    return [event.event_type for event in history.events[-count:]]


def command_of(verb, *, fence, lease_s=10.0, buffered=False, retry_in_s=None, fraction=0.5):
    """The command that the naive model calls *verb*."""
    return {
        "become_due": BecomeDue,
        "claim": lambda: Claim(worker="worker-1", lease_s=lease_s, buffered=buffered),
        "start": lambda: Start(fence=fence),
        "report": lambda: Report(fence=fence, progress=Progress(fraction=fraction)),
        "succeed": lambda: Succeed(fence=fence, result={"answer": 42}, run_s=1.0),
        "fail": lambda: Fail(fence=fence, outcome=Outcome.FAILED, error=ERROR, retry_in_s=retry_in_s),
        "snooze": lambda: Snooze(fence=fence, run_in_s=retry_in_s or 0.0),
        "release": lambda: Release(fence=fence),
        "refuse": lambda: Refuse(fence=fence, error=ERROR),
        "rescue": lambda: Rescue(fence=fence, retry_in_s=retry_in_s or 0.0),
        "cancel": Cancel,
    }[verb]()


FENCED = ["start", "report", "succeed", "fail", "snooze", "release", "refuse", "rescue"]


class LifecycleMachine(RuleBasedStateMachine):
    """Runs our rules beside the naive ones; they must say the same at every step."""

    def __init__(self):
        super().__init__()
        self.factory = JobFactory()
        self.now_s = 0
        self.begin(due_in_s=0, max_attempts=2)

    def begin(self, due_in_s, max_attempts):
        self.history = self.factory.scheduled(in_s=due_in_s, max_attempts=max_attempts)
        self.model = naive.accepted(self.now_s, due_at=self.now_s + due_in_s, max_attempts=max_attempts)
        assert said(self.history) == self.model["events"]

    @precondition(lambda self: self.history.job.status in FINAL)
    @rule(due_in_s=st.integers(min_value=-5, max_value=20), max_attempts=st.integers(min_value=1, max_value=3))
    def accept(self, due_in_s, max_attempts):
        self.begin(due_in_s, max_attempts)

    @rule(seconds=st.integers(min_value=0, max_value=15))
    def wait(self, seconds):
        self.factory.clock.advance(seconds)
        self.now_s += seconds

    @rule()
    def become_due(self):
        self.step("become_due")

    @rule(lease_s=st.integers(min_value=1, max_value=10), buffered=st.booleans())
    def claim(self, lease_s, buffered):
        self.step("claim", lease_s=lease_s, buffered=buffered)

    @rule()
    def cancel(self):
        self.step("cancel")

    @rule(
        verb=st.sampled_from(FENCED),
        fence_off_by=st.sampled_from([0, 0, 0, 0, -1, 1]),
        retry_in_s=st.one_of(st.none(), st.integers(min_value=0, max_value=10)),
        fraction=st.sampled_from([0.25, 0.5]),
    )
    def act_for_attempt(self, verb, fence_off_by, retry_in_s, fraction):
        self.step(verb, fence_off_by=fence_off_by, retry_in_s=retry_in_s, fraction=fraction)

    def step(self, verb, *, fence_off_by=0, lease_s=10, buffered=False, retry_in_s=None, fraction=0.5):
        before, events_before = self.history.job, len(self.history.events)
        if verb in ("snooze", "rescue"):
            retry_in_s = retry_in_s or 0
        fence = before.fence + fence_off_by
        given = {"fence": fence, "buffered": buffered, "fraction": fraction}
        expected = naive.after(self.model, verb, self.now_s, lease=lease_s, retry_in=retry_in_s, **given)
        command = command_of(verb, lease_s=lease_s, retry_in_s=retry_in_s, **given)

        try:
            self.history.give(command)
        except LeaseLost:
            assert expected == naive.LEASE_LOST
        except IllegalTransition:
            assert expected == naive.ILLEGAL
        else:
            assert isinstance(expected, dict), f"{verb} should have been refused: {expected}"
            self.model = expected
            assert said(self.history)[events_before:] == expected["events"]
            self.check_change(verb, before)
        if isinstance(expected, str):
            assert self.history.job is before
            assert len(self.history.events) == events_before

    def check_change(self, verb, before):
        job = self.history.job
        assert before.status not in FINAL
        assert job.fence >= before.fence
        if verb in ("claim", "rescue"):
            assert job.fence > before.fence
        if verb in ("release", "snooze", "refuse"):
            assert job.attempt == before.attempt - (before.status is S.EXECUTING)

    @invariant()
    def agrees_with_the_naive_model(self):
        job, model = self.history.job, self.model
        begin = self.factory.clock.now() - timedelta(seconds=self.now_s)
        lease_ends = None if job.lease_expires_at is None else (job.lease_expires_at - begin).total_seconds()
        assert job.status == model["status"]
        assert job.attempt == model["attempt"]
        assert job.fence == model["fence"]
        assert lease_ends == model["lease_ends"]
        assert (job.run_at - begin).total_seconds() == model["due_at"]
        assert (job.cancel_requested_at is not None) == model["cancel"]

    @invariant()
    def is_well_formed(self):
        job = self.history.job
        assert 0 <= job.attempt <= job.max_attempts
        assert (job.worker is not None) == job.status.is_leased == (job.lease_expires_at is not None)
        assert (job.finished_at is not None) == job.status.is_final

    @invariant()
    def is_the_fold_of_its_events(self):
        document = None
        for number, event in enumerate(self.history.events, start=1):
            assert event.sequence == number
            triple = (event.payload.get("previousStatus"), event.event_type, event.payload["status"])
            assert triple in ALLOWED
            document = folds.fold_job(document, event)
        assert folds.comparable(document) == folds.comparable(folds.wire_form(self.history.job))
        assert self.history.job.sequence == len(self.history.events)


TestLifecycle = LifecycleMachine.TestCase
TestLifecycle.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


# --- every way through a small world ---------------------------------------------------------------


def every_small_history():
    """Histories that reach every state of a job with two attempts by every command, each way once."""
    verbs = [*FENCED, "claim", "claim buffered", "fail for good", "become_due", "cancel", "wait"]
    seen, todo = set(), [("accept",), ("accept later",)]
    while todo:
        path = todo.pop()
        history, factory = replay(path)
        if history is None:
            continue
        yield history
        job = history.job
        is_over = job.lease_expires_at is not None and job.lease_expires_at <= factory.clock.now()
        is_due = job.run_at <= factory.clock.now()
        key = (job.status, job.attempt, job.cancel_requested_at is not None, is_over, is_due, job.progress is not None)
        if key not in seen:
            seen.add(key)
            todo += [(*path, verb) for verb in verbs]


def replay(path):
    """The history after *path*, or None when its last step was refused."""
    factory = JobFactory()
    history = factory.scheduled(in_s=5 if path[0] == "accept later" else 0, max_attempts=2)
    for verb in path[1:]:
        if verb == "wait":
            factory.clock.advance(10)
            continue
        word = verb.split()[0]
        retry_in_s = None if verb == "fail for good" else 5
        command = command_of(word, fence=history.job.fence, buffered="buffered" in verb, retry_in_s=retry_in_s)
        try:
            history.give(command)
        except (LeaseLost, IllegalTransition):
            return None, factory
    return history, factory


def test_exactly_the_allowed_changes_can_happen():
    reached = {
        (event.payload.get("previousStatus"), event.event_type, event.payload["status"])
        for history in every_small_history()
        for event in history.events
    }

    assert reached == ALLOWED


def test_every_status_can_be_reached_and_final_ones_are_left_by_nothing():
    reached = {history.job.status for history in every_small_history()}

    assert reached == set(JobStatus)
    assert not {before for before, _, _ in ALLOWED} & FINAL


# --- examples ---------------------------------------------------------------------------------------


def test_the_happy_path_is_four_events():
    history = JobFactory().executing()

    history.give(Succeed(fence=1, result=[1, 2], run_s=0.5))

    assert said(history) == [EventType.CREATED, EventType.VALIDATED, EventType.EXECUTED, EventType.COMPLETED]
    assert history.job.status is S.COMPLETED
    assert history.job.result == [1, 2]


def test_a_buffered_attempt_counts_from_its_start():
    history = JobFactory().buffered()
    assert (history.job.status, history.job.attempt) == (S.VALIDATED, 0)

    history.give(Start(fence=1))

    assert (history.job.status, history.job.attempt) == (S.EXECUTING, 1)
    assert said(history, 1) == [EventType.STARTED]


def test_an_instant_that_is_not_in_the_future_means_due_now():
    factory = JobFactory()

    for in_s in (-60.0, 0.0):
        job = factory.scheduled(in_s=in_s).job
        assert (job.status, job.run_at) == (S.PENDING, factory.clock.now())


def test_a_job_becomes_due_exactly_at_its_instant():
    factory = JobFactory()
    history = factory.scheduled(in_s=60.0)

    factory.clock.advance(59.999999)
    with pytest.raises(IllegalTransition):
        history.give(BecomeDue())
    factory.clock.advance(0.000001)

    assert history.give(BecomeDue()).job.status is S.PENDING


def test_the_last_failure_fails_the_job_and_says_why():
    used_up = JobFactory().failed()
    discarded = JobFactory().executing(max_attempts=3)
    discarded.give(fail(discarded.job, retry_in_s=None))

    assert used_up.events[-1].payload["reason"] == "attempts_used_up"
    assert discarded.events[-1].payload["reason"] == "discarded"
    assert used_up.job.status is discarded.job.status is S.FAILED


def test_a_success_clears_the_error_of_the_attempt_before():
    factory = JobFactory()
    history = factory.retrying()
    assert history.job.error == ERROR
    factory.clock.advance(1.0)

    history.give(BecomeDue()).give(Claim(worker="w", lease_s=1.0)).give(Succeed(fence=2))

    assert history.job.error is None
    assert history.job.attempt == 2


def test_a_success_that_comes_before_the_cancel_wins_and_says_so():
    history = JobFactory().executing().give(Cancel())
    assert said(history, 1) == [EventType.CANCEL_REQUESTED]

    history.give(Succeed(fence=1))

    assert history.job.status is S.COMPLETED
    assert history.events[-1].payload["reason"] == "succeeded_before_cancel"


@pytest.mark.parametrize("verb", ["fail", "snooze", "release", "rescue"])
def test_any_other_end_of_an_attempt_fulfils_the_cancel(verb):
    factory = JobFactory()
    history = factory.executing().give(Cancel())
    factory.clock.advance(3_600.0)

    history.give(command_of(verb, fence=1, retry_in_s=1.0))

    assert history.job.status is S.CANCELLED
    assert said(history, 2) == [EventType.EXECUTED, EventType.CANCELLED]


def test_a_second_cancel_of_a_running_attempt_changes_nothing():
    history = JobFactory().executing().give(Cancel())
    before = history.job

    history.give(Cancel())

    assert history.job == before


def test_a_cancel_takes_a_buffered_claim_away():
    history = JobFactory().buffered().give(Cancel())

    assert history.job.status is S.CANCELLED
    with pytest.raises(LeaseLost):
        history.give(Start(fence=1))


@pytest.mark.parametrize("make", ["completed", "failed", "cancelled"])
def test_a_final_job_refuses_a_cancel_with_a_code_of_its_own(make):
    history = getattr(JobFactory(), make)()

    with pytest.raises(IllegalTransition) as refused:
        history.give(Cancel())

    assert refused.value.code == "job_is_final"


def test_a_rescue_waits_for_the_very_end_of_the_lease():
    factory = JobFactory()
    history = factory.executing()

    factory.clock.advance(14.999999)
    with pytest.raises(LeaseLost):
        history.give(Rescue(fence=1, retry_in_s=1.0))
    factory.clock.advance(0.000001)
    history.give(Rescue(fence=1, retry_in_s=1.0))

    assert (history.job.status, history.job.fence) == (S.RETRYING, 2)
    assert history.events[-2].payload["outcome"] == Outcome.LEASE_LOST


def test_an_expired_attempt_that_nobody_rescued_may_still_settle():
    factory = JobFactory()
    history = factory.executing()
    factory.clock.advance(3_600.0)

    assert history.give(Succeed(fence=1)).job.status is S.COMPLETED


def test_a_rescued_attempt_can_no_longer_settle():
    factory = JobFactory()
    history = factory.executing()
    factory.clock.advance(15.0)
    history.give(Rescue(fence=1, retry_in_s=0.0)).give(BecomeDue()).give(Claim(worker="w", lease_s=1.0))

    with pytest.raises(LeaseLost):
        history.give(Succeed(fence=1))

    assert history.job.status is S.EXECUTING


def test_a_worker_that_keeps_crashing_is_bounded_by_the_attempts():
    factory = JobFactory()
    history = factory.executing(max_attempts=3)

    for attempt in (1, 2):
        factory.clock.advance(15.0)
        history.give(Rescue(fence=history.job.fence, retry_in_s=0.0)).give(BecomeDue())
        history.give(Claim(worker=f"worker-{attempt}", lease_s=15.0))
    factory.clock.advance(15.0)
    history.give(Rescue(fence=history.job.fence, retry_in_s=0.0))

    assert (history.job.status, history.job.attempt) == (S.FAILED, 3)


def test_a_job_may_snooze_more_often_than_it_has_attempts():
    history = JobFactory().executing(max_attempts=1)

    for _ in range(5):
        history.give(Snooze(fence=history.job.fence, run_in_s=0.0)).give(BecomeDue())
        history.give(Claim(worker="w", lease_s=1.0))

    assert history.job.attempt == 1


def test_a_refused_payload_fails_for_good_and_costs_no_attempt():
    for make in ("buffered", "executing"):
        history = getattr(JobFactory(), make)().give(Refuse(fence=1, error=ERROR))

        assert (history.job.status, history.job.attempt) == (S.FAILED, 0)
        assert history.events[-1].payload["reason"] == "invalid"


def test_durations_are_never_negative_when_the_clock_was_set_back():
    history = JobFactory().executing().give(Succeed(fence=1, run_s=-5.0))

    assert history.events[-2].payload["durations"] == {"waitSeconds": 0.0, "runSeconds": 0.0}


def test_every_event_of_a_job_says_who_it_is_about():
    history = JobFactory().completed()

    for event in history.events:
        assert (event.payload["id"], event.payload["type"]) == (history.job.id, history.job.type)
        assert event.idempotency_key == f"{history.job.id}:{event.sequence}"
    assert history.events[0].event_id == history.job.event_id
