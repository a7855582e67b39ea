"""Do actions on many jobs do what they say, once, and no more than was meant?"""

import asyncio
from typing import Any

import pytest

from observatory.contracts import validate
from observatory.core import limits
from observatory.core.bulk import retry_key
from observatory.core.job import JobError, Outcome
from observatory.job_store.port import JobFilter, Order
from observatory.testing.factories import fail
from tests.surfaces.http.services import World, client, problem, submit
from tests.unit.read_model.forged import forged_cursor


async def post(world: World, path: str, body: Any) -> Any:
    async with client(world.gateway()) as http:
        return await http.post(path, json=body)


async def done(world: World, path: str, body: Any) -> dict[str, Any]:
    answer = await post(world, path, body)
    assert answer.status_code == 200, answer.text
    assert validate("bulk-response", answer.json(), known_values_only=True) == []
    return answer.json()


async def submit_many(world: World, count: int, **fields: Any) -> list[str]:
    gateway = world.gateway()
    return [(await submit(gateway, **fields))["id"] for _ in range(count)]


async def claim(world: World, count_max: int) -> list[Any]:
    return await world.store.claim(types=["example"], worker="worker-1", count_max=count_max, lease_s=15)


async def fail_all(world: World, error_type: str = "ValueError") -> list[str]:
    """Every PENDING job, for good."""
    error = JobError(type=error_type, message="m")
    jobs = await claim(world, 500)
    orders = [
        Order(job.id, type(fail(job))(fence=job.fence, outcome=Outcome.FAILED, error=error, retry_in_s=None))
        for job in jobs
    ]
    await world.store.apply(orders)
    return [job.id for job in jobs]


async def copies_of(world: World, job_id: str) -> list[str]:
    page = await world.queries.jobs(JobFilter(), before=None, count_max=500)
    return [job.id for job in page.jobs if job.retry_of == job_id]


async def statuses(world: World) -> dict[str, int]:
    page = await world.queries.jobs(JobFilter(), before=None, count_max=500)
    found: dict[str, int] = {}
    for job in page.jobs:
        found[job.status] = found.get(job.status, 0) + 1
    return found


class TestCancel:
    async def test_waiting_jobs_are_cancelled_and_running_ones_asked_to_stop(self, world: World) -> None:
        await submit_many(world, 2)
        await claim(world, 1)
        await submit_many(world, 1, runAt="2026-02-01T00:00:00Z")

        answer = await done(world, "/jobs/cancel", {"all": True})

        assert (answer["matched"], answer["cancelled"], answer["cancelRequested"]) == (3, 2, 1)
        assert answer["counts"] == [
            {"status": "EXECUTING", "type": "example", "count": 1},
            {"status": "PENDING", "type": "example", "count": 1},
            {"status": "SCHEDULED", "type": "example", "count": 1},
        ]
        assert (answer["skipped"], answer["nextCursor"]) == ({}, None)
        assert await statuses(world) == {"CANCELLED": 2, "EXECUTING": 1}

    async def test_a_dry_run_counts_and_changes_nothing(self, world: World) -> None:
        await submit_many(world, 3, queue="mail")
        await submit_many(world, 1)
        before = await world.stored()

        answer = await done(world, "/jobs/cancel", {"filter": {"queue": "mail"}, "dryRun": True})

        assert (answer["dryRun"], answer["matched"], answer["cancelled"]) == (True, 3, 0)
        assert answer["counts"] == [{"status": "PENDING", "type": "example", "count": 3}]
        assert await world.stored() == before

    async def test_a_second_cancel_finds_nothing_but_who_was_asked_before(self, world: World) -> None:
        await submit_many(world, 3)
        await claim(world, 1)
        await done(world, "/jobs/cancel", {"all": True})
        events = await world.stored()

        again = await done(world, "/jobs/cancel", {"all": True})

        assert (again["matched"], again["cancelled"], again["cancelRequested"]) == (1, 0, 0)
        assert again["skipped"] == {"cancel_requested_before": 1}
        assert await world.stored() == events

    async def test_one_call_looks_at_so_many_and_the_cursor_goes_on(self, world: World) -> None:
        ids = await submit_many(world, 5)
        body: dict[str, Any] = {"filter": {"type": "example"}, "limit": 2}

        first = await done(world, "/jobs/cancel", body)
        late = await submit_many(world, 1)
        second = await done(world, "/jobs/cancel", body | {"cursor": first["nextCursor"]})
        third = await done(world, "/jobs/cancel", body | {"cursor": second["nextCursor"]})

        assert [one["matched"] for one in (first, second, third)] == [2, 2, 1]
        assert third["nextCursor"] is None
        assert {(await world.job(job_id)).status for job_id in ids} == {"CANCELLED"}
        assert (await world.job(late[0])).status == "PENDING"

    async def test_every_filter_narrows(self, world: World) -> None:
        [wanted] = await submit_many(world, 1, queue="mail", correlationId="0196A0C4-7D01-7025-905B-00000000000A")
        await submit_many(world, 1)
        given = {
            "status": "PENDING",
            "type": "example",
            "queue": "mail",
            "correlationId": "0196A0C4-7d01-7025-905b-00000000000a",
            "createdAfter": "2026-01-01T01:00:00+01:00",
            "createdBefore": "2026-01-01T00:00:01.123456789Z",
        }

        assert (await done(world, "/jobs/cancel", {"filter": given}))["cancelled"] == 1
        assert (await world.job(wanted)).status == "CANCELLED"


