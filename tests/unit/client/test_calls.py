"""How requests are written and answers understood, and which error each failure becomes."""

import errno
import socket
import ssl
from typing import Any

import httpx2
import pytest

from observatory.cli.failures import failure_of
from observatory.client import calls, transport
from observatory.client.address import Address
from observatory.client.calls import Call, Reply
from observatory.client.errors import BadAnswer, NotReachable, RequestRefused, ServiceFailed
from observatory.core import limits
from observatory.core.errors import Refused

READ = calls.get("read_model", "/jobs")
WRITE = calls.post("/jobs", {"type": "echo"})
PROBLEM = {"content-type": "application/problem+json"}
JOB = "0197a000-0000-7000-8000-00000000000a"
ADDRESS = Address(gateway="http://127.0.0.1:1", read_model=None)


# --- questions ------------------------------------------------------------------------------------


def test_parameters_that_are_none_are_left_out() -> None:
    assert calls.get("read_model", "/jobs", status=None, limit=5).params == {"limit": "5"}


@pytest.mark.parametrize(
    "typed", ["", ".", "..", "nope", "a/b", "../x?y#z", "é", "\udcff", f"{JOB}\n", f"{JOB}0"], ids=ascii
)
def test_what_is_no_id_leads_to_no_path(typed: str) -> None:
    with pytest.raises(Refused, match="is not the id of a job") as caught:
        calls.of_job(typed)

    assert caught.value.code == "bad_job_id"


@pytest.mark.parametrize("job_id", [JOB, JOB.upper()])
def test_an_id_leads_to_its_job(job_id: str) -> None:
    assert calls.of_job(job_id, "/cancel") == f"/jobs/{job_id}/cancel"


def test_a_body_is_compact_utf_8() -> None:
    assert calls.post("/jobs", {"a": "é"}).body == '{"a":"é"}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1, 2}, b"bytes"], ids=str)
def test_what_json_cannot_say_is_refused_before_it_is_sent(value: Any) -> None:
    with pytest.raises(Refused) as caught:
        calls.submit({"type": "echo", "payload": {"value": value}}, None)

    assert caught.value.code == "not_json"


def test_a_value_that_holds_itself_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["endless"] = endless

    with pytest.raises(Refused, match="cannot be sent as JSON"):
        calls.submit({"type": "echo", "payload": endless}, None)


@pytest.mark.parametrize("key", ["two\nlines", "clé", "a\x00b", "\udcff"], ids=ascii)
def test_a_key_that_no_header_can_carry_is_refused_before_it_is_sent(key: str) -> None:
    with pytest.raises(Refused) as caught:
        calls.submit({"type": "echo"}, key)

    assert caught.value.code == "bad_idempotency_key"


def test_text_that_is_not_unicode_is_refused_before_it_is_sent() -> None:
    with pytest.raises(Refused, match="is not Unicode text"):
        calls.get("read_model", "/jobs", type="\udcff")


# --- batches --------------------------------------------------------------------------------------


def test_portions_keep_the_order_and_the_number_that_one_batch_takes() -> None:
    requests = [{"n": n} for n in range(limits.BATCH_JOBS_MAX + 1)]

    first, second = calls.portions(requests)

    assert len(first) == limits.BATCH_JOBS_MAX
    assert first + second == requests


