"""A job whose stored row is damaged: lists go on without it and name it, and asking for it says what is wrong."""

import pytest

from observatory.contracts import validate
from observatory.core import limits
from observatory.core.handler import Isolation, TypeInfo
from tests.surfaces.http.services import World, client, problem, submit


async def damage(world: World, *job_ids: str) -> None:
    for job_id in job_ids:
        await world.file.write(
            lambda connection, wanted=job_id: connection.execute(
                "UPDATE jobs SET payload = 'zzz' WHERE id = ?", (wanted,)
            )
        )


async def test_a_list_goes_on_and_names_the_damaged_job(world: World) -> None:
    first, bad, last = [(await submit(world.gateway()))["id"] for _ in range(3)]
    await damage(world, bad)

    async with client(world.read_model()) as http:
        page = (await http.get("/jobs")).json()
        one_by_one = [(await http.get("/jobs?limit=1")).json()]
        while cursor := one_by_one[-1]["nextCursor"]:
            one_by_one.append((await http.get(f"/jobs?limit=1&cursor={cursor}")).json())

    assert [job["id"] for job in page["items"]] == [last, first]
    assert page["unreadable"] == [bad]
    assert [[job["id"] for job in one["items"]] for one in one_by_one] == [[last], [], [first]]
    assert [one.get("unreadable") for one in one_by_one] == [None, [bad], None]
    assert [fault for one in (page, *one_by_one) for fault in validate("job-list", one)] == []


async def test_recent_jobs_go_on_and_a_warning_names_the_damaged_one(world: World) -> None:
    bad, last = [(await submit(world.gateway()))["id"] for _ in range(2)]
    async with client(world.read_model()) as http:
        assert "job-warning" not in (await http.get("/jobs/recent")).headers

        await damage(world, bad)
        answer = await http.get("/jobs/recent")

    assert [job["id"] for job in answer.json()] == [last]
    assert answer.headers["job-warning"] == f"row_unreadable: left out, because the stored row is damaged: {bad}"


async def test_a_warning_names_some_and_counts_the_rest(world: World) -> None:
    job_ids = [(await submit(world.gateway()))["id"] for _ in range(limits.VIOLATIONS_NAMED_MAX + 2)]
    await damage(world, *job_ids)

    async with client(world.read_model()) as http:
        answer = await http.get("/jobs/recent")

    assert answer.json() == []
    assert answer.headers["job-warning"].endswith(" and 2 more")
    assert answer.headers["job-warning"].count(", ") == limits.VIOLATIONS_NAMED_MAX


@pytest.mark.parametrize(
    ("service", "method", "path"),
    [("read-model", "GET", ""), ("gateway", "POST", "/cancel"), ("gateway", "POST", "/retry")],
)
async def test_asking_for_the_damaged_job_says_what_is_wrong(
    world: World, service: str, method: str, path: str
) -> None:
    bad = (await submit(world.gateway()))["id"]
    await damage(world, bad)

    async with client(world.service(service)) as http:
        answer = await http.request(method, f"/jobs/{bad}{path}")

    assert answer.status_code == 500
    assert problem(answer)["code"] == "row_unreadable"
    assert bad in problem(answer)["detail"]


async def test_other_jobs_of_a_batch_are_accepted_beside_a_key_of_a_damaged_one(world: World) -> None:
    bad = (await submit(world.gateway(), idempotencyKey="k"))["id"]
    await damage(world, bad)
    jobs = [{"type": "example", "idempotencyKey": "k"}, {"type": "example"}]

    async with client(world.gateway()) as http:
        items = (await http.post("/jobs/batch", json=jobs)).json()["items"]

    assert items[0]["error"]["code"] == "row_unreadable"
    assert items[1]["job"]["status"] == "PENDING"


async def test_a_key_of_a_damaged_job_is_in_use_although_its_type_takes_something_else_now(world: World) -> None:
    bad = (await submit(world.gateway(), idempotencyKey="k"))["id"]
    await damage(world, bad)
    schema = {"type": "object", "required": ["n"]}
    await world.store.announce(
        [TypeInfo(type="example", runs_in=Isolation.ASYNC, max_attempts=1, timeout_seconds=1.0, payload_schema=schema)]
    )

    async with client(world.gateway()) as http:
        answer = await http.post("/jobs", json={"type": "example", "idempotencyKey": "k"})

    assert (answer.status_code, problem(answer)["code"]) == (500, "row_unreadable")
