"""What a submit asks for: options, payload and key, checked before anything is sent."""

import math
import re
import reprlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn, cast

import msgspec

from observatory.core import limits, strict_json
from observatory.core.errors import BadJson, InvalidJob, ObservatoryError
from observatory.core.job import JsonObject
from observatory.core.sources import Clock, Ids

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KEY: Final = re.compile(r"[A-Za-z0-9._:/-]+")


class JobRequest(msgspec.Struct, frozen=True):
    """
    One job to be submitted, with its idempotency key drawn already.

    It stands for one job: submitting the same request again, after an error or by mistake, finds that job.
    """

    document: JsonObject
    """The body of `POST /jobs`."""

    @property
    def type(self) -> str:
        return self.document["type"]

    @property
    def idempotency_key(self) -> str:
        return self.document["idempotencyKey"]


class JobOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a job is to be run. None leaves it to its type, or to the gateway's default."""

    queue: str | None = None
    priority: int | None = None
    """0 is claimed first, 9 last."""
    run_at: datetime | None = None
    """Not before this instant, which has a time zone."""
    delay_s: float | None = None
    """Not before so many seconds from now, by the clock of the process that submits."""
    idempotency_key: str | None = None
    """Of one job. None draws a fresh one, which makes the repetition of one submit safe and nothing more."""
    max_attempts: int | None = None
    timeout_s: float | None = None
    """Hard time-out of one attempt."""
    correlation_id: str | None = None
    """A UUID. None takes that of the job whose handler submits, else a fresh one."""
    metadata: Mapping[str, Any] | None = None
    """Labels for people; at most `limits.METADATA_BYTES_MAX`."""


NO_OPTIONS: Final = JobOptions()


def request_of(
    type_name: str, payload: JsonObject, options: JobOptions, *, clock: Clock, ids: Ids, correlation_id: str | None
) -> JobRequest:
    """
    The request for one job; *payload* is JSON already.

    Args:
        correlation_id: Of the job whose handler asks; None outside of handlers.

    Raises:
        InvalidJob: An option is out of its bounds, or the payload or the metadata is not JSON that every store can
            hold; `pointer` names it.
    """
    _check_size(payload, "payload", limits.PAYLOAD_BYTES_MAX)
    given = {
        "type": type_name,
        "payload": payload,
        "queue": _queue(options.queue),
        "priority": _whole("priority", options.priority, (limits.PRIORITY_MIN, limits.PRIORITY_MAX)),
        "maxAttempts": _whole("max_attempts", options.max_attempts, (1, limits.ATTEMPTS_MAX)),
        "timeoutSeconds": _seconds("timeout_s", options.timeout_s, limits.TIMEOUT_S_MAX),
        "runAt": _run_at(options, clock),
        "idempotencyKey": f"sdk:{ids.new_id()}" if options.idempotency_key is None else _key(options.idempotency_key),
        "correlationId": _uuid(options.correlation_id or correlation_id),
        "metadata": _metadata(options.metadata),
    }
    return JobRequest({name: value for name, value in given.items() if value is not None})


def _queue(queue: object) -> str | None:
    if queue is None:
        return None
    if not isinstance(queue, str) or not _NAME.fullmatch(queue) or len(queue) > limits.QUEUE_NAME_CHARS_MAX:
        most = limits.QUEUE_NAME_CHARS_MAX
        _refuse("queue", queue, f"it has 1 to {most} letters, digits, '.', '_' and '-', the first a letter or digit")
    return queue


def _key(key: object) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key) or len(key) > limits.IDEMPOTENCY_KEY_CHARS_MAX:
        most = limits.IDEMPOTENCY_KEY_CHARS_MAX
        _refuse("idempotency_key", key, f"it has 1 to {most} letters, digits, '.', '_', ':', '/' and '-'")
    return key


