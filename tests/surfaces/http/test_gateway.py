"""Does the gateway keep its contract?"""

import asyncio
import json
from typing import Any

import pytest

from observatory.contracts import validate
from observatory.core import limits
from observatory.core.command import Succeed
from observatory.core.errors import BusUnavailable
from observatory.core.handler import Isolation, TypeInfo
from observatory.job_store.port import JobFilter, Order
from tests.surfaces.http.services import AUTHORIZATION, World, client, problem, submit

JSON = {"Content-Type": "application/json"}
NO_JOB = "00000000-0000-7000-8000-000000000000"


async def claim(world: World) -> Any:
    [job] = await world.store.claim(types=["example"], worker="worker-1", count_max=1, lease_s=15)
    return job


async def finish(world: World) -> None:
    job = await claim(world)
    await world.store.apply([Order(job.id, Succeed(fence=job.fence))])


async def announce(world: World, **changes: Any) -> None:
    info = {"type": "example", "runs_in": Isolation.ASYNC, "max_attempts": 7, "timeout_seconds": 12.5}
    await world.store.announce([TypeInfo(**(info | changes))])


class TestSubmit:
    async def test_an_accepted_job_is_answered_whole_and_can_be_read_at_its_location(self, world: World) -> None:
        async with client(world.gateway()) as http:
            answer = await http.post("/jobs", json={"type": "resize", "payload": {}})
            again = await http.get(answer.headers["location"])

        job = answer.json()
        assert answer.status_code == 201
        assert validate("job", job) == []
        assert answer.headers["location"] == f"/jobs/{job['id']}"
        assert again.json() == job
        assert (await world.job(job["id"])).type == "resize"

    async def test_the_same_key_with_the_same_body_gives_the_first_job(self, world: World) -> None:
        headers = {"Idempotency-Key": "order-1"}
        async with client(world.gateway()) as http:
            first = await http.post("/jobs", content='{"type":"a","payload":{"n":1,"m":2}}', headers=JSON | headers)
            again = await http.post(
                "/jobs", content='{"payload": {"m": 2, "n": 1.0}, "type": "a"}', headers=JSON | headers
            )

        assert again.status_code == 200
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json() == first.json()
        assert "idempotency-replayed" not in first.headers
        assert await world.stored() == 1

    async def test_a_repetition_gives_the_first_job_also_when_the_type_has_changed_since(self, world: World) -> None:
        gateway, body = world.gateway(), {"type": "example", "payload": {"n": 1}, "idempotencyKey": "k"}
        async with client(gateway) as http:
            first = await http.post("/jobs", json=body)
            await announce(world, payload_schema={"type": "object", "required": ["m"]})
            world.clock.advance(limits.TYPES_CACHE_S)
            again = await http.post("/jobs", json=body)
            other = await http.post("/jobs", json=body | {"payload": {"n": 2}})
            new = await http.post("/jobs", json=body | {"idempotencyKey": "another"})

        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
        assert (other.status_code, problem(other)["code"]) == (409, "idempotency_conflict")
        assert (new.status_code, problem(new)["code"]) == (400, "invalid_job")

    async def test_a_type_that_nobody_announced_is_accepted_with_a_warning(self, world: World) -> None:
        gateway = world.gateway()
        await announce(world)
        async with client(gateway) as http:
            known = await http.post("/jobs", json={"type": "example"})
            unknown = await http.post("/jobs", json={"type": "exmaple"})
            batch = await http.post("/jobs/batch", json=[{"type": "example"}, {"type": "exmaple"}])

        assert (known.status_code, unknown.status_code) == (201, 201)
        assert "job-warning" not in known.headers
        warning = 'unknown_type: no processor has announced the type "exmaple"; the job waits until one does'
        assert unknown.headers["job-warning"] == warning
        assert [item.get("warning") for item in batch.json()["items"]] == [None, warning]
        assert validate("job-batch-response", batch.json()) == []

    async def test_members_that_mean_nothing_are_ignored_with_a_warning(self, world: World) -> None:
        gateway = world.gateway()
        await announce(world)
        misspelt: dict[str, Any] = {"type": "example", "maxAttemtps": 9}
        hostile = {
            "type": "exmaple",
            "a\r\nSet-Cookie: b\u2028\x7f": 1,
            "x" * 200: 1,
            "max_attempts": 1,
            "p": 1,
            "q": 1,
        }
        async with client(gateway) as http:
            known = await http.post("/jobs", json={"type": "example", "maxAttempts": 9})
            one = await http.post("/jobs", json=misspelt)
            many = await http.post("/jobs", json=hostile)
            batch = await http.post("/jobs/batch", json=[{"type": "example"}, misspelt, {"type": "?"}])

        assert "job-warning" not in known.headers
        warning = 'unknown_member: "maxAttemtps" is not a member of a job request; did you mean "maxAttempts"?'
        assert (one.status_code, one.headers["job-warning"]) == (201, warning)
        assert [item.get("warning") for item in batch.json()["items"]] == [None, warning, None]
        assert validate("job-batch-response", batch.json()) == []
        said = many.headers["job-warning"]
        assert said.startswith('unknown_type: no processor has announced the type "exmaple"; ')
        name, cut = r'"a\r\nSet-Cookie: b\u2028\u007f"', f'"{"x" * limits.ECHO_CHARS_MAX}"... (200 characters)'
        assert said.partition("; unknown_member: ")[2] == (
            f"{name} is not a member of a job request; {cut} is not a member of a job request; "
            '"max_attempts" is not a member of a job request; did you mean "maxAttempts"?; and 2 more'
        )

    async def test_a_key_in_the_body_is_the_key_in_the_header(self, world: World) -> None:
        async with client(world.gateway()) as http:
            first = await http.post("/jobs", json={"type": "a", "idempotencyKey": "k"})
            again = await http.post("/jobs", json={"type": "a"}, headers={"Idempotency-Key": "k"})

        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])

    @pytest.mark.parametrize("other", [{"type": "b"}, {"type": "a", "priority": 1}, {"type": "a", "payload": {"x": 1}}])
    async def test_the_same_key_with_another_body_is_refused(self, other: dict[str, Any], world: World) -> None:
        async with client(world.gateway()) as http:
            await http.post("/jobs", json={"type": "a"}, headers={"Idempotency-Key": "k"})
            answer = await http.post("/jobs", json=other, headers={"Idempotency-Key": "k"})

        assert problem(answer)["code"] == "idempotency_conflict"
        assert answer.status_code == 409
        assert await world.stored() == 1

    async def test_two_different_keys_in_one_call_are_refused(self, world: World) -> None:
        async with client(world.gateway()) as http:
            body = {"type": "a", "idempotencyKey": "one"}
            answer = await http.post("/jobs", json=body, headers={"Idempotency-Key": "two"})

        assert (answer.status_code, problem(answer)["code"]) == (400, "idempotency_keys_differ")

    @pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 129])
    async def test_a_malformed_key_is_refused(self, key: str, world: World) -> None:
        async with client(world.gateway()) as http:
            headers = {"Idempotency-Key": key.encode("latin-1")}
            answer = await http.post("/jobs", json={"type": "a"}, headers=headers)

        assert (answer.status_code, problem(answer)["code"]) == (400, "bad_idempotency_key")

    async def test_two_hundred_callers_with_one_key_make_one_job(self, world: World) -> None:
        async with client(world.gateway()) as http:
            calls = [http.post("/jobs", json={"type": "a"}, headers={"Idempotency-Key": "k"}) for _ in range(200)]
            answers = await asyncio.gather(*calls)

        assert sorted({answer.status_code for answer in answers}) == [200, 201]
        assert len({answer.json()["id"] for answer in answers}) == 1

    async def test_what_the_caller_says_goes_before_the_type_and_that_before_the_defaults(self, world: World) -> None:
        await announce(world)
        gateway = world.gateway()

        of_type = await submit(gateway)
        said = await submit(gateway, maxAttempts=2, timeoutSeconds=5.0, priority=0, queue="fast")
        unknown = await submit(gateway, type="unheard-of")

        assert (of_type["maxAttempts"], of_type["timeoutSeconds"]) == (7, 12.5)
        assert (said["maxAttempts"], said["timeoutSeconds"], said["priority"], said["queue"]) == (2, 5.0, 0, "fast")
        assert (unknown["maxAttempts"], unknown["queue"]) == (limits.ATTEMPTS_DEFAULT, "default")

    async def test_a_payload_is_held_to_the_schema_of_its_type_once_that_is_known(self, world: World) -> None:
        schema = {"type": "object", "required": ["path"], "properties": {"width": {"type": "integer", "minimum": 1}}}
        gateway = world.gateway()
        before = await submit(gateway, payload={})
        await announce(world, payload_schema=schema)
        world.clock.advance(limits.TYPES_CACHE_S)

        async with client(gateway) as http:
            missing = await http.post("/jobs", json={"type": "example", "payload": {}})
            wrong = await http.post("/jobs", json={"type": "example", "payload": {"path": "a", "width": 0}})

        assert before["status"] == "PENDING"
        assert [item["pointer"] for item in problem(missing)["errors"]] == ["/payload/path"]
        assert problem(wrong)["errors"] == [
            {"pointer": "/payload/width", "detail": "must be at least 1, not 0", "code": "minimum"}
        ]

    async def test_a_job_for_later_is_scheduled_in_utc(self, world: World) -> None:
        job = await submit(world.gateway(), runAt="2026-01-02T01:00:00+01:00")

        assert (job["status"], job["runAt"]) == ("SCHEDULED", "2026-01-02T00:00:00Z")

    async def test_a_ready_job_wakes_the_processors_and_a_later_one_does_not(self, world: World) -> None:
        gateway = world.gateway()
        hints = await world.bus.listen()

        await submit(gateway, runAt="2026-01-02T00:00:00Z")
        after_later = await hints.wait(timeout_s=0)
        await submit(gateway)

        assert not after_later
        assert await hints.wait(timeout_s=0)

    async def test_a_lost_hint_does_not_undo_the_accept(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        async def broken(*_: object) -> None:
            raise BusUnavailable("no bus")

        monkeypatch.setattr(world.bus, "hint", broken)

        assert (await submit(world.gateway()))["status"] == "PENDING"

    async def test_a_store_that_does_not_answer_is_503_with_a_time_to_wait(self, world: World) -> None:
        async with client(world.gateway()) as http:
            await world.file.close()
            answer = await http.post("/jobs", json={"type": "a"})

        assert (answer.status_code, problem(answer)["code"]) == (503, "store_unavailable")
        assert "not known whether a change took effect" in problem(answer)["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert "sqlite" not in answer.text.lower()

    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({"Content-Type": "text/plain"}, "unsupported_media_type"),
            ({"Content-Type": ""}, "unsupported_media_type"),
            ({"Content-Type": "application/json; charset=latin-1"}, "unsupported_charset"),
            (JSON | {"Content-Encoding": "gzip"}, "unsupported_encoding"),
        ],
    )
    async def test_only_plain_json_in_utf8_is_read(self, headers: dict[str, str], code: str, world: World) -> None:
        async with client(world.gateway()) as http:
            answer = await http.post("/jobs", content='{"type":"a"}', headers=headers)

        assert (answer.status_code, problem(answer)["code"]) == (415, code)
        assert await world.stored() == 0

    @pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", 'Application/JSON; charset="UTF-8"'])
    async def test_utf8_may_be_named(self, media_type: str, world: World) -> None:
        async with client(world.gateway()) as http:
            answer = await http.post("/jobs", content='{"type":"a"}', headers={"Content-Type": media_type})

        assert answer.status_code == 201

    async def test_correlation_and_trace_reach_the_job(self, world: World) -> None:
        headers = {
            "X-Correlation-Id": "0190F3A0-7B1C-7D3E-8F00-000000000001",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        }
        async with client(world.gateway()) as http:
            answer = await http.post("/jobs", json={"type": "a"}, headers=headers)

        assert answer.json()["correlationId"] == headers["X-Correlation-Id"].lower()
        assert answer.headers["x-correlation-id"] == headers["X-Correlation-Id"].lower()
        assert answer.json()["traceparent"] == headers["traceparent"]

    async def test_a_malformed_trace_is_left_out_and_a_malformed_correlation_id_is_refused(self, world: World) -> None:
        async with client(world.gateway()) as http:
            untraced = await http.post("/jobs", json={"type": "a"}, headers={"traceparent": "00-0-0-0"})
            refused = await http.post("/jobs", json={"type": "a"}, headers={"X-Correlation-Id": "mine\r\nX: y"[:4]})

        assert "traceparent" not in untraced.json()
        assert (refused.status_code, problem(refused)["code"]) == (400, "bad_correlation_id")

    async def test_a_slow_body_is_given_up(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "BODY_READ_S_MAX", 0.0)

        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        headers.append((b"authorization", AUTHORIZATION["Authorization"].encode()))
        scope = {"type": "http", "method": "POST", "path": "/jobs", "query_string": b"", "headers": headers}
        await world.gateway()(scope, receive, send)

        assert sent[0]["status"] == 408
        assert (b"connection", b"close") in sent[0]["headers"]


