"""Submitting through an application: types, options, handles; in test mode, so that all but the network is real."""

import asyncio
import pickle
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from observatory import JobCancelled, JobFailed, NotAccepted, Observatory, RequestRefused, ResultTimeout, UnknownType
from observatory.client.errors import WaitedTooLong
from observatory.core import limits
from observatory.core.errors import InvalidJob
from observatory.testing import TestMode
from tests.unit.sdk import shop
from tests.unit.sdk.shop import app


@pytest.fixture
def mode() -> Generator[TestMode]:
    with TestMode(app) as mode:
        yield mode


def test_a_type_is_named_by_its_name_or_by_its_function(mode: TestMode) -> None:
    first = app.submit("thumbnail", path="a.jpg")
    second = app.submit(shop.thumbnail, path=Path("b.jpg"), width=3)

    assert first.result() == {"name": "a.jpg", "width": 256, "attempt": 1}
    assert second.result() == {"name": "b.jpg", "width": 3, "attempt": 1}
    assert {first.type, second.type} == {"thumbnail"}


def test_a_parameter_may_have_the_name_of_an_option(mode: TestMode) -> None:
    handle = app.options(queue="slow", priority=2).submit("order", queue="mine", type="pen", self=7, priority=9)

    assert handle.result() == ["mine", "pen", 7, 9]
    job = handle.job()
    assert (job["queue"], job["priority"]) == ("slow", 2)


@pytest.mark.parametrize(
    ("type", "says"),
    [
        ("thumbnial", "no job type 'thumbnial'; did you mean 'thumbnail'?"),
        ("zzz", "no job type 'zzz' (a type that another application defines is submitted with observatory.Client)"),
        (len, 'len is no job of this application: decorate it with @app.job("len")'),
    ],
)
def test_an_unknown_type_is_said_with_a_similar_one(type: Any, says: str) -> None:
    with pytest.raises(UnknownType) as refusal:
        app.submit(type)

    assert says in str(refusal.value)


def test_a_function_of_two_types_is_named_by_the_type() -> None:
    twice = Observatory()
    twice.job("a")(shop.order)
    twice.job("b")(shop.order)

    with pytest.raises(UnknownType, match=r"several job types \(a, b\)"):
        twice.submit(shop.order, queue="x")


def test_a_payload_that_does_not_fit_is_not_sent(mode: TestMode) -> None:
    with pytest.raises(InvalidJob):
        app.submit("thumbnail", pth="a")

    assert mode.jobs() == []


def test_options_reach_the_job(mode: TestMode) -> None:
    bound = app.options(max_attempts=7, timeout_s=5, idempotency_key="k", metadata={"a": 1}, delay_s=60)
    job = bound.submit("child").job()

    assert (job["maxAttempts"], job["timeoutSeconds"], job["idempotencyKey"]) == (7, 5, "k")
    assert (job["metadata"], job["status"]) == ({"a": 1}, "SCHEDULED")


def test_one_key_is_one_job_and_another_payload_under_it_is_refused(mode: TestMode) -> None:
    bound = app.options(idempotency_key="order-1")
    first = bound.submit("thumbnail", path="a")

    assert bound.submit("thumbnail", path="a") == first
    with pytest.raises(RequestRefused) as refusal:
        bound.submit("thumbnail", path="b")
    assert refusal.value.code == "idempotency_conflict"
    assert len(mode.jobs()) == 1


def test_a_request_makes_one_job_however_often_it_is_submitted(mode: TestMode) -> None:
    request = app.request("child")

    handles = [app.client.send(request) for _ in range(3)] + app.submit_many([request, request]).handles

    assert len(set(handles)) == 1
    assert len(mode.jobs()) == 1


# --- many -------------------------------------------------------------------------------------


def test_many_are_answered_one_by_one_in_order_whatever_happens_to_the_others(mode: TestMode) -> None:
    requests = [app.options(idempotency_key=f"n-{n}").request("thumbnail", path=str(n)) for n in range(4)]
    conflicting = app.options(idempotency_key="n-1").request("thumbnail", path="other")

    submissions = app.submit_many([*requests[:2], conflicting, *requests[2:]])

    assert [getattr(one, "type", None) for one in submissions] == ["thumbnail", "thumbnail", None, *["thumbnail"] * 2]
    (missing,) = submissions.not_accepted
    assert (missing.index, missing.request) == (2, conflicting)
    assert isinstance(missing.error, RequestRefused)
    assert missing.error.code == "idempotency_conflict"
    assert repr(submissions) == "<4 of 5 jobs accepted>"
    assert [handle.result()["name"] for handle in submissions.handles] == ["0", "1", "2", "3"]
    with pytest.raises(RequestRefused) as refusal:
        submissions.raise_if_any()
    assert refusal.value.__notes__ == ["request 2; 1 of 5 were not accepted"]


