"""What holds for every route of every service: access, Host, Origin, headers, probes, documents."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from observatory.core import limits
from observatory.edge.access import Access, RouteRule
from observatory.edge.http import RULE, ServiceApp
from observatory.runtime.logging import configure_logging
from tests.surfaces.http.services import AUTHORIZATION, DASHBOARD, TOKEN, VERSION, World, client, problem

GOLDEN = Path(__file__).parents[3] / "contracts" / "openapi"
SERVICES = ["gateway", "read-model", "web"]
SOME_ID = "00000000-0000-7000-8000-000000000000"
EVERYWHERE = ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/docs.js", "/docs/docs.css"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
WITHOUT_DETAIL = {"host": "localhost", "content-type": "application/json"}


def routes_of(app: ServiceApp) -> Iterator[tuple[str, str, RouteRule | None]]:
    """Method, an address and the rule of every route, as the application really has them."""
    for route in app.litestar.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:
            rule = handler.opt.get(RULE)
            methods = (rule and rule.operations) or getattr(handler, "http_methods", ())
            for method in methods:
                if str(method) != "OPTIONS":
                    yield str(method), route.path_format.replace("{job_id}", SOME_ID), rule


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the process writes into its log meanwhile."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("debug", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(params=SERVICES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


class TestRoutes:
    def test_every_route_has_a_rule(self, name: str, world: World) -> None:
        routes = list(routes_of(world.service(name)))

        assert len(routes) >= len(EVERYWHERE)
        assert [(method, path) for method, path, rule in routes if not isinstance(rule, RouteRule)] == []

    def test_what_changes_something_is_a_post_and_needs_the_token(self, name: str, world: World) -> None:
        routes = list(routes_of(world.service(name)))

        assert all((rule.access is Access.WRITE) == (method != "GET") for method, _, rule in routes if rule)

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer "}],
        ids=["none", "wrong", "other scheme", "empty"],
    )
    @pytest.mark.parametrize("reads_need_token", [False, True])
    async def test_without_the_token_exactly_the_open_routes_answer(
        self, headers: dict[str, str], reads_need_token: bool, name: str, world: World
    ) -> None:
        app = world.service(name, reads_need_token=reads_need_token)
        async with client(app, headers=headers) as http:
            for method, path, rule in routes_of(app):
                assert rule is not None
                answer = await http.request(method, path)

                is_guarded = rule.access is Access.WRITE or (rule.access is Access.READ and reads_need_token)
                assert (answer.status_code == 401) == is_guarded, f"{method} {path}: {answer.status_code}"
                assert not is_guarded or "www-authenticate" in answer.headers

    async def test_with_the_token_every_route_answers(self, name: str, world: World) -> None:
        app = world.service(name, reads_need_token=True)
        async with client(app) as http:
            for method, path, _ in routes_of(app):
                assert (await http.request(method, path)).status_code not in {401, 403, 405, 500}, path

    async def test_without_a_configured_token_nobody_may_write(self, world: World) -> None:
        app = world.gateway(token=None)
        async with client(app) as http:
            for method, path, rule in routes_of(app):
                answer = await http.request(method, path)
                assert rule is not None
                assert (answer.status_code == 403) == (rule.access is Access.WRITE), path

    @pytest.mark.parametrize("host", ["attacker.example", "localhost.attacker.example", "127.0.0.1.nip.io", "0"])
    async def test_another_host_name_is_refused_on_every_route(self, host: str, name: str, world: World) -> None:
        app = world.service(name)
        async with client(app) as http:
            for method, path, _ in [*routes_of(app), ("GET", "/nothing-here", None)]:
                answer = await http.request(method, path, headers={"Host": host})
                assert (answer.status_code, problem(answer)["code"]) == (421, "host_not_allowed"), path

    @pytest.mark.parametrize("origin", ["http://attacker.example", "null", "http://localhost:9", "https://localhost"])
    async def test_another_origin_is_refused_on_every_route(self, origin: str, name: str, world: World) -> None:
        app = world.service(name)
        async with client(app) as http:
            for method, path, _ in [*routes_of(app), ("GET", "/nothing-here", None)]:
                answer = await http.request(method, path, headers={"Origin": origin})
                assert (answer.status_code, problem(answer)["code"]) == (403, "origin_not_allowed"), path
                assert "access-control-allow-origin" not in answer.headers

    async def test_every_answer_carries_the_security_headers_and_a_correlation_id(
        self, name: str, world: World
    ) -> None:
        app = world.service(name)
        async with client(app) as http:
            for method, path, rule in [*routes_of(app), ("GET", "/nothing-here", None)]:
                headers = (await http.request(method, path)).headers
                policy = headers["content-security-policy"]
                assert policy.startswith("default-src 'none'"), path
                assert "frame-ancestors 'none'" in policy
                assert "unsafe" not in policy
                assert headers["x-content-type-options"] == "nosniff"
                assert len(headers["x-correlation-id"]) == 36
                is_live = rule is None or rule.access is not Access.OPEN
                assert not is_live or headers["cache-control"] == "no-store"


class TestMethods:
    async def test_no_method_on_any_route_is_a_fault_of_ours_or_writes_the_token_into_the_log(
        self, name: str, world: World, log: io.StringIO
    ) -> None:
        app = world.service(name, reads_need_token=True)
        paths = sorted({path for _, path, _ in routes_of(app)} | {"/nothing-here"})
        async with client(app) as http:
            for path in paths:
                for method in METHODS:
                    answer = await http.request(method, path)
                    assert answer.status_code < 500, f"{method} {path}: {answer.text}"
                    assert answer.status_code != 405 or answer.headers["allow"], f"{method} {path}"

        assert TOKEN not in log.getvalue()

    async def test_a_guard_that_raises_is_logged_without_the_token(
        self, name: str, world: World, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(settings: Any, *_: Any) -> None:
            raise AssertionError(f"no access by {settings!r}")

        monkeypatch.setattr("observatory.edge.http.check_access", broken)
        async with client(world.service(name)) as http:
            answer = await http.get("/healthz")

        assert problem(answer)["code"] == "internal_error"
        assert "no access by EdgeSettings(service=" in log.getvalue()
        assert TOKEN not in log.getvalue()

    @pytest.mark.parametrize(
        ("path", "allowed"),
        [("/jobs", "POST"), ("/jobs/batch", "POST"), (f"/jobs/{SOME_ID}", "GET, HEAD"), ("/healthz", "GET, HEAD")],
    )
    @pytest.mark.parametrize("method", ["OPTIONS", "DELETE"])
    async def test_options_that_is_no_preflight_is_405_like_any_other_method(
        self, method: str, path: str, allowed: str, world: World
    ) -> None:
        async with client(world.gateway()) as http:
            answer = await http.request(method, path)

        assert (problem(answer)["status"], answer.headers["allow"]) == (405, allowed)

    async def test_head_is_answered_like_get_without_the_body(self, name: str, world: World) -> None:
        app = world.service(name)
        async with client(app) as http:
            for path in sorted({path for method, path, _ in routes_of(app) if method == "GET"} | {"/nothing-here"}):
                asked, got = await http.head(path), await http.get(path)

                assert (asked.status_code, asked.content) == (got.status_code, b""), path
                assert asked.headers["content-type"] == got.headers["content-type"]
                is_stream = asked.headers["content-type"].startswith("text/event-stream")
                assert ("content-length" in asked.headers) != is_stream
            text = (await http.get("/metrics")).text

        assert 'method="HEAD",route="/healthz"' in text


class TestHosts:
    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:3000", "127.0.0.1:1", "[::1]:8080", "jobs.example"])
    async def test_loopback_names_and_configured_ones_are_allowed(self, host: str, world: World) -> None:
        async with client(world.gateway(allowed_hosts=("jobs.example",))) as http:
            assert (await http.get("/healthz", headers={"Host": host})).status_code == 200

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("jobs.example.org", 200),
            ("example.org", 421),
            ("10.0.0.5:3000", 200),
            ("10.0.0.5:3001", 421),
            ("[fd00::1]:3000", 200),
            ("[fd00::2]:3000", 421),
        ],
    )
    async def test_wildcards_ports_and_addresses_are_compared(self, host: str, status: int, world: World) -> None:
        async with client(world.gateway(allowed_hosts=("*.example.org", "10.0.0.5:3000", "fd00::1"))) as http:
            assert (await http.get("/healthz", headers={"Host": host})).status_code == status

    @pytest.mark.parametrize("query", ["type=%00", "cursor=a%00b", "%00=1"])
    async def test_a_query_with_the_character_nul_is_refused(self, query: str, world: World) -> None:
        async with client(world.gateway()) as http:
            answer = await http.get(f"/dead-letters?{query}")

        assert (answer.status_code, problem(answer)["code"]) == (400, "bad_query")

    @pytest.mark.parametrize("host", ["", "a b", "localhost:", "local\\host", "localhost:3000:1", "user@localhost"])
    async def test_a_malformed_host_is_refused(self, host: str, world: World) -> None:
        async with client(world.gateway()) as http:
            answer = await http.get("/healthz", headers={"Host": host})

        assert (answer.status_code, problem(answer)["code"]) == (400, "bad_host")


class TestOrigins:
    async def test_a_preflight_of_the_dashboard_is_answered(self, world: World) -> None:
        headers = {"Origin": DASHBOARD, "Access-Control-Request-Method": "GET"}
        async with client(world.read_model()) as http:
            answer = await http.options("/jobs", headers=headers)

        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == DASHBOARD
        assert "GET" in answer.headers["access-control-allow-methods"]
        assert "authorization" in answer.headers["access-control-allow-headers"]

    async def test_a_preflight_of_anybody_else_gets_no_permission(self, world: World) -> None:
        headers = {"Origin": "http://attacker.example", "Access-Control-Request-Method": "GET"}
        async with client(world.read_model()) as http:
            answer = await http.options("/jobs", headers=headers)

        assert answer.status_code == 403
        assert not [header for header in answer.headers if header.startswith("access-control")]

    @pytest.mark.parametrize("origin", [DASHBOARD, "http://localhost:8081", "http://[::1]:8081"])
    async def test_the_dashboard_may_read_under_every_name_of_this_machine(self, origin: str, world: World) -> None:
        async with client(world.read_model()) as http:
            answer = await http.get("/jobs", headers={"Origin": origin})

        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["vary"] == "Origin"

    async def test_an_origin_with_an_ipv6_address_is_compared_as_browsers_write_it(self, world: World) -> None:
        async with client(world.read_model(allowed_origins=("http://[FD00:0::1]:8081",))) as http:
            answer = await http.get("/jobs", headers={"Origin": "http://[fd00::1]:8081"})

        assert answer.headers["access-control-allow-origin"] == "http://[fd00::1]:8081"

    async def test_a_page_of_the_service_itself_may_call_it(self, world: World) -> None:
        async with client(world.gateway(), base_url="http://127.0.0.1:3000") as http:
            answer = await http.get("/openapi.json", headers={"Origin": "http://127.0.0.1:3000"})

        assert answer.status_code == 200


class TestErrors:
    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "BREW", "get"])
    async def test_an_unknown_method_is_405_and_names_the_known_ones(self, method: str, world: World) -> None:
        async with client(world.gateway()) as http:
            for path in ("/jobs", "/jobs/batch", "/healthz"):
                answer = await http.request(method, path) if method != "get" else await lower_case(world, path)
                status = answer.status_code if hasattr(answer, "status_code") else answer
                assert status == 405, (method, path)

    async def test_the_allowed_methods_are_named(self, world: World) -> None:
        async with client(world.gateway()) as http:
            answer = await http.get("/jobs")

        assert answer.headers["allow"] == "POST"
        assert problem(answer)["code"] == "method_not_allowed"

    async def test_an_unknown_address_is_404_without_an_echo(self, name: str, world: World) -> None:
        async with client(world.service(name)) as http:
            answer = await http.get("/no/such/%3Cscript%3E")

        assert problem(answer)["code"] == "not_found"
        assert "script" not in answer.text

    async def test_a_fault_of_ours_is_500_and_tells_nothing_of_the_inside(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("the password is hunter2")

        monkeypatch.setattr(world.queries, "jobs", broken)
        monkeypatch.setattr(world.store, "submit", broken)
        async with client(world.read_model()) as http:
            read = await http.get("/jobs")
        async with client(world.gateway()) as http:
            write = await http.post("/jobs", json={"type": "a"})

        for answer in (read, write):
            assert problem(answer)["code"] == "internal_error"
            assert problem(answer)["correlationId"] == answer.headers["x-correlation-id"]
            assert "hunter2" not in answer.text
            assert "Traceback" not in answer.text

    async def test_a_target_may_have_exactly_the_limit_and_not_a_byte_more(self, world: World) -> None:
        begin = "/jobs?cursor="
        longest = begin + "a" * (limits.TARGET_BYTES_MAX - len(begin) + len("?"))  # the mark belongs to neither part
        async with client(world.read_model()) as http:
            at_the_limit, past_it = await http.get(longest), await http.get(longest + "a")

        assert problem(at_the_limit)["code"] == "bad_query"  # it was let in, and is no cursor
        assert problem(past_it)["code"] == "target_too_long"

    async def test_headers_may_have_exactly_the_limit_and_not_a_byte_more(self, world: World) -> None:
        def request(padding: int) -> httpx2.Request:
            return httpx2.Request("GET", "http://localhost/jobs", headers={"X-A": "a" * padding})

        used = sum(len(name) + len(value) for name, value in request(0).headers.raw)
        async with client(world.read_model()) as http:
            at_the_limit = await http.send(request(limits.HEADERS_BYTES_MAX - used))
            past_it = await http.send(request(limits.HEADERS_BYTES_MAX - used + 1))

        assert at_the_limit.status_code == 200
        assert (past_it.status_code, problem(past_it)["code"]) == (431, "headers_too_large")

    async def test_a_websocket_is_turned_away(self, world: World) -> None:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await world.read_model()({"type": "websocket", "path": "/", "headers": []}, asyncio.Event().wait, send)

        assert sent == [{"type": "websocket.close", "code": 1008}]


async def lower_case(world: World, path: str) -> int:
    """Status for a method in lower case, which a client library would correct."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"authorization", AUTHORIZATION["Authorization"].encode())]
    scope = {"type": "http", "method": "get", "path": path, "query_string": b"", "headers": headers}
    await world.gateway()(scope, asyncio.Event().wait, send)
    return sent[0]["status"]


