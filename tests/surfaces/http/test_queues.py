"""Can queues be paused, resumed and limited over HTTP, and is it seen?"""

from typing import Any

import pytest

from observatory.contracts import validate
from observatory.core import limits
from observatory.core.command import Succeed
from observatory.job_store.port import Order
from tests.surfaces.http.services import World, client, problem, submit


async def post(world: World, path: str, body: Any = None, **options: Any) -> Any:
    async with client(world.gateway()) as http:
        return await http.post(path, **({"json": body} if body is not None else {}), **options)


async def queues(world: World) -> dict[str, Any]:
    async with client(world.read_model()) as http:
        answer = await http.get("/queues")
    assert validate("queue-list", answer.json(), known_values_only=True) == []
    return {item["queue"]: item for item in answer.json()["items"]}


async def claim(world: World, count_max: int = 10) -> list[Any]:
    return await world.store.claim(types=["example"], worker="worker-1", count_max=count_max, lease_s=15)


async def test_a_pause_is_answered_and_shown_with_who_and_why_also_without_a_job(world: World) -> None:
    answer = await post(world, "/queues/mail/pause", {"by": "ada@example", "reason": "the server is down"})

    assert answer.status_code == 200
    assert validate("queue-setting", answer.json()) == []
    wanted = {"pausedAt": "2026-01-01T00:00:00Z", "pausedBy": "ada@example", "pauseReason": "the server is down"}
    assert answer.json() == {"queue": "mail", **wanted}
    assert await queues(world) == {"mail": {"queue": "mail", "byStatus": {}, "depth": 0, "running": 0, **wanted}}


async def test_who_does_not_say_who_is_the_api(world: World) -> None:
    assert (await post(world, "/queues/mail/pause", {})).json()["pausedBy"] == "api"


async def test_a_second_pause_keeps_the_first(world: World) -> None:
    first = await post(world, "/queues/mail/pause", {"by": "ada"})
    world.clock.advance(60)

    again = await post(world, "/queues/mail/pause", {"by": "bob"})

    assert (again.status_code, again.json()) == (200, first.json())


async def test_what_is_paused_waits_and_goes_on_after_a_resume(world: World) -> None:
    await submit(world.gateway(), queue="mail")
    await post(world, "/queues/mail/pause", {})
    assert await claim(world) == []

    answer = await post(world, "/queues/mail/resume")

    assert (answer.status_code, answer.json()) == (200, {"queue": "mail"})
    assert len(await claim(world)) == 1


async def test_a_resume_of_a_queue_that_nobody_knows_changes_nothing(world: World) -> None:
    assert (await post(world, "/queues/unheard-of/resume")).json() == {"queue": "unheard-of"}
    assert await queues(world) == {}


async def test_a_limit_is_shown_beside_what_it_bounds(world: World) -> None:
    for _ in range(3):
        await submit(world.gateway(), queue="mail")
    await post(world, "/queues/mail/concurrency", {"concurrencyMax": 2})
    await claim(world)

    mail = (await queues(world))["mail"]

    assert (mail["depth"], mail["running"], mail["concurrencyMax"]) == (3, 2, 2)


@pytest.mark.parametrize("path", ["/queues/mail/resume", "/queues/mail/concurrency"])
async def test_a_queue_that_opens_wakes_the_processors(world: World, path: str) -> None:
    hints = await world.bus.listen()

    await post(world, path, {"concurrencyMax": 2} if path.endswith("concurrency") else None)

    assert await hints.wait(timeout_s=0)


async def test_a_cancel_that_makes_room_wakes_the_processors(world: World) -> None:
    job = await submit(world.gateway(), queue="mail")
    await world.store.claim(types=["example"], worker="w", count_max=0, buffer_max=1, lease_s=15)
    await post(world, "/queues/mail/concurrency", {"concurrencyMax": 1})
    hints = await world.bus.listen()

    answer = await post(world, f"/jobs/{job['id']}/cancel")

    assert (answer.status_code, await hints.wait(timeout_s=0)) == (200, True)


