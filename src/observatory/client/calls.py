"""What is asked of the services, and how an answer is understood: pure, for both clients."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypedDict, cast
from urllib.parse import quote

import msgspec

from observatory.client.errors import BadAnswer, RequestRefused, ServiceFailed
from observatory.core import limits
from observatory.core.errors import Refused
from observatory.core.job import JsonObject

Service = Literal["gateway", "read_model"]

_DETAIL_CHARS_MAX = 500
_JOB_ID: Final = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    service: Service
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    params: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: bytes | None = None


class Reply(msgspec.Struct, frozen=True):
    """One answer, before it is understood."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes


class Submission(msgspec.Struct, frozen=True):
    """A job that is durable."""

    job: JsonObject
    is_replay: bool
    """True when an earlier submit with the same idempotency key made it."""
    warning: str | None = None
    """What the gateway wants the submitter to know of it: a code, a colon, a sentence."""


class Page(msgspec.Struct, frozen=True):
    """A page of a list."""

    items: list[JsonObject]
    next_cursor: str | None
    """Pass as `cursor` for the next page; None when this was the last."""
    as_of: str | None
    """When the store was read."""
    unreadable: list[str] = []
    """Ids of what belongs on the page and is left out, because its stored row is damaged."""


# --- questions --------------------------------------------------------------------------------


def get(service: Service, path: str, **params: str | int | None) -> Call:
    """A read. Parameters that are None are left out."""
    given = {name: unicode_text(str(value)) for name, value in params.items() if value is not None}
    return Call(service=service, method="GET", path=path, params=given)


def post(path: str, document: Any = None, *, headers: Mapping[str, str] | None = None) -> Call:
    """A write through the gateway. *document* None means no body."""
    given = dict(headers or {})
    if document is None:
        return Call(service="gateway", method="POST", path=path, headers=given)
    given["Content-Type"] = "application/json"
    return Call(service="gateway", method="POST", path=path, headers=given, body=encoded(document))


def _header_value(key: str) -> str:
    """What else is wrong with a key, the gateway says; this much could not be sent."""
    if not key.isascii() or not key.isprintable():
        detail = "an idempotency key has ASCII letters, digits, dots, underscores, colons, slashes or hyphens only"
        raise Refused(detail, code="bad_idempotency_key")
    return key


def key_header(key: str | None) -> dict[str, str]:
    """
    The header that names an idempotency key; none without one.

    Raises:
        Refused: It cannot stand in a header (`bad_idempotency_key`).
    """
    return {} if key is None else {"Idempotency-Key": _header_value(key)}


