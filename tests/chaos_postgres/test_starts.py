"""Which difference between starts and attempts is explained, and by what."""

import pytest

from tests.chaos_postgres.nemesis import Act
from tests.chaos_postgres.starts import Attempt, Start, attempts_in, differences, starts_in

PIDS = {"worker-a": 10, "worker-b": 20}
CLAIMED_S = 1000.0
ATTEMPT = Attempt("job", 1, 1, "worker-a", CLAIMED_S)
START = Start("job", 1, 1, 10)


def act(kind, target, pid, struck_s, ended_s=None):
    return Act(kind, target, pid, 1, struck_s, struck_s, struck_s if ended_s is None else ended_s)


def test_starts_that_are_recorded_differ_in_nothing():
    assert differences([START], [ATTEMPT], PIDS, []) == []


@pytest.mark.parametrize(
    "act",
    [
        act("kill", "processor", 10, CLAIMED_S + 0.1),
        act("stop", "processor", 10, CLAIMED_S + 0.1, CLAIMED_S + 17),
        act("stop", "processor", 10, CLAIMED_S - 17, CLAIMED_S - 0.1),
        act("kill", "postgres", 5, CLAIMED_S + 0.1, CLAIMED_S + 2),
        act("stop", "postgres", 5, CLAIMED_S - 17, CLAIMED_S - 0.1),
    ],
)
def test_an_attempt_that_never_began_is_explained_by_what_struck_its_claim(act):
    [found] = differences([], [ATTEMPT], PIDS, [act])

    assert str(act) in found.explanation


@pytest.mark.parametrize(
    "act",
    [
        act("kill", "processor", 20, CLAIMED_S + 0.1),
        act("kill", "processor", 10, CLAIMED_S + 1.1),
        act("kill", "processor", 10, CLAIMED_S - 0.1),
        act("stop", "processor", 10, CLAIMED_S - 5, CLAIMED_S + 12),
        act("kill", "postgres", 5, CLAIMED_S + 5, CLAIMED_S + 6),
        act("kill", "postgres", 5, CLAIMED_S - 1, CLAIMED_S - 0.1),
        act("kill", "gateway", 10, CLAIMED_S + 0.1),
    ],
)
def test_nothing_else_explains_it(act):
    [found] = differences([], [ATTEMPT], PIDS, [act])

    assert "never began" in found.text
    assert found.explanation == ""


@pytest.mark.parametrize(
    ("nearest", "explanation"),
    [
        (
            act("kill", "processor", 10, CLAIMED_S + 0.1),
            "beginning of the kill of processor 10, +0.100 s from its claim",
        ),
        (
            act("stop", "processor", 10, CLAIMED_S - 17, CLAIMED_S - 0.1),
            "end of the stop of processor 10, -0.100 s from its claim",
        ),
    ],
)
def test_of_several_acts_the_nearest_explains(nearest, explanation):
    acts = [act("kill", "postgres", 5, CLAIMED_S + 0.9), nearest]

    [found] = differences([], [ATTEMPT], PIDS, acts)

    assert found.explanation == explanation


def test_a_start_that_is_not_recorded_is_never_explained():
    found = differences([START], [], PIDS, [act("kill", "processor", 10, CLAIMED_S)])

    assert [(one.explanation, "not recorded" in one.text) for one in found] == [("", True)]


def test_a_second_start_of_the_same_fence_is_never_explained():
    found = differences([START, START], [ATTEMPT], PIDS, [act("kill", "processor", 10, CLAIMED_S)])

    assert [(one.explanation, "began 2 times" in one.text) for one in found] == [("", True)]


def test_a_start_in_another_process_than_the_recorded_one_is_a_difference():
    found = differences([START._replace(pid=20)], [ATTEMPT], PIDS, [])

    assert len(found) == 2


def test_an_attempt_is_recorded_by_its_claim_or_by_its_start_after_a_wait():
    events = [
        event("job.created", 0, status="PENDING"),
        event("job.validated", 1, status="EXECUTING", attempt=1, fence=1, worker="worker-a"),
        event("job.executed", 2, status="EXECUTING", outcome="lease_lost", fence=2),
        event("job.retried", 2, status="RETRYING"),
        event("job.queued", 3, status="PENDING"),
        event("job.validated", 4, status="VALIDATED", fence=3, worker="worker-b"),
        event("job.started", 5, status="EXECUTING", attempt=2),
        event("job.completed", 6, status="COMPLETED"),
    ]

    assert list(attempts_in(events)) == [
        Attempt("job", 1, 1, "worker-a", 1.0),
        Attempt("job", 2, 3, "worker-b", 5.0),
    ]


def event(kind, at_s, **said):
    return {"eventType": kind, "occurredAt": f"1970-01-01T00:00:0{at_s}Z", "payload": {"id": "job", **said}}


def test_the_log_is_read_line_by_line(tmp_path):
    log = tmp_path / "starts"
    log.write_text("job 1 1 10\nother 2 3 20\n", encoding="ascii")

    assert starts_in(log) == [START, Start("other", 2, 3, 20)]
