"""How long a submit is repeated, and how jobs are looked at while they are waited for."""

from typing import Any

import pytest

from observatory.client.errors import NotReachable, ServiceFailed
from observatory.core import limits
from observatory.core.job import JsonObject
from observatory.sdk.connection import Persistence
from observatory.sdk.errors import ResultTimeout
from observatory.sdk.waiting import Watch
from observatory.testing.manual_sources import ManualClock

NOBODY = NotReachable("nobody listens")
CUT = NotReachable("the connection broke", was_sent=True)
BUSY = ServiceFailed("the store is away", status=503, code="store_unavailable")


def pauses_of(error: NotReachable | ServiceFailed, *, was_reached: bool) -> list[float]:
    """The pauses until it gives up."""
    clock = ManualClock()
    persistence = Persistence(clock.monotonic())
    pauses: list[float] = []

    def go_on() -> None:
        while True:
            pauses.append(persistence.failed(error, clock.monotonic(), was_reached=was_reached))
            clock.advance(pauses[-1])

    with pytest.raises(type(error)) as given_up:
        go_on()
    assert given_up.value is error
    return pauses


@pytest.mark.parametrize(
    ("error", "was_reached"), [(NOBODY, True), (CUT, False), (CUT, True), (BUSY, False), (BUSY, True)]
)
def test_a_submit_is_repeated_ever_more_seldom_until_patience_is_over(
    error: NotReachable | ServiceFailed, was_reached: bool
) -> None:
    pauses = pauses_of(error, was_reached=was_reached)

    assert pauses[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert max(pauses) <= limits.WAIT_PAUSE_S_MAX
    assert limits.SUBMIT_PATIENCE_S <= sum(pauses) < limits.SUBMIT_PATIENCE_S + limits.WAIT_PAUSE_S_MAX


def test_where_nothing_was_ever_reached_nothing_is_waited_for() -> None:
    assert pauses_of(NOBODY, was_reached=False) == []


def job(number: str, status: str) -> JsonObject:
    return {"id": number, "status": status}


def test_jobs_are_looked_at_one_after_the_other_and_each_final_one_once() -> None:
    watch = Watch(["a", "b", "c"], None, ManualClock())
    looks: list[str] = []
    states = {"a": ["PENDING", "EXECUTING", "COMPLETED"], "b": ["FAILED"], "c": ["CANCELLED"]}

    while watch.job_id is not None:
        looks.append(watch.job_id)
        watch.saw(job(watch.job_id, states[watch.job_id].pop(0)))
        assert bool(watch.pause_s) == bool(watch.job_id == "a")

    assert looks == ["a", "a", "a", "b", "c"]
    assert [one["status"] for one in watch.found] == ["COMPLETED", "FAILED", "CANCELLED"]


def test_one_time_out_holds_for_all_and_what_ended_in_time_is_still_found() -> None:
    clock = ManualClock()
    watch = Watch(["a", "b", "c"], 10, clock)
    clock.advance(9)
    watch.saw(job("a", "COMPLETED"))
    clock.advance(5)
    watch.saw(job("b", "COMPLETED"))

    with pytest.raises(ResultTimeout, match="job c is EXECUTING after 10 s; it goes on"):
        watch.saw(job("c", "EXECUTING"))


def test_a_pause_never_goes_past_the_time_out() -> None:
    clock = ManualClock()
    watch = Watch(["a"], 0.07, clock)

    watch.saw(job("a", "PENDING"))
    assert watch.pause_s == limits.WAIT_PAUSE_S_MIN
    clock.advance(watch.pause_s)
    watch.saw(job("a", "PENDING"))
    assert watch.pause_s == pytest.approx(0.02)


def test_services_that_stay_away_longer_than_a_restart_takes_end_the_wait() -> None:
    clock = ManualClock()
    watch = Watch(["a"], None, clock)
    watch.failed(NOBODY)
    clock.advance(limits.WAIT_UNREACHABLE_S_MAX - 0.001)
    watch.failed(NOBODY)
    clock.advance(0.001)

    with pytest.raises(NotReachable):
        watch.failed(NOBODY)


@pytest.mark.parametrize(
    ("timeout_s", "kind"),
    [("x", TypeError), (True, TypeError), ([], TypeError), (float("nan"), ValueError)],
)
def test_a_time_out_that_is_no_number_is_refused_by_its_name(timeout_s: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"timeout_s is .*; it is a number of seconds, or None"):
        Watch(["a"], timeout_s, ManualClock())


@pytest.mark.parametrize("timeout_s", [float("inf"), 10**400])
def test_any_large_number_is_a_time_out(timeout_s: float) -> None:
    watch = Watch(["a"], timeout_s, ManualClock())
    watch.saw(job("a", "PENDING"))

    assert watch.pause_s == limits.WAIT_PAUSE_S_MIN


def test_no_job_is_nothing_to_wait_for() -> None:
    watch = Watch([], 1, ManualClock())

    assert (watch.job_id, watch.found) == (None, [])