def unicode_text(text: str) -> str:
    """
    *text*, if it can be sent.

    Raises:
        Refused: It holds half a surrogate pair (`not_unicode`).
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(f"{text!r} is not Unicode text", code="not_unicode") from None
    return text


def of_job(job_id: str, rest: str = "") -> str:
    """
    The path of a job.

    Raises:
        Refused: No job can have this id (`bad_job_id`).
    """
    return f"/jobs/{checked_job_id(job_id)}{rest}"


def checked_job_id(job_id: str) -> str:
    """
    *job_id*, if it is one: any other text would lead to another path than that of a job.

    Raises:
        Refused: It is none (`bad_job_id`).
    """
    if _JOB_ID.fullmatch(job_id) is None:
        raise Refused(f"{job_id[: limits.ECHO_CHARS_MAX]!r} is not the id of a job", code="bad_job_id")
    return job_id


def segment(text: str) -> str:
    """
    *text* as one segment of a path, whatever characters somebody typed.

    Raises:
        Refused: It holds half a surrogate pair (`not_unicode`).
    """
    quoted = quote(unicode_text(text), safe="")
    # Segments of dots would be taken for a way up.
    return quoted.replace(".", "%2E") if quoted in {".", ".."} else quoted


def encoded(document: Any) -> bytes:
    """
    *document* as the JSON that is sent.

    Raises:
        Refused: It holds what JSON cannot say: NaN, an infinity, half a surrogate pair, another type (`not_json`).
    """
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(f"this cannot be sent as JSON: {error}", code="not_json") from None


def portions(requests: Sequence[JsonObject]) -> Iterator[list[JsonObject]]:
    """
    *requests* in order, in lists that one batch submit takes: by number, by bytes and by JSON elements.

    A single request beyond a limit is a portion of its own; the gateway refuses it.
    """
    portion: list[JsonObject] = []
    bytes_sum = elements_sum = 2
    for request in requests:
        text = encoded(request)
        # Every element follows a comma or an opening bracket; those inside strings make the bound safe, not wrong.
        elements = text.count(b",") + text.count(b"{") + text.count(b"[") + 1
        is_full = (
            len(portion) == limits.BATCH_JOBS_MAX
            or bytes_sum + len(text) + 1 > limits.BATCH_BODY_BYTES_MAX
            or elements_sum + elements > limits.JSON_ELEMENTS_MAX
        )
        if portion and is_full:
            yield portion
            portion, bytes_sum, elements_sum = [], 2, 2
        portion.append(request)
        bytes_sum += len(text) + 1
        elements_sum += elements
    if portion:
        yield portion


def submit(request: JsonObject, idempotency_key: str | None) -> Call:
    """
    Raises:
        Refused: The key cannot stand in a header (`bad_idempotency_key`), or the request is not JSON (`not_json`).
    """
    return post("/jobs", request, headers=key_header(idempotency_key))


def submit_portion(portion: Sequence[JsonObject]) -> Call:
    """One of the `portions` of a batch."""
    return post("/jobs/batch", portion)


def cancel(job_id: str) -> Call:
    return post(of_job(job_id, "/cancel"))


def retry(job_id: str, idempotency_key: str | None) -> Call:
    """
    Raises:
        Refused: The key cannot stand in a header (`bad_idempotency_key`).
    """
    return post(of_job(job_id, "/retry"), headers=key_header(idempotency_key))


def job(job_id: str) -> Call:
    return get("read_model", of_job(job_id))


def explain(job_id: str) -> Call:
    return get("read_model", of_job(job_id, "/explain"))


class JobsAsked(TypedDict, total=False):
    """The arguments of `jobs`, for the clients that hand them on."""

    status: str | None
    type: str | None
    queue: str | None
    correlation_id: str | None
    cursor: str | None
    """`next_cursor` of the page before; None for the first."""
    count_max: int
    """Fewer come when they are large."""


def jobs(
    *,
    status: str | None = None,
    type: str | None = None,
    queue: str | None = None,
    correlation_id: str | None = None,
    cursor: str | None = None,
    count_max: int = limits.PAGE_ITEMS_DEFAULT,
) -> Call:
    return get(
        "read_model",
        "/jobs",
        status=status,
        type=type,
        queue=queue,
        correlationId=correlation_id,
        cursor=cursor,
        limit=count_max,
    )


def recent(count_max: int | None) -> Call:
    return get("read_model", "/jobs/recent", limit=count_max)


class EventsAsked(TypedDict, total=False):
    """The arguments of `events`, for the clients that hand them on."""

    job_id: str | None
    cursor: str | None
    count_max: int


def events(*, job_id: str | None = None, cursor: str | None = None, count_max: int = limits.PAGE_ITEMS_DEFAULT) -> Call:
    return get("read_model", "/events", jobId=job_id, cursor=cursor, limit=count_max)


def job_events(job_id: str, cursor: str | None) -> Call:
    return get("read_model", of_job(job_id, "/events"), cursor=cursor)


STATS = get("read_model", "/stats")
QUEUES = get("read_model", "/queues")
WORKERS = get("read_model", "/workers")
TYPES = get("read_model", "/types")
INDEX = get("gateway", "/")
"""Of the gateway, which says where the read model is."""


# --- answers ----------------------------------------------------------------------------------


def understood(call: Call, reply: Reply) -> Any:
    """
    The JSON value of a good answer.

    Raises:
        RequestRefused: 4xx.
        ServiceFailed: 5xx.
        BadAnswer: Neither, or not JSON.
    """
    if reply.status >= 400:
        raise _refusal(call, reply)
    if reply.status >= 300:
        raise BadAnswer(f"{call.method} {call.path} was redirected ({reply.status}), which our services never do")
    try:
        return json.loads(reply.body)
    except ValueError:
        raise BadAnswer(f"{call.method} {call.path} was answered with something that is not JSON") from None


def _refusal(call: Call, reply: Reply) -> RequestRefused | ServiceFailed | BadAnswer:
    problem = _problem(reply)
    if problem is None and reply.status < 500:
        return BadAnswer(f"{call.method} {call.path} was answered with {reply.status} and no problem document")
    problem = problem or {}
    code = _text(problem.get("code")) or f"http_{reply.status}"
    detail = _text(problem.get("detail")) or _text(problem.get("title")) or f"the service answered {reply.status}"
    if reply.status >= 500:
        return ServiceFailed(detail, status=reply.status, code=code, problem=problem, is_read=call.method == "GET")
    return RequestRefused(detail, status=reply.status, code=code, pointer=_pointer(problem), problem=problem)


def _problem(reply: Reply) -> JsonObject | None:
    if not reply.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        document = json.loads(reply.body)
    except ValueError:
        return None
    return cast("JsonObject", document) if isinstance(document, dict) else None


def _pointer(problem: JsonObject) -> str | None:
    """The first place in the body that is at fault."""
    faults = problem.get("errors")
    if isinstance(faults, list) and faults and isinstance(faults[0], dict):
        return _text(cast("JsonObject", faults[0]).get("pointer"))
    return _text(problem.get("pointer"))


def _text(value: Any) -> str | None:
    return value[:_DETAIL_CHARS_MAX] if isinstance(value, str) else None


def submission(call: Call, reply: Reply) -> Submission:
    job = an_object(call, understood(call, reply))
    is_replay = reply.headers.get("idempotency-replayed", "").lower() == "true"
    return Submission(job=job, is_replay=is_replay, warning=reply.headers.get("job-warning"))


def an_object(call: Call, value: Any) -> JsonObject:
    if not isinstance(value, dict):
        raise BadAnswer(f"{call.method} {call.path} was not answered with an object")
    return cast("JsonObject", value)


def objects(call: Call, value: Any) -> list[JsonObject]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in cast("list[Any]", value)):
        raise BadAnswer(f"{call.method} {call.path} was not answered with a list of objects")
    return cast("list[JsonObject]", value)


def _texts(call: Call, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in cast("list[Any]", value)):
        raise BadAnswer(f"{call.method} {call.path} did not name what is unreadable by a list of ids")
    return cast("list[str]", value)


def page(call: Call, value: Any) -> Page:
    document = an_object(call, value)
    return Page(
        items=objects(call, document.get("items")),
        next_cursor=document.get("nextCursor"),
        as_of=document.get("asOf"),
        unreadable=_texts(call, document.get("unreadable", [])),
    )


def batch_items(call: Call, value: Any, count: int) -> list[JsonObject]:
    """The answers of a batch: exactly one per request, or nothing can be said about any of them."""
    items = objects(call, an_object(call, value).get("items"))
    if len(items) != count or not all(("job" in item) != ("error" in item) for item in items):
        raise BadAnswer(f"{call.method} {call.path} answered {len(items)} items for {count} requests")
    return items


def read_model_of(reply: Reply) -> str | None:
    """The read model in the gateway's index, `{"links": {"readModel": URL}}`; None when it does not say."""
    try:
        index = json.loads(reply.body) if reply.status == 200 else None
    except ValueError:
        return None
    links = cast("JsonObject", index).get("links") if isinstance(index, dict) else None
    if not isinstance(links, dict):
        return None
    link = cast("JsonObject", links).get("readModel")
    return link if isinstance(link, str) and link.startswith(("http://", "https://")) else None