LATE = "0196a0c4-7d01-7025-905b-00000000000b"


async def two_failed(world: World) -> dict[str, str]:
    """
    Two FAILED jobs that differ in everything.

    The early one is created at 0 s and final at 65 s, the late one at 60 s and at 70 s, so that each instant tells
    the two apart and none can stand in the place of another.
    """
    [early] = await submit_many(world, 1)
    world.clock.advance(60)
    [late] = await submit_many(world, 1, type="other", queue="mail", correlationId=LATE)
    jobs = await world.store.claim(types=["example", "other"], worker="worker-1", count_max=2, lease_s=60)
    for job in sorted(jobs, key=lambda job: job.id != early):
        world.clock.advance(5)
        error = JobError(type="ValueError" if job.id == early else "KeyError", message="m")
        order = type(fail(job))(fence=job.fence, outcome=Outcome.FAILED, error=error, retry_in_s=None)
        await world.store.apply([Order(job.id, order)])
    return {"early": early, "late": late}


class TestRetry:
    @pytest.mark.parametrize(
        ("member", "value", "wanted"),
        [
            ("type", "other", "late"),
            ("queue", "mail", "late"),
            ("correlationId", LATE, "late"),
            ("errorType", "KeyError", "late"),
            ("createdAfter", "2026-01-01T00:01:00Z", "late"),
            ("createdBefore", "2026-01-01T00:01:00Z", "early"),
            ("finishedAfter", "2026-01-01T00:01:10Z", "late"),
            ("finishedBefore", "2026-01-01T00:01:10Z", "early"),
        ],
    )
    async def test_each_filter_narrows_by_itself(self, world: World, member: str, value: str, wanted: str) -> None:
        ids = await two_failed(world)

        answer = await done(world, "/jobs/retry", {"filter": {member: value}})

        assert (answer["matched"], answer["retried"]) == (1, 1)
        assert len(await copies_of(world, ids[wanted])) == 1

    async def test_failed_jobs_are_repeated_by_new_ones_that_name_them(self, world: World) -> None:
        await submit_many(world, 3, queue="mail", payload={"n": 1})
        failed = await fail_all(world)

        answer = await done(world, "/jobs/retry", {"all": True})

        assert (answer["matched"], answer["retried"], answer["skipped"]) == (3, 3, {})
        for job_id in failed:
            [copy] = await copies_of(world, job_id)
            job = await world.job(copy)
            assert (job.queue, job.payload, job.idempotency_key) == ("mail", {"n": 1}, retry_key(job_id))

    async def test_twice_is_once(self, world: World) -> None:
        await submit_many(world, 3)
        await fail_all(world)
        await done(world, "/jobs/retry", {"all": True})
        events = await world.stored()

        again = await done(world, "/jobs/retry", {"all": True})

        assert (again["matched"], again["retried"]) == (0, 0)
        assert await world.stored() == events

    @pytest.mark.parametrize("operation", [{}, {"operationId": "op-1"}])
    async def test_many_at_the_same_time_are_once(self, world: World, operation: dict[str, str]) -> None:
        await submit_many(world, 7)
        failed = await fail_all(world)

        answers = await asyncio.gather(
            *(done(world, "/jobs/retry", {"filter": {"status": "FAILED"}} | operation) for _ in range(4))
        )

        assert sum(answer["retried"] for answer in answers) == 7
        assert [len(await copies_of(world, job_id)) for job_id in failed] == [1] * 7

    async def test_an_operation_repeats_once_more_what_was_repeated_but_never_its_own_copies(
        self, world: World
    ) -> None:
        await submit_many(world, 2)
        failed = await fail_all(world)
        await done(world, "/jobs/retry", {"all": True})
        body = {"filter": {"status": "FAILED"}, "operationId": "once-more"}

        first = await done(world, "/jobs/retry", body)
        await fail_all(world)
        again = await done(world, "/jobs/retry", body)

        assert (first["matched"], first["retried"]) == (2, 2)
        assert (again["retried"], again["skipped"]) == (2, {"already_retried": 2, "of_this_operation": 2})
        assert [len(await copies_of(world, job_id)) for job_id in failed] == [2, 2]

    async def test_a_chain_of_calls_does_not_run_after_its_own_copies(self, world: World) -> None:
        await submit_many(world, 5)
        await fail_all(world)
        body: dict[str, Any] = {"all": True, "limit": 2}
        matched, cursor = 0, None
        while True:
            answer = await done(world, "/jobs/retry", body | ({"cursor": cursor} if cursor else {}))
            matched += answer["matched"]
            await fail_all(world)
            cursor = answer["nextCursor"]
            if cursor is None:
                break

        assert matched == 5

    async def test_cancelled_and_completed_jobs_are_repeated_only_when_named(self, world: World) -> None:
        await submit_many(world, 2)
        await done(world, "/jobs/cancel", {"all": True})

        default = await done(world, "/jobs/retry", {"all": True})
        named = await done(world, "/jobs/retry", {"filter": {"status": "CANCELLED"}})

        assert (default["matched"], named["retried"]) == (0, 2)

    async def test_errors_of_one_type_are_repeated(self, world: World) -> None:
        await submit_many(world, 1)
        [wanted] = await fail_all(world, "ConnectionError")
        await submit_many(world, 1)
        await fail_all(world, "ValueError")

        answer = await done(world, "/jobs/retry", {"filter": {"errorType": "ConnectionError"}})

        assert answer["retried"] == 1
        assert len(await copies_of(world, wanted)) == 1

    async def test_a_dry_run_counts_what_would_be_repeated(self, world: World) -> None:
        await submit_many(world, 3)
        [first, *_] = await fail_all(world)
        await post(world, f"/jobs/{first}/retry", None)
        before = await world.stored()

        answer = await done(world, "/jobs/retry", {"all": True, "dryRun": True})

        assert (answer["matched"], answer["retried"]) == (2, 0)
        assert answer["counts"] == [{"status": "FAILED", "type": "example", "count": 2}]
        assert await world.stored() == before

    async def test_more_jobs_than_a_piece_are_all_repeated_and_counted(self, world: World) -> None:
        count = limits.BULK_PIECE_JOBS * 2 + 1
        async with client(world.gateway()) as http:
            await http.post("/jobs/batch", json=[{"type": "example"}] * count)
        await fail_all(world)
        app = world.gateway()
        hints = await world.bus.listen()

        async with client(app) as http:
            answer = (await http.post("/jobs/retry", json={"all": True})).json()
            metrics = (await http.get("/metrics")).text

        assert answer["retried"] == count
        assert f"odd_jobs_accepted_total {count}.0" in metrics
        assert await hints.wait(timeout_s=0)

    async def test_a_damaged_job_is_skipped_and_the_others_are_repeated(self, world: World) -> None:
        await submit_many(world, 3)
        _, bad, _ = await fail_all(world)
        await world.file.write(lambda c: c.execute("UPDATE jobs SET payload = '{' WHERE id = ?", (bad,)))
        await world.file.write(lambda c: c.execute("UPDATE jobs SET error = 'x' WHERE id = ?", (bad,)))

        by_error = await done(world, "/jobs/retry", {"filter": {"errorType": "ValueError"}, "dryRun": True})
        answer = await done(world, "/jobs/retry", {"all": True})

        assert by_error["matched"] == 2
        assert (answer["retried"], answer["skipped"]) == (2, {"row_unreadable": 1})


