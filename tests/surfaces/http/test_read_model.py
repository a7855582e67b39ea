"""Does the read model tell the truth, with its place and its age, or say that it cannot?"""

import base64
from typing import Any

import httpx2
import pytest

from observatory.contracts import validate
from observatory.core import limits
from observatory.core.command import Cancel, Succeed
from observatory.core.errors import ViewsUnavailable
from observatory.core.folds import STATS_VIEW
from observatory.core.handler import Isolation, TypeInfo
from observatory.core.job import JobStatus
from observatory.job_store.port import Order, WorkerInfo
from tests.surfaces.http.services import World, client, problem, submit

NO_JOB = "00000000-0000-7000-8000-000000000000"


async def get(world: World, path: str, **options: Any) -> httpx2.Response:
    async with client(world.read_model(), **options) as http:
        return await http.get(path)


async def complete_one(world: World) -> str:
    [job] = await world.store.claim(types=["example"], worker="worker-1", count_max=1, lease_s=15)
    await world.store.apply([Order(job.id, Succeed(fence=job.fence, result={"n": 1}, run_s=0.5))])
    return job.id


def worker(world: World, instance_id: str = "worker-1") -> WorkerInfo:
    return WorkerInfo(
        instance_id=instance_id, host="h", pid=1, version="1", started_at=world.clock.now(), slots=2, types=("example",)
    )


