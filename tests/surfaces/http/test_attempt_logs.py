"""Is the log of an attempt answered as it was kept, and what is not there as what it is?"""

from typing import Any

import pytest

from observatory.contracts import validate
from observatory.core import limits
from observatory.core.command import Fail, Succeed
from observatory.core.job import Job, JobError, Outcome
from observatory.job_store.attempt_logs import AttemptLog, LogLine
from observatory.job_store.port import Order
from observatory.testing.manual_sources import BEGINNING
from tests.surfaces.http.services import World, client, problem, submit

NO_JOB = "00000000-0000-7000-8000-000000000000"


async def logs(world: World, job_id: str, query: str = "") -> Any:
    async with client(world.read_model()) as http:
        return await http.get(f"/jobs/{job_id}/logs{query}")


async def running(world: World) -> Job:
    await submit(world.gateway())
    [job] = await world.store.claim(types=["example"], worker="worker-1", count_max=1, lease_s=15.0)
    return job


async def keep(world: World, job: Job, *texts: str, is_complete: bool = True) -> None:
    lines = tuple(LogLine(BEGINNING, text) for text in texts)
    log = AttemptLog(
        job_id=job.id, attempt=job.attempt, fence=job.fence, lines=lines, dropped_lines=3, dropped_bytes=30,
        is_complete=is_complete,
    )  # fmt: skip
    await world.attempt_logs.save([log])


async def test_the_log_of_a_running_attempt_is_not_complete(world: World) -> None:
    job = await running(world)
    await keep(world, job, "so far \x1b[31m", is_complete=False)

    answer = await logs(world, job.id)

    document = answer.json()
    assert validate("attempt-log", document) == []
    assert [line["text"] for line in document["lines"]] == ["so far \x1b[31m"]
    assert (document["attempt"], document["isComplete"], document["droppedLines"]) == (1, False, 3)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_log_of_an_attempt_whose_processor_died_is_complete_all_the_same(world: World) -> None:
    job = await running(world)
    await keep(world, job, "last words", is_complete=False)
    await world.store.apply([Order(job.id, Succeed(fence=job.fence))])

    assert (await logs(world, job.id)).json()["isComplete"] is True


async def test_each_attempt_has_its_own(world: World) -> None:
    job = await running(world)
    await keep(world, job, "first")
    error = JobError(type="E", message="m")
    await world.store.apply([Order(job.id, Fail(fence=job.fence, outcome=Outcome.FAILED, error=error, retry_in_s=0.0))])
    await world.store.make_due(count_max=1)
    [again] = await world.store.claim(types=["example"], worker="worker-1", count_max=1, lease_s=15.0)
    await keep(world, again, "second")

    texts = [
        (await logs(world, job.id, query)).json()["lines"][0]["text"] for query in ("", "?attempt=1", "?attempt=2")
    ]

    assert texts == ["second", "first", "second"]


async def test_an_attempt_that_said_nothing_has_an_empty_log_and_no_time(world: World) -> None:
    waiting = await submit(world.gateway())
    document = (await logs(world, waiting["id"])).json()

    assert validate("attempt-log", document) == []
    assert (document["lines"], document["attempt"], document["isComplete"]) == ([], 0, False)
    assert "savedAt" not in document


async def test_an_attempt_that_has_not_been_is_not_found(world: World) -> None:
    job = await running(world)

    answer = await logs(world, job.id, "?attempt=2")

    assert (answer.status_code, problem(answer)["code"]) == (404, "unknown_attempt")
    assert problem(await logs(world, NO_JOB))["code"] == "unknown_job"


@pytest.mark.parametrize("number", [0, -1, limits.ATTEMPTS_MAX + 1, "x", "1.5", 10**30])
async def test_a_number_that_no_attempt_can_have_is_refused(world: World, number: Any) -> None:
    job = await running(world)

    assert (await logs(world, job.id, f"?attempt={number}")).status_code == 400
