"""Has each job exactly one code, and is it the one that the table of precedence says?"""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory import contracts
from observatory.core import limits
from observatory.core.command import BecomeDue, Cancel, Claim, Fail, Refuse, Rescue, Snooze, Succeed
from observatory.core.explain.explanation import Code, Down
from observatory.core.explain.precedence import PRECEDENCE, explain
from observatory.core.explain.situation import LastEvent, Line, Situation
from observatory.core.job import Job, JobError, JobStatus, Outcome
from observatory.core.queue import QueueSetting
from observatory.core.worker import WorkerInfo
from observatory.testing.factories import JobFactory, fail
from observatory.testing.manual_sources import BEGINNING
from tests.contracts.cases import CONTRACTS
from tests.contracts.histories import IDS, START, histories
from tests.unit.core.explain.situations import executing, pending, situation, worker

PAUSED = QueueSetting(queue="default", paused_at=BEGINNING, paused_by="ann", pause_reason="server down")
LIMITED = QueueSetting(queue="default", concurrency_max=1)
LONG_AGO_S = 3_600.0
ABANDONED = JobError(type="Abandoned", message="it still runs and keeps its slot")


def down(name: str) -> tuple[Down, ...]:
    return (Down(name=name, reason="loop_fails"),)


def scheduled() -> Job:
    return JobFactory().scheduled(in_s=60.0).job


def retrying() -> Job:
    return JobFactory().retrying(max_attempts=3).job


def snoozed() -> Job:
    history = JobFactory().executing()
    return history.give(Snooze(fence=history.job.fence, run_in_s=60.0)).job


def abandoned() -> Job:
    history = JobFactory().executing()
    command = Fail(fence=history.job.fence, outcome=Outcome.ABANDONED, error=ABANDONED, retry_in_s=60.0)
    return history.give(command).job


def cancelling() -> Job:
    return JobFactory().executing().give(Cancel()).job


def refused() -> Job:
    history = JobFactory().executing()
    error = JobError(type="InvalidPayload", message="/path: must be a string")
    return history.give(Refuse(fence=history.job.fence, error=error)).job


def given_up() -> Job:
    history = JobFactory().executing()
    return history.give(fail(history.job, retry_in_s=None)).job


def busy(**changes: Any) -> dict[str, Any]:
    return {"executing": {"worker-1": 2}} | changes


def expired(job: Job, *, by_s: float, **changes: Any) -> Situation:
    after_s = limits.LEASE_S + by_s
    return situation(job, after_s=after_s, workers=(worker(age_s=after_s, now_s=after_s),), **changes)