class TestStats:
    async def test_numbers_carry_their_place_their_age_and_their_source(self, world: World) -> None:
        for _ in range(3):
            await submit(world.gateway())
        await complete_one(world)
        await world.fold()

        answer = await get(world, "/stats")

        stats = answer.json()
        assert validate("stats", stats) == []
        assert (stats["totalJobs"], stats["completedJobs"], stats["failedJobs"]) == (3, 1, 0)
        assert (stats["byStatus"]["PENDING"], stats["byStatus"]["COMPLETED"]) == (2, 1)
        assert (stats["position"], stats["lag"], stats["state"], stats["source"]) == (6, 0, "live", "sqlite")
        assert answer.headers["cache-control"] == "no-store"

    async def test_what_is_not_counted_yet_is_said(self, world: World) -> None:
        await submit(world.gateway())
        await world.fold()
        await submit(world.gateway())
        world.clock.advance(7)

        stats = (await get(world, "/stats")).json()

        assert (stats["totalJobs"], stats["lag"], stats["lagSeconds"]) == (1, 1, 7.0)

    async def test_no_view_beside_a_history_is_rebuilding_and_not_zero(self, world: World) -> None:
        await submit(world.gateway())

        stats = (await get(world, "/stats")).json()

        assert (stats["state"], stats["lag"]) == ("rebuilding", 1)

    async def test_a_view_that_began_anew_is_rebuilding_until_it_has_caught_up(self, world: World) -> None:
        app = world.read_model()
        await submit(world.gateway())
        await world.fold()
        async with client(app) as http:
            live = (await http.get("/stats")).json()["state"]
            await world.views.drop(STATS_VIEW)
            await submit(world.gateway())
            await world.fold()
            await submit(world.gateway())
            before_caught_up = (await http.get("/stats")).json()["state"]
            await world.fold()
            caught_up = (await http.get("/stats")).json()["state"]

        assert (live, before_caught_up, caught_up) == ("live", "rebuilding", "live")

    async def test_an_empty_installation_is_empty_and_live(self, world: World) -> None:
        stats = (await get(world, "/stats")).json()

        assert validate("stats", stats) == []
        assert (stats["totalJobs"], stats["lastEventTime"], stats["state"]) == (0, None, "live")

    async def test_a_broken_view_store_is_named_and_nothing_is_counted(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def broken(name: str) -> None:
            raise ViewsUnavailable("gone")

        monkeypatch.setattr(world.views, "load", broken)

        answer = await get(world, "/stats")
        metrics = (await get(world, "/metrics")).text

        assert (answer.status_code, problem(answer)["code"]) == (503, "views_unavailable")
        assert "view store" in answer.json()["detail"]
        assert "totalJobs" not in answer.json()
        assert 'odd_dependency_up{dependency="view_store"} 0.0' in metrics
        assert "odd_jobs{" not in metrics

    async def test_the_view_is_exported_as_metrics(self, world: World) -> None:
        for _ in range(2):
            await submit(world.gateway())
        await complete_one(world)
        await world.fold()

        metrics = (await get(world, "/metrics")).text.splitlines()

        assert 'odd_jobs{state="pending"} 1.0' in metrics
        assert 'odd_jobs_finished_total{job_type="example",outcome="completed"} 1.0' in metrics
        assert 'odd_job_attempts_total{outcome="succeeded"} 1.0' in metrics
        assert "odd_outbox_pending 0.0" in metrics


class TestJobs:
    async def test_pages_follow_each_other_without_a_gap_or_a_repetition(self, world: World) -> None:
        gateway = world.gateway()
        accepted = [(await submit(gateway))["id"] for _ in range(5)]
        found: list[str] = []
        path = "/jobs?limit=2"
        async with client(world.read_model()) as http:
            while path:
                page = (await http.get(path)).json()
                assert validate("job-list", page) == []
                found += [job["id"] for job in page["items"]]
                path = page["nextCursor"] and f"/jobs?limit=2&cursor={page['nextCursor']}"

        assert found == accepted[::-1]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("status=PENDING", {"a", "b"}),
            ("status=COMPLETED", set()),
            ("type=other", {"b"}),
            ("queue=fast", {"a"}),
            ("idempotencyKey=k", {"b"}),
            ("correlationId=0190f3a0-7b1c-7d3e-8f00-000000000001", {"a"}),
            ("type=other&queue=fast", set()),
        ],
    )
    async def test_every_filter_given_must_match(self, query: str, expected: set[str], world: World) -> None:
        gateway = world.gateway()
        correlation_id = "0190f3a0-7b1c-7d3e-8f00-000000000001"
        await submit(gateway, metadata={"name": "a"}, queue="fast", correlationId=correlation_id)
        await submit(gateway, metadata={"name": "b"}, type="other", idempotencyKey="k")

        page = (await get(world, f"/jobs?{query}")).json()

        assert {job["metadata"]["name"] for job in page["items"]} == expected

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("status=DONE", "bad_query"),
            ("limit=0", "bad_query"),
            ("limit=-1", "bad_query"),
            (f"limit={limits.PAGE_ITEMS_MAX + 1}", "bad_query"),
            ("limit=1000000000000000000000", "bad_query"),
            ("limit=ten", "bad_query"),
            ("correlationId=1", "bad_query"),
            ("state=PENDING", "bad_query"),
            ("status=PENDING&status=FAILED", "bad_query"),
            ("type=" + "a" * 51, "bad_query"),
            ("cursor=", "bad_cursor"),
            ("cursor=abc", "bad_cursor"),
            ("cursor=%00", "bad_query"),
            ("cursor=" + "A" * 513, "bad_query"),
            ("%3Cscript%3E=1", "bad_query"),
        ],
    )
    async def test_a_wrong_question_is_refused(self, query: str, code: str, world: World) -> None:
        answer = await get(world, f"/jobs?{query}")

        assert (answer.status_code, problem(answer)["code"]) == (400, code)
        assert "<script>" not in answer.text

    @pytest.mark.parametrize(
        ("asked", "detail"),
        [
            ("/jobs?correlationId=zzz", "correlationId must be a UUID"),
            ("/jobs?limit=501", "limit must be a whole number from 1 to 500"),
            ("/jobs?limit=ten", "limit must be a whole number from 1 to 500"),
            (
                "/jobs?limit=0&queue=" + "q" * 65,
                "limit must be a whole number from 1 to 500; queue must be text of at most 64 characters",
            ),
            ("/jobs?status=FOO", f"status must be one of {', '.join(JobStatus)}"),
            ("/events?after=x", f"after must be a whole number from 0 to {limits.JSON_INTEGER_MAX}"),
            ("/events?format=xml", "format must be one of envelope, cloudevents"),
            ("/jobs?type=" + "t" * 51, "type must be text of at most 50 characters"),
            ("/stream?generation=a+b", "generation must be of the form ^[0-9A-Za-z-]{1,64}$"),
            (f"/jobs/{NO_JOB}/logs?attempt=0", "attempt must be a whole number from 1 to 100"),
        ],
    )
    async def test_a_refusal_of_a_query_speaks_in_the_words_of_its_caller(
        self, asked: str, detail: str, world: World
    ) -> None:
        async with client(world.read_model()) as http:
            refused = problem(await http.get(asked))

        assert sorted(refused["detail"].split("; ")) == detail.split("; ")

    async def test_a_changed_or_foreign_cursor_is_refused(self, world: World) -> None:
        gateway = world.gateway()
        for _ in range(3):
            await submit(gateway)
        cursor: str = (await get(world, "/jobs?limit=1")).json()["nextCursor"]
        raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        raw[8] ^= 1
        changed = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")

        answers = [
            await get(world, f"/jobs?limit=1&cursor={changed}"),
            await get(world, f"/jobs?limit=1&cursor={cursor[:-1]}"),
            await get(world, f"/jobs?limit=1&type=example&cursor={cursor}"),
            await get(world, f"/events?limit=1&cursor={cursor}"),
        ]

        assert [(one.status_code, problem(one)["code"]) for one in answers] == [(400, "bad_cursor")] * 4

    async def test_recent_jobs_are_a_bare_array(self, world: World) -> None:
        jobs = [await submit(world.gateway()) for _ in range(3)]

        answer = (await get(world, "/jobs/recent?limit=2")).json()

        assert answer == [jobs[2], jobs[1]]

    async def test_one_job_is_the_truth_and_keeps_its_contract(self, world: World) -> None:
        job = await submit(world.gateway())
        await complete_one(world)

        answer = await get(world, f"/jobs/{job['id']}")

        assert validate("job", answer.json()) == []
        assert (answer.json()["status"], answer.json()["result"]) == ("COMPLETED", {"n": 1})

    @pytest.mark.parametrize("rest", ["", "/events"])
    async def test_an_unknown_job_is_404(self, rest: str, world: World) -> None:
        answer = await get(world, f"/jobs/{NO_JOB}{rest}")

        assert (answer.status_code, problem(answer)["code"]) == (404, "unknown_job")

    async def test_a_store_that_does_not_answer_is_never_an_empty_list(self, world: World) -> None:
        app = world.read_model()
        await world.file.close()
        async with client(app) as http:
            answers = [await http.get(path) for path in ("/jobs", "/jobs/recent", "/queues", "/workers", "/types")]

        assert {(one.status_code, problem(one)["code"]) for one in answers} == {(503, "store_unavailable")}
        assert {problem(one)["detail"] for one in answers} == {"the job store did not answer"}