BAD = [
    ({}, "empty_filter", "/filter"),
    ({"filter": {}}, "empty_filter", "/filter"),
    ({"filter": {}, "all": False}, "empty_filter", "/filter"),
    ({"filter": {"tpye": "example"}}, "unknown_member", "/filter"),
    ({"filter": {"queue": "mail"}, "dryrun": True}, "unknown_member", ""),
    ({"filter": {"status": "DONE"}}, "bad_filter", "/filter/status"),
    ({"filter": {"queue": "a b"}}, "invalid_request", "/filter/queue"),
    ({"filter": {"type": "x" * 51}}, "invalid_request", "/filter/type"),
    ({"filter": {"correlationId": "x"}}, "invalid_request", "/filter/correlationId"),
    ({"filter": {"createdAfter": "yesterday"}}, "invalid_request", "/filter/createdAfter"),
    ({"filter": {"status": None}}, "invalid_request", "/filter/status"),
    ({"filter": [], "all": True}, "invalid_request", "/filter"),
    ({"all": 1}, "invalid_request", "/all"),
    ({"all": True, "limit": 0}, "invalid_request", "/limit"),
    ({"all": True, "limit": limits.BULK_JOBS_MAX + 1}, "invalid_request", "/limit"),
    ({"all": True, "operationId": "x" * (limits.OPERATION_ID_CHARS_MAX + 1)}, "invalid_request", "/operationId"),
    ({"all": True, "operationId": "a/b"}, "invalid_request", "/operationId"),
    ([], "invalid_request", ""),
]