def test_portions_keep_the_bytes_that_one_body_holds() -> None:
    requests = [{"text": "x" * (limits.BATCH_BODY_BYTES_MAX // 3)} for _ in range(5)]

    portions = list(calls.portions(requests))

    assert [len(portion) for portion in portions] == [2, 2, 1]
    assert all(len(calls.encoded(portion)) <= limits.BATCH_BODY_BYTES_MAX for portion in portions)


def test_portions_keep_the_elements_that_one_body_may_have() -> None:
    requests = [{"list": [0] * (limits.JSON_ELEMENTS_MAX // 3)} for _ in range(5)]

    assert [len(portion) for portion in calls.portions(requests)] == [2, 2, 1]


def test_one_request_beyond_a_limit_is_a_portion_of_its_own() -> None:
    small, large = {"n": 1}, {"text": "x" * (limits.BATCH_BODY_BYTES_MAX + 1)}

    assert list(calls.portions([small, large, small])) == [[small], [large], [small]]


def test_no_requests_are_no_portions() -> None:
    assert list(calls.portions([])) == []


# --- answers --------------------------------------------------------------------------------------


def reply(status: int, body: bytes = b"{}", **headers: str) -> Reply:
    return Reply(status=status, headers=httpx2.Headers(headers or {"content-type": "application/json"}), body=body)


def test_a_refusal_keeps_status_code_detail_and_the_first_place_at_fault() -> None:
    body = b'{"code":"invalid_job","detail":"wrong","errors":[{"pointer":"/type"},{"pointer":"/queue"}],"more":1}'

    with pytest.raises(RequestRefused, match=r"^wrong$") as caught:
        calls.understood(WRITE, reply(400, body, **PROBLEM))

    assert (caught.value.status, caught.value.code, caught.value.pointer) == (400, "invalid_job", "/type")
    assert caught.value.problem["more"] == 1


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"detail":1,"title":"Bad"}', "Bad"),
        (b"{}", "the service answered 404"),
        (b'{"errors":[]}', "the service answered 404"),
        (b'{"errors":["x"]}', "the service answered 404"),
    ],
)
def test_a_poor_problem_document_still_says_something(body: bytes, detail: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        calls.understood(READ, reply(404, body, **PROBLEM))

    assert (str(caught.value), caught.value.code) == (detail, "http_404")


def test_the_text_of_a_problem_is_bounded() -> None:
    with pytest.raises(RequestRefused) as caught:
        calls.understood(READ, reply(400, b'{"detail":"' + b"x" * 10_000 + b'"}', **PROBLEM))

    assert len(str(caught.value)) == 500


@pytest.mark.parametrize(
    ("status", "body", "headers", "code"),
    [
        (503, b'{"code":"store_unavailable"}', PROBLEM, "store_unavailable"),
        (500, b"<html>", {"content-type": "text/html"}, "http_500"),
        (502, b"", {}, "http_502"),
        (503, b"{", PROBLEM, "http_503"),
    ],
)
def test_a_service_that_cannot_is_told_from_one_that_refuses(
    status: int, body: bytes, headers: dict[str, str], code: str
) -> None:
    with pytest.raises(ServiceFailed) as caught:
        calls.understood(WRITE, reply(status, body, **headers))

    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize(("call", "remedy"), [(READ, "ask again in a moment"), (WRITE, "only with the same --key")])
def test_only_a_write_that_failed_is_repeated_with_its_key(call: Call, remedy: str) -> None:
    with pytest.raises(ServiceFailed) as caught:
        calls.understood(call, reply(503, b'{"code":"store_unavailable"}', **PROBLEM))

    failure = failure_of(caught.value)
    assert failure is not None
    assert remedy in failure.remedy
    assert ("--key" in failure.remedy) == (call is WRITE)


@pytest.mark.parametrize(
    "answer",
    [
        reply(404, b"<html>", **{"content-type": "text/html"}),
        reply(404, b"{", **PROBLEM),
        reply(404, b"[]", **PROBLEM),
        reply(301),
        reply(200, b"<html>"),
        reply(200, b"\xff"),
        reply(200, b""),
    ],
    ids=["html", "cut problem", "problem that is a list", "redirect", "page", "no text", "nothing"],
)
def test_what_our_services_never_answer_is_recognised(answer: Reply) -> None:
    with pytest.raises(BadAnswer):
        calls.understood(READ, answer)


@pytest.mark.parametrize(
    "value",
    [[], "text", None, {"items": {}}, {"items": [1]}, {}, *({"items": [], "unreadable": odd} for odd in ("id", [1]))],
    ids=str,
)
def test_a_page_of_another_shape_is_recognised(value: Any) -> None:
    with pytest.raises(BadAnswer):
        calls.page(READ, value)


def test_a_page_names_what_it_leaves_out() -> None:
    document = {"items": [], "nextCursor": None, "asOf": None}

    assert calls.page(READ, document).unreadable == []
    assert calls.page(READ, document | {"unreadable": ["one", "two"]}).unreadable == ["one", "two"]


@pytest.mark.parametrize(
    "items", [[], [{"job": {}}], [{"job": {}}, {}], [{"job": {}}, {"job": {}, "error": {}}], [{"job": {}}] * 3], ids=str
)
def test_a_batch_answer_that_is_not_one_per_request_is_recognised(items: list[Any]) -> None:
    with pytest.raises(BadAnswer, match="items for 2 requests"):
        calls.batch_items(WRITE, {"items": items}, 2)


def test_a_replay_is_known_by_its_header() -> None:
    assert calls.submission(WRITE, reply(200, b"{}", **{"Idempotency-Replayed": "true"})).is_replay
    assert not calls.submission(WRITE, reply(201)).is_replay


@pytest.mark.parametrize(
    ("answer", "link"),
    [
        (reply(200, b'{"links":{"readModel":"http://127.0.0.1:2"}}'), "http://127.0.0.1:2"),
        (reply(200, b'{"links":{"readModel":"file:///etc/passwd"}}'), None),
        (reply(200, b'{"links":{"readModel":7}}'), None),
        (reply(200, b'{"links":[]}'), None),
        (reply(200, b"[]"), None),
        (reply(200, b"{"), None),
        (reply(404, b'{"links":{"readModel":"http://127.0.0.1:2"}}'), None),
    ],
)
def test_the_gateways_index_says_where_the_read_model_is(answer: Reply, link: str | None) -> None:
    assert calls.read_model_of(answer) == link


def test_a_gateway_here_cannot_send_the_token_elsewhere() -> None:
    with pytest.raises(BadAnswer, match="names a read model elsewhere"):
        transport.read_model_link("http://192.0.2.1:8080", ADDRESS)


def test_a_gateway_that_does_not_say_where_the_read_model_is_is_named() -> None:
    with pytest.raises(NotReachable, match="the read model's address is not known"):
        transport.read_model_link(None, ADDRESS)


# --- no answer ------------------------------------------------------------------------------------


def failure(
    reason: BaseException | None, call: Call = READ, kind: type[httpx2.RequestError] = httpx2.ConnectError
) -> NotReachable:
    error = kind("it did not work")
    error.__cause__ = reason
    return transport.not_reachable(error, call, "http://127.0.0.1:1", ADDRESS)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connection refused"),
        (OSError("all attempts failed"), "connection refused"),
        (None, "connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "name not known"),
        (ssl.SSLError(1, "wrong version number"), "no TLS"),
        (OSError(errno.ENETUNREACH, "no route"), "network is unreachable"),
        (OSError(errno.EMFILE, "too many"), "too many open files"),
    ],
)
def test_why_there_is_no_connection_is_said_as_the_system_said_it(reason: BaseException | None, said: str) -> None:
    found = failure(reason)

    assert f"({said})" in str(found)
    assert not found.was_sent


def test_a_time_out_while_connecting_is_not_called_refused() -> None:
    assert "(no connection in time)" in str(failure(None, kind=httpx2.ConnectTimeout))


@pytest.mark.parametrize("kind", [httpx2.ReadTimeout, httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.WriteError])
def test_a_write_without_an_answer_is_said_to_be_unknown(kind: type[httpx2.RequestError]) -> None:
    read, write = failure(None, READ, kind), failure(None, WRITE, kind)

    assert read.was_sent
    assert write.was_sent
    assert "it is not known whether the request took effect" in write.why
    assert "idempotency key" in write.remedy
    assert "not known" not in read.why
    assert read.remedy == "try again"