class TestEvents:
    async def test_the_history_of_a_job_is_whole_and_in_order(self, world: World) -> None:
        job = await submit(world.gateway())
        await complete_one(world)

        page = (await get(world, f"/jobs/{job['id']}/events")).json()

        assert validate("event-list", page) == []
        assert [event["sequence"] for event in page["items"]] == [1, 2, 3, 4]
        assert all(event["payload"]["id"] == event["jobId"] == job["id"] for event in page["items"])

    async def test_events_go_on_after_a_position_and_by_cursor(self, world: World) -> None:
        for _ in range(3):
            await submit(world.gateway())

        after = (await get(world, "/events?after=1&limit=1")).json()
        following = (await get(world, f"/events?limit=1&cursor={after['nextCursor']}")).json()
        both = await get(world, f"/events?after=1&cursor={after['nextCursor']}")

        assert validate("event-list", after) == []
        assert [page["items"][0]["position"] for page in (after, following)] == [2, 3]
        assert (both.status_code, problem(both)["code"]) == (400, "bad_query")

    async def test_events_are_filtered_by_job_and_type(self, world: World) -> None:
        jobs = [await submit(world.gateway()) for _ in range(2)]
        done = await complete_one(world)

        of_job = (await get(world, f"/events?jobId={done}")).json()["items"]
        of_type = (await get(world, "/events?type=job.created")).json()["items"]

        assert {event["jobId"] for event in of_job} == {done}
        assert [event["jobId"] for event in of_type] == [job["id"] for job in jobs]

    async def test_events_are_given_as_cloud_events(self, world: World) -> None:
        job = await submit(world.gateway())
        await submit(world.gateway())

        answer = await get(world, "/events?format=cloudevents&limit=1")

        [event] = answer.json()
        assert answer.headers["content-type"] == "application/cloudevents-batch+json"
        assert 'rel="next"' in answer.headers["link"]
        assert (event["specversion"], event["type"]) == ("1.0", "io.task-observatory.job.created")
        assert (event["subject"], event["data"]["id"]) == (job["id"], job["id"])
        assert all(name.isalnum() and name == name.lower() for name in event)

    async def test_the_history_that_does_not_answer_is_named(self, world: World) -> None:
        app = world.read_model()
        await world.file.close()
        async with client(app) as http:
            answer = await http.get("/events")

        assert (answer.status_code, problem(answer)["code"]) == (503, "log_unavailable")