EACH: dict[Code, Callable[[], Situation]] = {
    Code.DUE_LOOP_DOWN: lambda: situation(scheduled(), after_s=61, down=down("due_jobs")),
    Code.DUE_LOOP_BEHIND: lambda: situation(scheduled(), after_s=60 + limits.EXPLAIN_DUE_LATE_S + 0.1),
    Code.DUE_NOW: lambda: situation(scheduled(), after_s=60),
    Code.NOT_DUE: lambda: situation(scheduled(), after_s=1),
    Code.SNOOZED: lambda: situation(snoozed(), last_event=LastEvent(reason="snoozed")),
    Code.THREAD_ABANDONED: lambda: situation(abandoned(), last_event=LastEvent()),
    Code.RETRY_WAITING: lambda: situation(retrying(), last_event=LastEvent()),
    Code.QUEUE_PAUSED: lambda: situation(pending(), setting=PAUSED),
    Code.TYPE_NEVER_ANNOUNCED: lambda: situation(pending(), workers=(worker(types=("other",)),), type_seen_at=None),
    Code.NO_LIVE_PROCESSOR: lambda: situation(pending(), workers=(worker(age_s=limits.LEASE_S + 0.1),)),
    Code.PROCESSORS_DRAINING: lambda: situation(pending(), workers=(worker(is_draining=True),)),
    Code.QUEUE_AT_LIMIT: lambda: situation(pending(), setting=LIMITED, leased=1, leased_jobs=(pending().id,)),
    Code.CLAIMS_DOWN: lambda: situation(pending(), down=down("processor_claims"), here="worker-1"),
    Code.SLOTS_ABANDONED: lambda: situation(pending(), workers=(worker(abandoned=1),), executing={"worker-1": 1}),
    Code.WAITING_BEHIND_OTHERS: lambda: situation(pending(), **busy(line=Line(pending=3, ahead=2))),
    Code.PROCESSORS_BUSY: lambda: situation(pending(), **busy()),
    Code.PROCESSORS_DEAF: lambda: situation(pending(), after_s=limits.EXPLAIN_DEAF_S + 0.1),
    Code.ABOUT_TO_BE_CLAIMED: lambda: situation(pending(), after_s=0.5),
    Code.RESCUER_DOWN: lambda: expired(executing(), by_s=0.1, down=down("rescuer")),
    Code.RESCUER_BEHIND: lambda: expired(executing(), by_s=limits.EXPLAIN_RESCUE_LATE_S + 0.1),
    Code.RESCUE_DUE: lambda: expired(executing(), by_s=0.0),
    Code.HEARTBEAT_LATE: lambda: situation(
        executing(),
        after_s=limits.EXPLAIN_HEARTBEAT_LATE_S + 0.1,
        workers=(worker(age_s=limits.EXPLAIN_HEARTBEAT_LATE_S + 0.1, now_s=limits.EXPLAIN_HEARTBEAT_LATE_S + 0.1),),
    ),
    Code.WAITING_FOR_SLOT: lambda: situation(JobFactory().buffered().job),
    Code.SETTLES_DOWN: lambda: situation(executing(), after_s=2, down=down("processor_settles"), here="worker-1"),
    Code.OUTCOME_BEING_RECORDED: lambda: situation(executing(), after_s=2),
    Code.PAST_DEADLINE: lambda: running_for(4, timeout_seconds=1.0),
    Code.CANCEL_NOT_HEARD: lambda: situation(cancelling()),
    Code.CANCEL_UNANSWERED: lambda: running(cancelling(), 3),
    Code.RUNNING_LONG: lambda: running_for(9, runs_s=(1.0,) * limits.EXPLAIN_RUNS_MIN),
    Code.RUNNING: lambda: running_for(9, runs_s=(1.0,) * (limits.EXPLAIN_RUNS_MIN - 1)),
    Code.COMPLETED: lambda: situation(JobFactory().completed().job),
    Code.PAYLOAD_REFUSED: lambda: situation(refused(), last_event=LastEvent(reason="invalid")),
    Code.DISCARDED: lambda: situation(given_up(), last_event=LastEvent(reason="discarded")),
    Code.ATTEMPTS_USED_UP: lambda: situation(
        JobFactory().failed().job, last_event=LastEvent(reason="attempts_used_up")
    ),
    Code.CANCELLED: lambda: situation(JobFactory().cancelled().job),
}


def running(job: Job, after_s: float, **changes: Any) -> Situation:
    """*job* runs, and its processor just said so."""
    return situation(job, after_s=after_s, workers=(worker(now_s=after_s, jobs=(job.id,)),), **changes)


def running_for(after_s: float, *, timeout_seconds: float = 300.0, **changes: Any) -> Situation:
    return running(executing(timeout_seconds=timeout_seconds), after_s, **changes)


@pytest.mark.parametrize("code", Code)
def test_each_code_has_a_situation(code: Code) -> None:
    seen = EACH[code]()

    found = explain(seen)

    assert found.code is code
    assert found.also == (), "nothing but what the test means is wrong"
    assert contracts.validate("explanation", written(found), known_values_only=True) == []