class TestBatch:
    async def test_each_item_is_answered_by_itself_and_in_order(self, world: World) -> None:
        items = [
            {"type": "a"},
            {"type": ""},
            {"type": "b", "idempotencyKey": "k"},
            {"type": "c", "idempotencyKey": "k"},
        ]
        async with client(world.gateway()) as http:
            answer = await http.post("/jobs/batch", json=items)

        found = answer.json()["items"]
        assert answer.status_code == 200
        assert validate("job-batch-response", answer.json()) == []
        assert [item["job"]["type"] if "job" in item else item["error"]["code"] for item in found] == [
            "a",
            "invalid_job",
            "b",
            "idempotency_conflict",
        ]
        assert found[1]["error"]["errors"][0]["pointer"] == "/type"
        assert await world.stored() == 2

    async def test_a_line_that_is_not_json_concerns_that_line_alone(self, world: World) -> None:
        body = b'{"type":"a"}\n\n{"type":\r\n{"type":"b"}\n'
        async with client(world.gateway()) as http:
            answer = await http.post("/jobs/batch", content=body, headers={"Content-Type": "application/x-ndjson"})

        found = answer.json()["items"]
        assert [item.get("job", {}).get("type") or item["error"]["code"] for item in found] == [
            "a",
            "malformed_json",
            "b",
        ]

    @pytest.mark.parametrize("count", [0, limits.BATCH_JOBS_MAX + 1])
    @pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
    async def test_a_batch_holds_1_to_1000_jobs(self, count: int, media_type: str, world: World) -> None:
        line = '{"type":"a"}'
        body = "\n".join([line] * count) if "nd" in media_type else f"[{','.join([line] * count)}]"
        async with client(world.gateway()) as http:
            answer = await http.post("/jobs/batch", content=body, headers={"Content-Type": media_type})

        assert (answer.status_code, problem(answer)["code"]) == (400, "invalid_batch")
        assert await world.stored() == 0

    @pytest.mark.parametrize(
        ("path", "job", "bytes_max"),
        [
            ("/jobs", '{"type":"a"}', limits.BODY_BYTES_MAX),
            ("/jobs/batch", '[{"type":"a"}]', limits.BATCH_BODY_BYTES_MAX),
        ],
    )
    async def test_a_body_may_have_exactly_the_limit_and_not_a_byte_more(
        self, path: str, job: str, bytes_max: int, world: World
    ) -> None:
        json_type = {"Content-Type": "application/json"}
        async with client(world.gateway()) as http:
            largest = await http.post(path, content=job.ljust(bytes_max), headers=json_type)
            too_large = await http.post(path, content=job.ljust(bytes_max + 1), headers=json_type)

        assert largest.status_code in {200, 201}
        assert (problem(too_large)["status"], problem(too_large)["code"]) == (413, "too_large")
        assert await world.stored() == 1

    async def test_a_full_batch_is_accepted(self, world: World) -> None:
        async with client(world.gateway()) as http:
            answer = await http.post("/jobs/batch", json=[{"type": "a"}] * limits.BATCH_JOBS_MAX)

        assert all("job" in item for item in answer.json()["items"])
        assert await world.stored() == limits.BATCH_JOBS_MAX

    async def test_a_key_for_the_whole_batch_is_refused_instead_of_ignored(self, world: World) -> None:
        async with client(world.gateway()) as http:
            answer = await http.post("/jobs/batch", json=[{"type": "a"}], headers={"Idempotency-Key": "k"})

        assert (answer.status_code, problem(answer)["code"]) == (400, "key_on_batch")