@pytest.mark.parametrize("action", ["cancel", "retry"])
@pytest.mark.parametrize(("body", "code", "pointer"), BAD, ids=str)
async def test_what_is_not_clear_is_refused_with_its_place_and_nothing_is_done(
    world: World, action: str, body: Any, code: str, pointer: str
) -> None:
    await submit_many(world, 1)
    before = await world.stored()

    answer = await post(world, f"/jobs/{action}", body)

    assert (answer.status_code, problem(answer)["code"]) == (400, code)
    assert [item["pointer"] for item in problem(answer)["errors"]] == [pointer]
    assert await world.stored() == before


@pytest.mark.parametrize(("action", "status"), [("cancel", "COMPLETED"), ("retry", "PENDING")])
async def test_a_status_that_the_action_cannot_begin_from_is_refused(world: World, action: str, status: str) -> None:
    answer = await post(world, f"/jobs/{action}", {"filter": {"status": status}})

    assert (answer.status_code, problem(answer)["code"]) == (400, "bad_filter")


async def test_the_largest_limit_is_taken(world: World) -> None:
    await done(world, "/jobs/cancel", {"all": True, "limit": limits.BULK_JOBS_MAX})


async def test_a_cursor_belongs_to_its_action_its_filter_and_its_operation(world: World) -> None:
    await submit_many(world, 3)
    body: dict[str, Any] = {"filter": {"type": "example"}, "limit": 1}
    cursor = (await done(world, "/jobs/cancel", body))["nextCursor"]
    events = await world.stored()

    for path, changed in [
        ("/jobs/cancel", {"filter": {"type": "other"}}),
        ("/jobs/cancel", {"all": True}),
        ("/jobs/cancel", {"cursor": cursor[:-1] + "A", "filter": {"type": "example"}}),
        ("/jobs/cancel", {"filter": {"type": "example"}, "cursor": forged_cursor(2**63, of="cancel")}),
        ("/jobs/retry", {"filter": {"type": "example"}}),
        ("/jobs/cancel", {"filter": {"type": "example"}, "operationId": "x"}),
    ]:
        answer = await post(world, path, {"cursor": cursor} | changed)
        assert (answer.status_code, problem(answer)["code"]) == (400, "bad_cursor")
    assert await world.stored() == events


@pytest.mark.parametrize("action", ["cancel", "retry"])
async def test_who_has_no_token_changes_nothing(world: World, action: str) -> None:
    await submit_many(world, 1)
    async with client(world.gateway(), headers={}) as http:
        answer = await http.post(f"/jobs/{action}", json={"all": True})

    assert answer.status_code == 401
    assert await statuses(world) == {"PENDING": 1}