class TestProbes:
    async def test_a_working_service_is_live_and_ready(self, name: str, world: World) -> None:
        async with client(world.service(name), headers={}) as http:
            live, ready = await http.get("/healthz"), await http.get("/readyz")

        assert (live.status_code, live.json()["service"], live.json()["version"]) == (200, name, VERSION)
        assert ready.status_code == 200
        assert {check["name"]: check["isUp"] for check in ready.json()["checks"]} == {
            "job_store": True,
            "event_log": True,
        }

    async def test_a_dependency_that_is_down_is_named_and_the_process_stays_live(self, name: str, world: World) -> None:
        app = world.service(name)
        await world.file.close()
        async with client(app) as http:
            live, ready = await http.get("/healthz"), await http.get("/readyz")

        assert live.status_code == 200
        assert (ready.status_code, problem(ready)["code"]) == (503, "not_ready")
        assert ready.json()["detail"] == "down: job_store, event_log"
        assert ready.json()["checks"][0] == {"name": "job_store", "isUp": False, "reason": "store_unavailable"}

    async def test_metrics_parse_and_their_labels_come_from_us(self, name: str, world: World) -> None:
        app = world.service(name)
        async with client(app) as http:
            await http.get("/nothing/" + "x" * 20)
            await http.request("BREW", "/healthz")
            text = (await http.get("/metrics")).text

        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        counted = {
            (s.labels["route"], s.labels["method"], s.labels["code"])
            for s in samples
            if s.name == "odd_http_requests_total"
        }
        assert counted >= {("unmatched", "GET", "404"), ("unmatched", "other", "405")}
        assert [s.labels for s in samples if s.name == "odd_build_info"] == [
            {"version": VERSION, "commit": "", "service": name}
        ]
        assert "xxxx" not in text