class TestCancelAndRetry:
    async def test_a_waiting_job_is_cancelled_at_once_and_stays_so(self, world: World) -> None:
        gateway = world.gateway()
        job = await submit(gateway)
        async with client(gateway) as http:
            first = await http.post(f"/jobs/{job['id']}/cancel")
            again = await http.post(f"/jobs/{job['id']}/cancel")

        assert (first.status_code, first.json()["status"]) == (200, "CANCELLED")
        assert (again.status_code, again.json()) == (200, first.json())

    async def test_a_running_job_is_asked_to_stop(self, world: World) -> None:
        gateway = world.gateway()
        job = await submit(gateway)
        await claim(world)
        async with client(gateway) as http:
            answer = await http.post(f"/jobs/{job['id']}/cancel")

        assert (answer.status_code, answer.json()["status"]) == (202, "EXECUTING")
        assert "cancelRequestedAt" in answer.json()
        assert validate("job", answer.json()) == []

    async def test_a_completed_job_cannot_be_cancelled(self, world: World) -> None:
        gateway = world.gateway()
        job = await submit(gateway)
        await finish(world)
        async with client(gateway) as http:
            answer = await http.post(f"/jobs/{job['id']}/cancel")

        assert (answer.status_code, problem(answer)["code"]) == (409, "job_is_final")

    async def test_a_final_job_is_retried_as_a_new_one(self, world: World) -> None:
        gateway = world.gateway()
        asked = {"payload": {"n": 1}, "queue": "q", "priority": 2, "metadata": {"team": "x"}}
        job = await submit(gateway, **asked, maxAttempts=7, timeoutSeconds=12.5)
        await finish(world)
        async with client(gateway) as http:
            answer = await http.post(f"/jobs/{job['id']}/retry")

        new = answer.json()
        assert answer.status_code == 201
        assert answer.headers["location"] == f"/jobs/{new['id']}"
        assert validate("job", new) == []
        assert (new["retryOf"], new["status"], new["attempt"]) == (job["id"], "PENDING", 0)
        same = (*asked, "maxAttempts", "timeoutSeconds", "correlationId")
        assert [new[name] for name in same] == [job[name] for name in same]
        assert (new["maxAttempts"], new["timeoutSeconds"]) == (7, 12.5)

    async def test_a_retry_with_a_key_happens_once(self, world: World) -> None:
        gateway = world.gateway()
        job = await submit(gateway)
        await finish(world)
        async with client(gateway) as http:
            calls = [await http.post(f"/jobs/{job['id']}/retry", headers={"Idempotency-Key": "r"}) for _ in range(2)]

        assert [call.status_code for call in calls] == [201, 200]
        assert calls[0].json()["id"] == calls[1].json()["id"]

    async def test_a_job_that_is_not_final_cannot_be_retried(self, world: World) -> None:
        gateway = world.gateway()
        job = await submit(gateway)
        async with client(gateway) as http:
            answer = await http.post(f"/jobs/{job['id']}/retry")

        assert (answer.status_code, problem(answer)["code"]) == (409, "job_not_final")
        assert len((await world.queries.jobs(JobFilter(), before=None, count_max=10)).jobs) == 1

    @pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("POST", "/cancel"), ("POST", "/retry")])
    async def test_an_unknown_job_is_404(self, method: str, rest: str, world: World) -> None:
        async with client(world.gateway()) as http:
            unknown = await http.request(method, f"/jobs/{NO_JOB}{rest}")
            no_id = await http.request(method, f"/jobs/not-an-id{rest}")

        assert (unknown.status_code, problem(unknown)["code"]) == (404, "unknown_job")
        assert (no_id.status_code, problem(no_id)["code"]) == (404, "not_found")


async def test_accepted_and_refused_submits_are_counted_exactly(world: World) -> None:
    gateway = world.gateway()
    for _ in range(3):
        await submit(gateway)
    async with client(gateway) as http:
        await http.post("/jobs", content="{", headers=JSON)
        await http.post("/jobs/batch", content=json.dumps([{"type": "x"}, {}]), headers=JSON)
        metrics = (await http.get("/metrics")).text.splitlines()

    assert "odd_jobs_accepted_total 4.0" in metrics
    assert 'odd_jobs_submitted_total{job_type="example"} 3.0' in metrics
    assert 'odd_jobs_rejected_total{code="malformed_json"} 1.0' in metrics
    assert 'odd_jobs_rejected_total{code="invalid_job"} 1.0' in metrics