class TestDeadLetters:
    async def letters(self, world: World, **params: Any) -> dict[str, Any]:
        async with client(world.gateway()) as http:
            answer = await http.get("/dead-letters", params=params)
        assert answer.status_code == 200, answer.text
        assert validate("job-list", answer.json(), known_values_only=True) == []
        return answer.json()

    async def test_failed_jobs_are_listed_newest_first_and_no_others(self, world: World) -> None:
        await submit_many(world, 2)
        failed = await fail_all(world)
        await submit_many(world, 1)
        await done(world, "/jobs/cancel", {"all": True})

        page = await self.letters(world)

        assert [job["id"] for job in page["items"]] == failed[::-1]
        assert page["nextCursor"] is None

    async def test_filters_and_pages(self, world: World) -> None:
        await submit_many(world, 3, queue="mail")
        failed = await fail_all(world, "KeyError")
        await submit_many(world, 1)
        await fail_all(world)

        first = await self.letters(world, type="example", queue="mail", errorType="KeyError", limit=2)
        rest = await self.letters(
            world, type="example", queue="mail", errorType="KeyError", limit=2, cursor=first["nextCursor"]
        )

        assert [job["id"] for job in first["items"] + rest["items"]] == failed[::-1]

    async def test_a_redrive_makes_a_linked_job_and_the_dead_one_is_listed_no_more(self, world: World) -> None:
        [_] = await submit_many(world, 1, payload={"n": 1})
        [failed] = await fail_all(world)

        answer = await post(world, f"/dead-letters/{failed}/redrive", None)

        assert answer.status_code == 201
        job = answer.json()
        assert (job["retryOf"], job["payload"], job["status"]) == (failed, {"n": 1}, "PENDING")
        assert answer.headers["location"] == f"/jobs/{job['id']}"
        assert (await self.letters(world))["items"] == []

    @pytest.mark.parametrize("by", ["redrive", "retry"])
    async def test_what_was_redriven_or_retried_is_refused_and_the_new_job_named(self, world: World, by: str) -> None:
        await submit_many(world, 1)
        [failed] = await fail_all(world)
        path = f"/dead-letters/{failed}/redrive" if by == "redrive" else f"/jobs/{failed}/retry"
        first = (await post(world, path, None)).json()["id"]

        again = await post(world, f"/dead-letters/{failed}/redrive", None)

        assert (again.status_code, problem(again)["code"]) == (409, "already_redriven")
        assert first in problem(again)["detail"]

    async def test_of_many_at_the_same_time_one_wins(self, world: World) -> None:
        await submit_many(world, 1)
        [failed] = await fail_all(world)
        app = world.gateway()
        async with client(app) as http:
            answers = await asyncio.gather(*(http.post(f"/dead-letters/{failed}/redrive") for _ in range(20)))

        assert sorted({answer.status_code for answer in answers}) == [201, 409]
        assert sum(answer.status_code == 201 for answer in answers) == 1
        assert len(await copies_of(world, failed)) == 1

    async def test_a_job_that_did_not_fail_is_no_dead_letter(self, world: World) -> None:
        [waiting] = await submit_many(world, 1)

        answer = await post(world, f"/dead-letters/{waiting}/redrive", None)
        nobody = await post(world, "/dead-letters/00000000-0000-7000-8000-000000000000/redrive", None)

        assert (answer.status_code, problem(answer)["code"]) == (409, "not_a_dead_letter")
        assert (nobody.status_code, problem(nobody)["code"]) == (404, "unknown_job")

    @pytest.mark.parametrize(
        "params",
        [
            {"limit": 0},
            {"limit": limits.PAGE_ITEMS_MAX + 1},
            {"cursor": "x"},
            {"cursor": "x" * (limits.CURSOR_CHARS_MAX + 1)},
            {"errorType": "x" * (limits.ERROR_TYPE_CHARS_MAX + 1)},
            {"kind": "x"},
        ],
        ids=str,
    )
    async def test_a_bad_query_is_refused(self, world: World, params: dict[str, Any]) -> None:
        async with client(world.gateway()) as http:
            answer = await http.get("/dead-letters", params=params)

        assert (answer.status_code, problem(answer)["code"] in {"bad_query", "bad_cursor"}) == (400, True)

    async def test_a_cursor_of_another_filter_is_refused(self, world: World) -> None:
        await submit_many(world, 3)
        await fail_all(world)
        cursor = (await self.letters(world, limit=1))["nextCursor"]

        async with client(world.gateway()) as http:
            answer = await http.get("/dead-letters", params={"cursor": cursor, "queue": "mail"})

        assert (answer.status_code, problem(answer)["code"]) == (400, "bad_cursor")


RESERVED = retry_key("01a20000-0000-7000-8000-000000000000")


@pytest.mark.parametrize("where", ["header", "body", "batch", "retry"])
async def test_nobody_can_take_the_key_by_which_a_job_is_repeated(world: World, where: str) -> None:
    body, header = {"type": "example", "idempotencyKey": RESERVED}, {"Idempotency-Key": RESERVED}
    [dead] = await submit_many(world, 1)
    await fail_all(world)
    stored = await world.stored()

    async with client(world.gateway()) as http:
        answer = {
            "header": lambda: http.post("/jobs", json={"type": "example"}, headers=header),
            "body": lambda: http.post("/jobs", json=body),
            "batch": lambda: http.post("/jobs/batch", json=[body]),
            "retry": lambda: http.post(f"/jobs/{dead}/retry", headers=header),
        }[where]
        said = await answer()

    refusal = said.json()["items"][0]["error"] if where == "batch" else problem(said)
    assert refusal["code"] == "reserved_idempotency_key"
    assert await world.stored() == stored
