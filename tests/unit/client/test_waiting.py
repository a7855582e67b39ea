"""Waiting for a job over time that only the test moves."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from observatory.client.address import Address
from observatory.client.api import Api
from observatory.client.async_api import AsyncApi
from observatory.client.errors import BadAnswer, NotReachable, RequestRefused, ServiceFailed, WaitedTooLong
from observatory.client.waiting import is_final
from observatory.core import limits
from observatory.core.job import FINAL, JobStatus
from observatory.testing.manual_sources import ManualClock

ADDRESS = Address(gateway="http://127.0.0.1:1", read_model="http://127.0.0.1:2")
ID = "01a20000-0000-7000-8000-000000000000"

Answer = Callable[[], httpx2.Response]


def job(status: str) -> Answer:
    return lambda: httpx2.Response(200, json={"id": ID, "status": status})


def problem(status: int, code: str) -> Answer:
    return lambda: httpx2.Response(
        status, json={"code": code, "detail": code}, headers={"content-type": "application/problem+json"}
    )


def silence() -> httpx2.Response:
    raise httpx2.ConnectError("refused")


class Service:
    """A read model that gives *answers* in turn, the last one for ever, and the pauses between the questions."""

    def __init__(self, *answers: Answer) -> None:
        self.clock = ManualClock()
        self.pauses: list[float] = []
        self._answers = list(answers)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.url == f"{ADDRESS.read_model}/jobs/{ID}"
        return (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])()

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)

    async def pause_async(self, seconds: float) -> None:
        self.pause(seconds)

    async def wait(self, kind: str, timeout_s: float | None) -> dict[str, Any]:
        """Wait with the client of *kind*."""
        http = httpx2.MockTransport(self.answer)
        if kind == "blocking":
            with Api(ADDRESS, clock=self.clock, http=http, pause=self.pause) as api:
                return api.wait(ID, timeout_s)
        async with AsyncApi(ADDRESS, clock=self.clock, http=http, pause=self.pause_async) as api:
            return await api.wait(ID, timeout_s)


@pytest.fixture(params=["blocking", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("status", [*JobStatus, "OF_A_LATER_RELEASE"])
def test_a_job_is_final_when_the_lifecycle_says_so(status: str) -> None:
    assert is_final({"id": ID, "status": status}) == (status in FINAL)


async def test_a_final_job_is_given_at_once(kind: str) -> None:
    service = Service(job("FAILED"))

    assert (await service.wait(kind, 10.0))["status"] == "FAILED"
    assert service.pauses == []


async def test_the_pauses_grow_up_to_their_bound(kind: str) -> None:
    service = Service(*[job("PENDING")] * 12, job("COMPLETED"))

    await service.wait(kind, None)

    assert service.pauses == sorted(service.pauses)
    assert service.pauses[0] == limits.WAIT_PAUSE_S_MIN
    assert service.pauses[-1] == limits.WAIT_PAUSE_S_MAX


async def test_a_job_that_is_not_final_in_time_is_given_as_it_was(kind: str) -> None:
    service = Service(job("PENDING"), job("EXECUTING"))

    with pytest.raises(WaitedTooLong, match=f"job {ID} is EXECUTING after 3 s") as caught:
        await service.wait(kind, 3.0)

    assert caught.value.job["status"] == "EXECUTING"
    assert sum(service.pauses) == pytest.approx(3.0)


async def test_no_time_at_all_is_one_look(kind: str) -> None:
    service = Service(job("PENDING"))

    with pytest.raises(WaitedTooLong):
        await service.wait(kind, 0.0)

    assert service.pauses == []


async def test_a_job_that_ends_in_the_last_moment_is_seen(kind: str) -> None:
    service = Service(job("PENDING"), job("COMPLETED"))

    assert (await service.wait(kind, limits.WAIT_PAUSE_S_MIN / 2))["status"] == "COMPLETED"


@pytest.mark.parametrize("fault", [silence, problem(503, "store_unavailable")], ids=["silence", "503"])
async def test_a_service_that_is_away_for_a_while_is_borne(kind: str, fault: Answer) -> None:
    service = Service(job("EXECUTING"), *[fault] * 10, job("COMPLETED"))

    assert (await service.wait(kind, None))["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("fault", "error"), [(silence, NotReachable), (problem(503, "store_unavailable"), ServiceFailed)]
)
async def test_a_service_that_stays_away_ends_the_wait_with_its_error(
    kind: str, fault: Answer, error: type[Exception]
) -> None:
    service = Service(fault)

    with pytest.raises(error):
        await service.wait(kind, None)

    assert service.clock.monotonic() == pytest.approx(limits.WAIT_UNREACHABLE_S_MAX, abs=limits.WAIT_PAUSE_S_MAX)


async def test_an_answer_in_between_begins_the_patience_anew(kind: str) -> None:
    away = [silence] * 12
    service = Service(*away, job("EXECUTING"), *away, job("COMPLETED"))

    await service.wait(kind, None)

    assert service.clock.monotonic() > limits.WAIT_UNREACHABLE_S_MAX


async def test_the_time_limit_holds_while_the_service_is_away(kind: str) -> None:
    service = Service(silence)

    with pytest.raises(WaitedTooLong, match="of unknown status after 2 s"):
        await service.wait(kind, 2.0)


@pytest.mark.parametrize(
    ("fault", "error"),
    [(problem(404, "unknown_job"), RequestRefused), (lambda: httpx2.Response(200, text="<html>"), BadAnswer)],
)
async def test_what_repeating_cannot_mend_ends_the_wait_at_once(
    kind: str, fault: Answer, error: type[Exception]
) -> None:
    service = Service(fault)

    with pytest.raises(error):
        await service.wait(kind, None)

    assert service.pauses == []