async def test_what_runs_when_its_queue_is_paused_completes(world: World) -> None:
    await submit(world.gateway(), queue="mail")
    [job] = await claim(world)
    await post(world, "/queues/mail/pause", {})

    await world.store.apply([Order(job.id, Succeed(fence=job.fence))])

    assert (await world.job(job.id)).status == "COMPLETED"


@pytest.mark.parametrize("most", [1, limits.QUEUE_CONCURRENCY_MAX, None])
async def test_a_limit_within_its_bounds_is_taken(world: World, most: int | None) -> None:
    answer = await post(world, "/queues/mail/concurrency", {"concurrencyMax": most})

    assert (answer.status_code, answer.json().get("concurrencyMax")) == (200, most)


@pytest.mark.parametrize(
    ("action", "body", "pointer"),
    [
        ("concurrency", {"concurrencyMax": 0}, "/concurrencyMax"),
        ("concurrency", {"concurrencyMax": -1}, "/concurrencyMax"),
        ("concurrency", {"concurrencyMax": limits.QUEUE_CONCURRENCY_MAX + 1}, "/concurrencyMax"),
        ("concurrency", {"concurrencyMax": 1.5}, "/concurrencyMax"),
        ("concurrency", {"concurrencyMax": "3"}, "/concurrencyMax"),
        ("concurrency", {}, "/concurrencyMax"),
        ("concurrency", [], ""),
        ("pause", {"by": ""}, "/by"),
        ("pause", {"by": "x" * (limits.ACTOR_CHARS_MAX + 1)}, "/by"),
        ("pause", {"by": "a\x1b[31m"}, "/by"),
        ("pause", {"by": None}, "/by"),
        ("pause", {"reason": "a\nb"}, "/reason"),
        ("pause", {"reason": "y" * (limits.REASON_CHARS_MAX + 1)}, "/reason"),
        ("pause", "now", ""),
    ],
    ids=str,
)
async def test_a_bad_body_is_refused_with_its_place_and_nothing_is_set(
    world: World, action: str, body: Any, pointer: str
) -> None:
    answer = await post(world, f"/queues/mail/{action}", body)

    assert (answer.status_code, problem(answer)["code"]) == (400, "invalid_request")
    assert [item["pointer"] for item in problem(answer)["errors"]] == [pointer]
    assert await queues(world) == {}


@pytest.mark.parametrize("content", [b"", b"{", b'{"by":"a","by":"b"}', b"\xff"])
async def test_a_body_that_is_not_json_is_refused(world: World, content: bytes) -> None:
    answer = await post(world, "/queues/mail/pause", content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400


async def test_a_body_of_another_kind_is_refused(world: World) -> None:
    assert (await post(world, "/queues/mail/pause", content=b"by=me")).status_code == 415


@pytest.mark.parametrize("action", ["pause", "resume", "concurrency"])
@pytest.mark.parametrize("name", ["a b", ".hidden", "x" * 65, "ä", "a%0Ab", "%00"])
async def test_a_name_that_no_job_could_have_is_refused(world: World, action: str, name: str) -> None:
    body = None if action == "resume" else {"concurrencyMax": 1}

    answer = await post(world, f"/queues/{name}/{action}", body)

    assert (answer.status_code, problem(answer)["code"]) == (400, "bad_queue_name")
    assert await queues(world) == {}


async def test_the_longest_name_is_taken(world: World) -> None:
    assert (await post(world, f"/queues/{'x' * limits.QUEUE_NAME_CHARS_MAX}/pause", {})).status_code == 200


async def test_one_queue_more_than_may_be_set_is_refused_with_the_cure(world: World) -> None:
    for number in range(limits.QUEUES_SET_MAX):
        await world.queues.set_concurrency(f"q{number}", 1)

    answer = await post(world, "/queues/mail/pause", {})

    assert (answer.status_code, problem(answer)["code"]) == (409, "too_many_queues")
    assert "resume one" in problem(answer)["detail"]


@pytest.mark.parametrize("action", ["pause", "resume", "concurrency"])
async def test_who_has_no_token_changes_nothing(world: World, action: str) -> None:
    async with client(world.gateway(), headers={}) as http:
        answer = await http.post(f"/queues/mail/{action}", json={"concurrencyMax": 1})

    assert answer.status_code == 401
    assert await queues(world) == {}
