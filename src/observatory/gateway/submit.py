"""From bytes to a job that may be stored: strict JSON, contract, limits, the type's own schema, defaults."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from observatory.contracts import is_valid, validate
from observatory.contracts.wire import JobRequest
from observatory.core import limits
from observatory.core.bulk import is_reserved
from observatory.core.errors import InvalidJob, Refused
from observatory.core.handler import TypeInfo
from observatory.core.job import Job, JsonObject, NewJob
from observatory.core.options import options_of
from observatory.core.sources import Ids
from observatory.core.strict_json import canonical
from observatory.edge.problem import InvalidFields

CONTRACT: Final = "job-request"
OPTIONS: Final = ("queue", "priority", "maxAttempts", "timeoutSeconds", "runAt", "metadata")
"""Fields that say how a job is to be run: with type and payload they are what an idempotency key stands for."""
UNNAMED = "api"
"""Who acted, when the caller does not say: somebody who spoke to the API."""


class CallContext(msgspec.Struct, frozen=True, kw_only=True):
    """What the call says beside its body."""

    correlation_id: str
    traceparent: str | None = None
    """None when absent or not well formed."""
    idempotency_key: str | None = None
    """From the header."""


class CheckedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that keeps its contract and all limits."""

    request: JobRequest
    fingerprint: str
    run_at: datetime | None
    """UTC."""


def checked_document(document: Any, *, now: datetime) -> CheckedRequest:
    """
    The job that *document*, as strict JSON gives it, asks for.

    Raises:
        InvalidJob: A field is wrong.
    """
    if not is_valid(CONTRACT, document):
        raise InvalidFields(validate(CONTRACT, document))
    payload: JsonObject = document.get("payload", {})
    check_size(payload, limits.PAYLOAD_BYTES_MAX, "payload")
    if "metadata" in document:
        check_size(document["metadata"], limits.METADATA_BYTES_MAX, "metadata")
    return CheckedRequest(
        request=_request_of(document),
        fingerprint=fingerprint_of(document),
        run_at=_run_at(document["runAt"], now) if "runAt" in document else None,
    )


def _request_of(document: JsonObject) -> JobRequest:
    # runAt may have more digits than a datetime holds; it is read by `_run_at`.
    fields = {name: value for name, value in document.items() if name != "runAt"}
    return msgspec.convert(fields, JobRequest, strict=False)


def check_size(value: JsonObject, bytes_max: int, name: str) -> None:
    # A short one cannot be too long: the walk below is only taken by values that are large in memory.
    size = len(canonical(value))
    if size > bytes_max:
        detail = f"the {name} has {size} bytes as canonical JSON; at most {bytes_max} are accepted"
        raise InvalidJob(detail, code=f"{name}_too_large", pointer=f"/{name}")


def _run_at(text: str, now: datetime) -> datetime:
    try:
        run_at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidJob("must be an instant that exists", pointer="/runAt") from None
    if run_at > now + timedelta(days=limits.RUN_AHEAD_DAYS_MAX):
        raise InvalidJob(f"must be at most {limits.RUN_AHEAD_DAYS_MAX} days ahead", pointer="/runAt")
    return run_at


def fingerprint_of(document: JsonObject) -> str:
    """Hex SHA-256 of type, payload and options as given; equal for equal JSON, however it was written."""
    said = {name: document[name] for name in OPTIONS if name in document}
    said |= {"type": document["type"], "payload": document.get("payload", {})}
    return hashlib.sha256(canonical(said)).hexdigest()


def new_job(checked: CheckedRequest, context: CallContext, *, info: TypeInfo | None, ids: Ids) -> NewJob:
    """
    The job to store. What the caller left open is decided by `core.options`.

    Args:
        info: None when no processor has announced the type.

    Raises:
        Refused: The key in the header is not the one in the body (`idempotency_keys_differ`), or it is not a caller's
            (`reserved_idempotency_key`).
    """
    request = checked.request
    options = options_of(request, info)
    return NewJob(
        id=ids.new_id(),
        event_id=ids.new_id(),
        type=request.type,
        payload=request.payload if request.payload is not None else {},
        correlation_id=(request.correlation_id or context.correlation_id).lower(),
        fingerprint=checked.fingerprint,
        queue=options.queue,
        priority=options.priority,
        max_attempts=options.max_attempts,
        timeout_seconds=options.timeout_seconds,
        run_at=checked.run_at,
        metadata=request.metadata,
        idempotency_key=_one_key(request.idempotency_key, context.idempotency_key),
        traceparent=context.traceparent,
    )


def _one_key(in_body: str | None, in_header: str | None) -> str | None:
    if in_body is not None and in_header is not None and in_body != in_header:
        detail = "the header Idempotency-Key and the field idempotencyKey differ; send one of them"
        raise Refused(detail, code="idempotency_keys_differ", pointer="/idempotencyKey")
    if in_body is not None:
        refuse_reserved(in_body, pointer="/idempotencyKey")
    return in_body if in_body is not None else in_header


def refuse_reserved(key: str, *, pointer: str | None = None) -> None:
    """
    Raises:
        Refused: Only repetitions of jobs have such a key (`reserved_idempotency_key`).
    """
    if is_reserved(key):
        detail = f"idempotency keys that begin as {key[:6]} are those of repeated jobs; choose another one"
        raise Refused(detail, code="reserved_idempotency_key", pointer=pointer)


def repeated_job(job: Job, context: CallContext, *, ids: Ids) -> NewJob:
    """A new job that does again what the final *job* did, under the same correlation id."""
    said: JsonObject = {"retryOf": job.id, "type": job.type, "payload": job.payload}
    return NewJob(
        id=ids.new_id(),
        event_id=ids.new_id(),
        type=job.type,
        payload=job.payload,
        correlation_id=job.correlation_id,
        fingerprint=hashlib.sha256(canonical(said)).hexdigest(),
        queue=job.queue,
        priority=job.priority,
        max_attempts=job.max_attempts,
        timeout_seconds=job.timeout_seconds,
        metadata=job.metadata,
        idempotency_key=context.idempotency_key,
        retry_of=job.id,
        traceparent=context.traceparent,
    )