def test_more_than_one_portion_keeps_the_order(mode: TestMode) -> None:
    count = limits.BATCH_JOBS_MAX + 1

    submissions = app.submit_many(app.request("thumbnail", path="a", width=n) for n in range(count))

    assert len(submissions.handles) == count
    assert [job["payload"]["width"] for job in mode.jobs()] == list(range(count))


@pytest.mark.parametrize("items", ["any", ["thumbnail"], [None]], ids=str)
def test_what_is_no_request_is_refused_and_says_how_to_make_one(mode: TestMode, items: Any) -> None:
    with pytest.raises(TypeError, match=r"item 0 of submit_many is a .*app\.request"):
        app.submit_many(items)

    assert mode.jobs() == []


def test_no_request_is_no_job_and_no_error(mode: TestMode) -> None:
    submissions = app.submit_many([])

    submissions.raise_if_any()
    assert submissions.outcomes == []


# --- handles ----------------------------------------------------------------------------------


def test_a_failed_job_raises_its_own_error_with_the_traceback(mode: TestMode) -> None:
    handle = app.submit("refuse", why="too red")

    with pytest.raises(JobFailed) as failure:
        handle.result()

    error = failure.value
    assert (error.error.type, error.error.message, error.attempt, error.job_id) == ("Discard", "too red", 1, handle.id)
    assert str(error) == f"job {handle.id} (refuse) failed on attempt 1 of 1: Discard: too red"
    assert "raise Discard(why)" in (error.error.traceback or "")
    assert "raise Discard(why)" in error.__notes__[0]
    assert handle.wait()["status"] == "FAILED"


def test_the_end_of_a_job_can_be_pickled_as_an_error(mode: TestMode) -> None:
    with pytest.raises(JobFailed) as failure:
        app.submit("refuse", why="no").result()

    again = pickle.loads(pickle.dumps(failure.value))

    assert (str(again), again.error, again.job) == (str(failure.value), failure.value.error, failure.value.job)


def test_a_cancelled_job_says_so_and_a_final_one_cannot_be_cancelled(mode: TestMode) -> None:
    done = app.submit("thumbnail", path="a")
    done.result()
    waiting = app.submit("child")

    assert waiting.cancel()
    assert waiting.cancel(), "again is the same"
    with pytest.raises(JobCancelled):
        waiting.result()
    assert not done.cancel()
    assert done.status() == "COMPLETED"


def test_a_retry_is_a_new_job_that_is_linked(mode: TestMode) -> None:
    first = app.submit("thumbnail", path="a")
    with pytest.raises(RequestRefused) as refusal:
        first.retry()
    first.result()

    second = first.retry()

    assert refusal.value.code == "job_not_final"
    assert second != first
    assert second.result() == first.result()
    assert second.job()["retryOf"] == first.id


def test_the_history_of_a_job_is_complete_and_in_order(mode: TestMode) -> None:
    handle = app.submit("child")
    handle.result()

    assert [event["eventType"] for event in handle.events()] == [
        "job.created", "job.validated", "job.executed", "job.completed",
    ]  # fmt: skip


def test_a_wait_that_is_too_short_says_where_the_job_is_and_leaves_it(mode: TestMode) -> None:
    handle = app.options(delay_s=100).submit("child")

    with pytest.raises(ResultTimeout) as timeout:
        handle.result(timeout_s=60)

    assert isinstance(timeout.value, WaitedTooLong)
    assert isinstance(timeout.value, TimeoutError)
    assert f"job {handle.id} is SCHEDULED after 60 s; it goes on" in str(timeout.value)
    assert handle.result(timeout_s=60), "it goes on, and is done by now"