def _whole(option: str, value: object, bounds: tuple[int, int]) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not bounds[0] <= value <= bounds[1]:
        _refuse(option, value, f"it is a whole number from {bounds[0]} to {bounds[1]}")
    return value


def _seconds(option: str, value: object, most: float, *, may_be_zero: bool = False) -> float | None:
    if value is None:
        return None
    seconds = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not (0 < seconds <= most or (may_be_zero and seconds == 0)):  # also refuses NaN
        least = "at least 0" if may_be_zero else "above 0"
        _refuse(option, value, f"it is a number of seconds, {least} and at most {most:g}")
    return seconds


def _run_at(options: JobOptions, clock: Clock) -> str | None:
    run_at: object = options.run_at
    ahead_s = limits.RUN_AHEAD_DAYS_MAX * 86_400.0
    delay_s = _seconds("delay_s", options.delay_s, ahead_s, may_be_zero=True)
    if run_at is None:
        # A delay as long as the bound is still within it when the gateway reads the request, a moment later.
        return None if delay_s is None else (clock.now() + timedelta(seconds=delay_s)).isoformat()
    if delay_s is not None:
        _refuse("run_at", run_at, "it is given beside delay_s; give one of them")
    if not isinstance(run_at, datetime):
        _refuse("run_at", run_at, "it is a datetime")
    if run_at.utcoffset() is None:
        _refuse("run_at", run_at, "it has no time zone: write datetime(..., tzinfo=UTC), or use delay_s")
    if run_at > clock.now() + timedelta(seconds=ahead_s):
        _refuse("run_at", run_at, f"it is at most {limits.RUN_AHEAD_DAYS_MAX} days ahead")
    return run_at.astimezone(UTC).isoformat()


def _uuid(value: object) -> str | None:
    if value is None:
        return None
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        _refuse("correlation_id", value, "it is a UUID")


def _metadata(metadata: object) -> JsonObject | None:
    if metadata is None:
        return None
    try:
        plain: Any = msgspec.to_builtins(metadata, str_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        _refuse("metadata", metadata, f"it is a mapping of JSON values: {error}")
    if not isinstance(plain, dict):
        _refuse("metadata", metadata, "it is a mapping of JSON values")
    _check_size(plain, "metadata", limits.METADATA_BYTES_MAX)
    return cast("JsonObject", plain)


def _check_size(value: Any, name: str, bytes_max: int) -> None:
    try:
        text = strict_json.canonical(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidJob(f"the {name} is not JSON: {error}", code="not_json", pointer=f"/{name}") from None
    if len(text) > bytes_max:
        detail = f"the {name} has {len(text)} bytes as canonical JSON; at most {bytes_max} are accepted"
        raise InvalidJob(detail, code=f"{name}_too_large", pointer=f"/{name}")
    try:
        strict_json.decode(text)
    except BadJson as fault:
        place = ".".join(step.replace("~1", "/").replace("~0", "~") for step in (fault.pointer or "").split("/")[1:])
        where = f"{place} in the {name}" if place else f"the {name}"
        detail = f"{where}: {fault.detail}"
        raise InvalidJob(detail, code=fault.code, pointer=f"/{name}{fault.pointer or ''}") from None


def _refuse(option: str, value: object, says: str) -> NoReturn:
    raise InvalidJob(f"the option {option} is {reprlib.repr(value)}; {says}", pointer=f"/{_WIRE.get(option, option)}")


_WIRE: Final = {
    "max_attempts": "maxAttempts",
    "timeout_s": "timeoutSeconds",
    "run_at": "runAt",
    "delay_s": "runAt",
    "idempotency_key": "idempotencyKey",
    "correlation_id": "correlationId",
}


# --- many at once -----------------------------------------------------------------------------


class NotAccepted(msgspec.Struct, frozen=True):
    """One request of many that made no job, or is not known to have made one."""

    index: int
    """Its place among the requests, from 0."""
    request: JobRequest
    """Submitting it again is safe."""
    error: ObservatoryError