def written(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def test_every_status_has_rules_and_every_code_belongs_to_a_status() -> None:
    assert set(PRECEDENCE) == set(JobStatus)
    assert {code for rules in PRECEDENCE.values() for code in rules.codes} == set(Code)


@pytest.mark.parametrize("status", JobStatus)
def test_the_page_shows_the_table_of_precedence(status: JobStatus) -> None:
    page = (CONTRACTS.parent / "docs" / "explain.md").read_text(encoding="utf-8")
    [section] = re.findall(rf"^## {status}[^\n]*\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)

    assert re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE) == list(PRECEDENCE[status].codes)


# --- when several hold ----------------------------------------------------------------------------

EVERYTHING_IN_THE_WAY = {"setting": msgspec.structs.replace(PAUSED, concurrency_max=1), "leased": 1}


@pytest.mark.parametrize(
    ("seen", "codes"),
    [
        (
            situation(pending(), **EVERYTHING_IN_THE_WAY, workers=(), type_seen_at=None),
            [Code.QUEUE_PAUSED, Code.TYPE_NEVER_ANNOUNCED, Code.QUEUE_AT_LIMIT],
        ),
        (
            situation(pending(), **EVERYTHING_IN_THE_WAY, workers=()),
            [Code.QUEUE_PAUSED, Code.NO_LIVE_PROCESSOR, Code.QUEUE_AT_LIMIT],
        ),
        (
            situation(pending(), setting=LIMITED, leased=1, workers=(worker(is_draining=True),)),
            [Code.PROCESSORS_DRAINING, Code.QUEUE_AT_LIMIT],
        ),
        (
            situation(
                pending(),
                after_s=LONG_AGO_S,
                workers=(worker(now_s=LONG_AGO_S, abandoned=2),),
                line=Line(pending=2, ahead=1),
                down=down("processor_claims"),
                here="worker-1",
            ),
            [Code.CLAIMS_DOWN],
        ),
        (
            situation(
                pending(),
                after_s=LONG_AGO_S,
                workers=(worker(now_s=LONG_AGO_S, abandoned=2),),
                line=Line(pending=2, ahead=1),
            ),
            [Code.SLOTS_ABANDONED],
        ),
        (
            situation(
                pending(), after_s=LONG_AGO_S, workers=(worker(now_s=LONG_AGO_S),), line=Line(pending=2, ahead=1)
            ),
            [Code.WAITING_BEHIND_OTHERS],
        ),
        (
            situation(pending(), **busy(), after_s=LONG_AGO_S, workers=(worker(now_s=LONG_AGO_S),)),
            [Code.PROCESSORS_BUSY],
        ),
        (
            situation(scheduled(), after_s=LONG_AGO_S, down=down("due_jobs"), setting=PAUSED, workers=()),
            [Code.DUE_LOOP_DOWN, Code.QUEUE_PAUSED, Code.NO_LIVE_PROCESSOR],
        ),
        (
            situation(snoozed(), after_s=60, last_event=LastEvent(reason="snoozed")),
            [Code.DUE_NOW],
        ),
        (
            situation(snoozed(), setting=PAUSED, last_event=LastEvent(reason="snoozed")),
            [Code.SNOOZED, Code.QUEUE_PAUSED],
        ),
        (
            situation(
                JobFactory().executing(timeout_seconds=1.0).give(Cancel()).job,
                after_s=LONG_AGO_S,
                down=(*down("rescuer"), *down("processor_settles")),
                here="worker-1",
                workers=(worker(now_s=LONG_AGO_S, age_s=LONG_AGO_S - 30),),
                runs_s=(1.0,) * limits.EXPLAIN_RUNS_MAX,
            ),
            [
                Code.RESCUER_DOWN,
                Code.SETTLES_DOWN,
                Code.PAST_DEADLINE,
                Code.CANCEL_UNANSWERED,
                Code.RUNNING_LONG,
            ],
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_of_several_the_first_in_the_table_wins_and_the_others_are_named(seen: Situation, codes: list[Code]) -> None:
    found = explain(seen)

    assert [found.code, *found.also] == codes


# --- whatever there is ----------------------------------------------------------------------------

SHORT_S = st.sampled_from([0.0, 0.1, 2.5, 14.0, 16.0, 40.0, 20_000.0])


@st.composite
def surroundings(draw: st.DrawFn, job: Job) -> Situation:
    now = START + timedelta(seconds=draw(SHORT_S) + draw(SHORT_S))
    workers = tuple(
        WorkerInfo(
            instance_id=draw(st.sampled_from(["processor-1", "processor-2"])),
            host="here",
            pid=1,
            version="0",
            started_at=START,
            heartbeat_at=draw(st.none() | SHORT_S.map(lambda age_s: now - timedelta(seconds=age_s))),
            slots=draw(st.integers(0, 4)),
            running=draw(st.integers(0, 4)),
            abandoned=draw(st.integers(0, 4)),
            is_draining=draw(st.booleans()),
            types=draw(st.sampled_from([(), (job.type,), ("other", job.type)])),
            jobs=draw(st.sampled_from([(), (job.id,)])),
        )
        for _ in range(draw(st.integers(0, 3)))
    )
    return Situation(
        now=now,
        job=job,
        setting=draw(
            st.sampled_from(
                [
                    QueueSetting(queue=job.queue),
                    QueueSetting(queue=job.queue, concurrency_max=2),
                    QueueSetting(queue=job.queue, paused_at=START, paused_by="x"),
                ]
            )
        ),
        workers=workers,
        executing=draw(st.none() | st.dictionaries(st.sampled_from(["processor-1"]), st.integers(0, 5))),
        type_seen_at=draw(st.none() | st.just(START)),
        leased=draw(st.integers(0, 3)),
        leased_jobs=tuple(draw(st.lists(IDS, max_size=2))),
        line=Line(pending=draw(st.integers(1, 9)), ahead=draw(st.none() | st.integers(0, 3))),
        runs_s=tuple(draw(st.sampled_from([[], [1.0] * 19, [0.5] * 20, [99.0] * 100]))),
        last_event=draw(
            st.none() | st.builds(LastEvent, reason=st.sampled_from([None, "snoozed", "invalid", "discarded", "new"]))
        ),
        retried_by=draw(st.none() | IDS),
        down=tuple(
            Down(name=name, reason="loop_fails")
            for name in draw(st.sets(st.sampled_from(["due_jobs", "rescuer", "processor_claims", "processor_settles"])))
        ),
        here=draw(st.sampled_from([None, "processor-1"])),
    )


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_every_job_in_every_situation_has_exactly_one_code_of_its_status(data: st.DataObject) -> None:
    jobs, _ = data.draw(histories())
    seen = data.draw(surroundings(jobs[-1]))

    found = explain(seen)

    codes = PRECEDENCE[seen.job.status].codes
    assert found.code in codes
    assert not set(found.also) & {found.code}
    assert contracts.validate("explanation", written(found), known_values_only=True) == []
    final = {code for status in JobStatus if status.is_final for code in PRECEDENCE[status].codes}
    assert (found.code in final) == seen.job.status.is_final


# --- what a code rests on -------------------------------------------------------------------------


def test_a_rescued_attempt_waits_for_its_next_one() -> None:
    factory = JobFactory()
    history = factory.executing()
    factory.clock.advance(limits.LEASE_S)
    job = history.give(Rescue(fence=history.job.fence, retry_in_s=9.0)).job

    found = explain(situation(job, after_s=limits.LEASE_S, last_event=LastEvent()))

    assert found.code is Code.RETRY_WAITING
    assert "Attempt 1 of 3 failed with LeaseLost: worker-1 stopped answering" in found.summary
    assert found.change.at == job.run_at


def test_an_exception_that_is_called_as_our_word_is_one_of_the_handler() -> None:
    history = JobFactory().executing()
    error = msgspec.structs.replace(ABANDONED, qualified_type="shop.Abandoned")
    job = history.give(Fail(fence=history.job.fence, outcome=Outcome.FAILED, error=error, retry_in_s=60.0)).job

    assert explain(situation(job, last_event=LastEvent())).code is Code.RETRY_WAITING


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (refused(), Code.PAYLOAD_REFUSED),
        (given_up(), Code.DISCARDED),
        (JobFactory().failed().job, Code.ATTEMPTS_USED_UP),
        (snoozed(), Code.SNOOZED),
        (retrying(), Code.RETRY_WAITING),
    ],
)
def test_without_its_newest_event_the_job_itself_says_what_it_can(job: Job, code: Code) -> None:
    found = explain(situation(job))

    assert (found.code, found.evidence.history_is_behind) == (code, True)


def test_a_success_before_a_cancel_says_so() -> None:
    history = JobFactory().executing().give(Cancel())
    job = history.give(Succeed(fence=history.job.fence)).job

    assert "had succeeded before" in explain(situation(job)).summary


def test_a_processor_that_never_sent_a_heartbeat_gave_its_sign_of_life_by_the_claim() -> None:
    codes = [explain(situation(executing(), after_s=after_s, workers=())).code for after_s in (10.0, 10.1)]

    assert codes == [Code.RUNNING, Code.HEARTBEAT_LATE]


def test_free_slots_are_counted_by_the_truth_and_else_by_the_heartbeat() -> None:
    workers = (worker(running=2),)

    codes = [explain(situation(pending(), workers=workers, executing=counts)).code for counts in ({}, None)]

    assert codes == [Code.ABOUT_TO_BE_CLAIMED, Code.PROCESSORS_BUSY]


def test_another_live_processor_could_claim_although_the_claims_of_this_one_are_down() -> None:
    workers = (worker(), worker("worker-2"))

    found = explain(situation(pending(), workers=workers, down=down("processor_claims"), here="worker-1"))

    assert found.code is Code.ABOUT_TO_BE_CLAIMED
    assert [part.name for part in found.evidence.down] == ["processor_claims"]


@pytest.mark.parametrize(("longest", "run_s", "code"), [(8.0, 8.0, Code.RUNNING), (8.0, 8.1, Code.RUNNING_LONG)])
def test_the_slowest_of_a_hundred_runs_is_not_usual(longest: float, run_s: float, code: Code) -> None:
    runs_s = (*[1.0] * 98, longest, 1_000.0)

    assert explain(running_for(run_s, runs_s=runs_s)).code is code


def test_a_job_that_became_due_again_after_a_retry_is_as_ready_as_any() -> None:
    factory = JobFactory()
    history = factory.retrying(max_attempts=3)
    factory.clock.advance(1.0)
    job = history.give(BecomeDue()).job

    assert explain(situation(job, after_s=1.5)).code is Code.ABOUT_TO_BE_CLAIMED


def test_a_claim_without_a_slot_is_not_called_running() -> None:
    job = JobFactory().pending().give(Claim(worker="worker-1", lease_s=15.0, buffered=True)).job

    found = explain(situation(job))

    assert (found.code, found.evidence.worker, found.evidence.run_seconds) == (Code.WAITING_FOR_SLOT, "worker-1", None)