async def walk(world: World, path: str) -> list[list[dict[str, Any]]]:
    """The items of every page of the list at *path*."""
    pages, cursor = [], ""
    while True:
        document = (await get(world, f"{path}&cursor={cursor}" if cursor else path)).json()
        pages.append(document["items"])
        cursor = document.get("nextCursor")
        if cursor is None:
            return pages


class TestLargeItems:
    """What one answer holds is bounded in bytes, too."""

    @pytest.mark.parametrize("path", ["/jobs?limit=500", "/events?limit=500", "/jobs/{job_id}/events?limit=500"])
    async def test_a_list_stops_at_the_bound_and_its_cursor_goes_on(
        self, path: str, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(4):
            job = await submit(world.gateway(), payload={"text": "x" * 5_000})
        await world.store.apply([Order(job["id"], Cancel())])
        path = path.replace("{job_id}", job["id"])
        (at_once,) = await walk(world, path)
        monkeypatch.setattr(limits, "READ_BYTES_MAX", 12_000)

        pages = await walk(world, path)

        assert [item for page in pages for item in page] == at_once
        assert len(pages) == (1 if "jobs/" in path else 2)
        monkeypatch.setattr(limits, "READ_BYTES_MAX", 1)
        assert [len(page) for page in await walk(world, path)] == [1] * len(at_once)

    async def test_recent_jobs_stop_at_the_bound(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        jobs = [await submit(world.gateway(), payload={"text": "x" * 5_000}) for _ in range(4)]
        monkeypatch.setattr(limits, "READ_BYTES_MAX", 12_000)

        recent = (await get(world, "/jobs/recent?limit=500")).json()

        assert [job["id"] for job in recent] == [jobs[3]["id"], jobs[2]["id"]]

    async def test_the_last_full_page_says_that_it_is_the_last(self, world: World) -> None:
        for _ in range(4):
            await submit(world.gateway())

        assert [len(page) for page in await walk(world, "/events?limit=2")] == [2, 2]


class TestParts:
    async def test_queues_show_what_is_open(self, world: World) -> None:
        await submit(world.gateway())
        await submit(world.gateway(), queue="fast", runAt="2026-01-02T00:00:00Z")

        page = (await get(world, "/queues")).json()

        assert validate("queue-list", page) == []
        assert [(queue["queue"], queue["depth"]) for queue in page["items"]] == [("default", 1), ("fast", 1)]

    async def test_a_processor_is_alive_until_its_leases_would_have_ended(self, world: World) -> None:
        await world.store.heartbeat(worker(world), [], lease_s=15)

        alive = (await get(world, "/workers")).json()
        world.clock.advance(limits.LEASE_S + 0.001)
        [gone] = (await get(world, "/workers")).json()["items"]

        assert validate("worker-list", alive) == []
        assert (alive["items"][0]["isAlive"], alive["items"][0]["heartbeatAgeSeconds"]) == (True, 0.0)
        assert gone["isAlive"] is False

    async def test_types_say_what_they_accept(self, world: World) -> None:
        schema = {"type": "object", "required": ["path"]}
        await world.store.announce(
            [
                TypeInfo(
                    type="example", runs_in=Isolation.PROCESS, max_attempts=3, timeout_seconds=9, payload_schema=schema
                )
            ]
        )

        page = (await get(world, "/types")).json()

        assert validate("type-list", page) == []
        assert page["items"][0]["payloadSchema"] == schema
        assert page["items"][0]["seenAt"] == "2026-01-01T00:00:00Z"

    async def test_the_registry_gives_the_actual_ports(self, world: World) -> None:
        async with client(world.read_model(web_port=18081)) as http:
            registry = (await http.get("/ui-registry")).json()

        assert validate("ui-registry", registry) == []
        assert len(registry["entries"]) == 9
        assert {entry["id"]: entry["port"] for entry in registry["entries"]}["web-dashboard"] == 18081


async def test_the_read_model_agrees_with_the_truth_row_by_row(world: World) -> None:
    ids = [(await submit(world.gateway()))["id"] for _ in range(4)]
    await complete_one(world)

    found = {job["id"]: job["status"] for job in (await get(world, "/jobs")).json()["items"]}

    assert found == {job_id: (await world.job(job_id)).status for job_id in ids}