def test_all_are_waited_for_together_in_their_order(mode: TestMode) -> None:
    handles = app.submit_many(app.request("thumbnail", path=str(n)) for n in range(5)).handles
    late = app.options(delay_s=50).submit("child")

    jobs = app.wait_all([late, *handles, handles[0].id], timeout_s=100)

    assert [job["id"] for job in jobs] == [late.id, *(handle.id for handle in handles), handles[0].id]
    with pytest.raises(ResultTimeout):
        app.wait_all([handles[0], app.options(delay_s=50).submit("child")], timeout_s=10)


def test_a_handle_is_made_anew_from_its_id(mode: TestMode) -> None:
    handle = app.submit("child")

    again = app.handle(handle.id)

    assert again == handle
    assert again.status() == "PENDING"
    assert (repr(again), repr(handle)) == (f"<job {handle.id}>", f"<job {handle.id} (child)>")


def test_an_unknown_job_is_refused_when_it_is_used(mode: TestMode) -> None:
    handle = app.handle("0192d0a0-0000-7000-8000-000000000001")

    with pytest.raises(RequestRefused) as refusal:
        handle.result()
    assert refusal.value.code == "unknown_job"


def test_the_handle_of_a_test_cannot_leave_it(mode: TestMode) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(app.submit("child"))


# --- from inside a handler --------------------------------------------------------------------


def test_what_a_handler_submits_carries_its_correlation_id(mode: TestMode) -> None:
    handles = [app.submit("parent", children=2), app.submit("parent.async")]
    mode.run_all()

    by_parent = [{job["correlationId"] for job in mode.jobs() if job["correlationId"] == own} for own in (
        handle.job()["correlationId"] for handle in handles
    )]  # fmt: skip
    assert [len(own) for own in by_parent] == [1, 1]
    assert by_parent[0] != by_parent[1]
    children = [app.handle(job_id).job() for job_id in (*handles[0].result(), handles[1].result())]
    assert [child["correlationId"] for child in children[:2]] == [handles[0].job()["correlationId"]] * 2
    assert children[2]["correlationId"] == handles[1].job()["correlationId"]


def test_a_blocking_submit_of_a_coroutine_handler_is_refused_and_says_what_to_write(mode: TestMode) -> None:
    handle = app.options(max_attempts=1).submit("parent.async", blocks=True)

    with pytest.raises(JobFailed, match=r"WrongPlace: this call blocks the event loop .* await the same call of \.aio"):
        handle.result()


# --- coroutines -------------------------------------------------------------------------------


def test_the_same_calls_are_there_for_coroutines(mode: TestMode) -> None:
    async def story() -> None:
        handle = await app.aio.submit(shop.thumbnail, path="a")
        assert (await handle.result())["name"] == "a"
        assert await handle.status() == "COMPLETED"
        assert not await handle.cancel()
        assert len(await handle.events()) == 4
        assert (await (await handle.retry()).result())["name"] == "a"
        late = await app.aio.options(queue="slow", delay_s=5).submit("child")
        assert (await late.job())["queue"] == "slow"
        assert await late.cancel()
        with pytest.raises(JobCancelled):
            await late.result()
        submissions = await app.aio.submit_many([app.aio.request("child"), app.request("child")])
        jobs = await app.aio.wait_all(submissions.handles)
        assert [job["status"] for job in jobs] == ["COMPLETED"] * 2
        assert app.aio.handle(late.id) == late
        with pytest.raises(InvalidJob):
            await app.aio.submit("thumbnail", pth=1)
        assert (await app.aio.client.stats())["source"] == "sqlite"
        await app.aio.close()

    asyncio.run(story())


def test_the_client_submits_what_no_application_here_defines(mode: TestMode) -> None:
    handle = mode.client.submit("elsewhere", {"a": 1})
    (another,) = mode.client.submit_many([mode.client.request("elsewhere")]).handles

    assert [one.warning[:13] for one in (handle, another) if one.warning] == ["unknown_type:"] * 2
    assert app.submit("child").warning is None
    another.cancel()
    assert handle.job()["payload"] == {"a": 1}
    page = mode.client.jobs(type="elsewhere", status="PENDING")
    assert [job["id"] for job in page.items] == [handle.id]
    assert mode.client.stats()["source"] == "sqlite"
    assert [one["eventType"] for one in mode.client.events(job_id=handle.id).items] == ["job.created"]
    assert [one["queue"] for one in mode.client.queues().items] == ["default"]
    assert "thumbnail" in {one["type"] for one in mode.client.types().items}
    assert not any(isinstance(one, NotAccepted) for one in mode.client.submit_many([mode.client.request("x")]))