class TestDocuments:
    @pytest.mark.parametrize("service", ["gateway", "read-model"])
    def test_the_committed_document_is_the_one_that_is_served(self, service: str, world: World) -> None:
        committed = json.loads((GOLDEN / f"{service}.json").read_text())

        assert world.service(service).openapi() == committed, "run: python -m tests.surfaces.http.write_openapi"

    async def test_the_document_is_openapi_3_1_of_this_version_and_closed_in_itself(
        self, name: str, world: World
    ) -> None:
        async with client(world.service(name), headers={}) as http:
            document = (await http.get("/openapi.json")).json()

        references = set(find(document, "$ref"))
        targets = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert (document["openapi"], document["info"]["version"]) == ("3.1.0", VERSION)
        assert references <= targets
        assert find(document, "operationId")
        assert len(find(document, "operationId")) == len(set(find(document, "operationId")))

    def test_every_route_is_documented_with_its_refusals(self, name: str, world: World) -> None:
        app = world.service(name)
        documented = {
            (method.upper(), path.replace("{job_id}", SOME_ID)): operation
            for path, item in app.openapi()["paths"].items()
            for method, operation in item.items()
        }

        for method, path, rule in routes_of(app):
            if path.startswith("/docs") or path in {"/page.css", "/page.js", "/view.js", "/icon.svg"}:
                continue
            if name == "web" and path == "/":
                continue
            assert rule is not None
            operation = documented[method, path]
            assert operation["summary"]
            assert ("401" in operation["responses"]) == (rule.access is not Access.OPEN)

    async def test_the_docs_page_needs_nothing_from_elsewhere(self, name: str, world: World) -> None:
        async with client(world.service(name), headers={}) as http:
            pages = [await http.get(path) for path in ("/docs", "/docs/docs.js", "/docs/docs.css")]

        assert [page.headers["content-type"].split(";")[0] for page in pages] == [
            "text/html",
            "text/javascript",
            "text/css",
        ]
        assert not any("//" in page.text.replace("// ", "") and "http" in page.text for page in pages[::2])
        assert "innerHTML" not in pages[1].text
        assert "script-src 'self'" in pages[0].headers["content-security-policy"]

    async def test_a_page_that_the_browser_has_is_not_sent_again(self, name: str, world: World) -> None:
        async with client(world.service(name)) as http:
            first = await http.get("/docs/docs.js")
            again = await http.get("/docs/docs.js", headers={"If-None-Match": first.headers["etag"]})

        assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize("path", ["/docs/../settings.py", "/docs/%2e%2e/settings.py", "/docs/docs.py", "/docs//"])
    async def test_only_the_listed_files_are_served(self, path: str, world: World) -> None:
        async with client(world.gateway()) as http:
            answer = await http.get(path)

        assert answer.status_code == (200 if path == "/docs//" else 404)

    @pytest.mark.parametrize("service", ["gateway", "read-model"])
    async def test_the_index_leads_to_the_others_under_the_name_that_was_used(self, service: str, world: World) -> None:
        async with client(world.service(service, web_port=18081), base_url="http://[::1]:3000", headers={}) as http:
            index = (await http.get("/")).json()

        assert index["links"]["readModel"] == "http://[::1]:8080"
        assert index["links"]["web"] == "http://[::1]:18081"


def find(node: Any, key: str) -> list[str]:
    """Every text under *key* in *node*."""
    if isinstance(node, list):
        return [text for item in node for text in find(item, key)]
    if not isinstance(node, dict):
        return []
    own = [node[key]] if isinstance(node.get(key), str) else []
    return own + [text for value in node.values() for text in find(value, key)]
