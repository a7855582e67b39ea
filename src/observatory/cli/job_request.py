"""From what a person types to a job request (`contracts/schemas/job-request`): pure."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from observatory.cli.failures import UsageError
from observatory.core import limits, strict_json
from observatory.core.errors import BadJson
from observatory.core.job import JsonObject

_DURATION = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m|h|d|)")
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_IS_TEXT = frozenset({"malformed_json", "not_finite"})
"""Faults that show that somebody meant text: `a.jpg`, `007`, `NaN`."""


def payload_of(pairs: Sequence[str], document: str | None) -> JsonObject:
    """
    The payload: the object *document*, or made of `key=value` *pairs*.

    A value that is JSON is taken as JSON (`3`, `true`, `["a"]`, `"3"`), every other one as text.

    Raises:
        UsageError: Both are given, a pair has no `=`, a key occurs twice, or it is no JSON object.
    """
    if document is None:
        return _payload_of_pairs(pairs)
    if pairs:
        raise UsageError("the payload is given twice", "use either --payload or key=value, not both")
    try:
        value = strict_json.decode(document.encode("utf-8", "surrogateescape"))
    except BadJson as error:
        raise UsageError(f"--payload is not usable JSON: {error.detail}", _JSON_EXAMPLE) from None
    if not isinstance(value, dict):
        raise UsageError("--payload must be a JSON object", _JSON_EXAMPLE)
    return cast("JsonObject", value)


_JSON_EXAMPLE = """for example:  --payload '{"path": "a.jpg", "width": 256}'"""


def _payload_of_pairs(pairs: Sequence[str]) -> JsonObject:
    payload: JsonObject = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"{pair!r} is not a payload field", "write key=value, for example width=256")
        if key in payload:
            raise UsageError(f"the payload field {key!r} is given twice", "give each key once; a list is key='[1, 2]'")
        payload[key] = _value(key, text)
    return payload


def _value(key: str, text: str) -> Any:
    try:
        return strict_json.decode(text.encode("utf-8", "surrogateescape"))
    except BadJson as error:
        if error.code in _IS_TEXT:
            return text
        raise UsageError(f"the value of {key!r} is refused: {error.detail}", f"as text:  {key}='\"…\"'") from None


def seconds_of(text: str, *, option: str) -> float:
    """
    A duration: `1.5`, `30s`, `5m`, `2h`, `1d`, `250ms`.

    Raises:
        UsageError: It is something else.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError(f"{option} is not a duration: {text!r}", "write seconds or a unit: 30, 30s, 5m, 2h, 1d")
    seconds = float(match["number"]) * _SECONDS[match["unit"]]
    if not math.isfinite(seconds):
        raise UsageError(f"{option} is too long: {text[:20]}…", "write seconds or a unit: 30, 30s, 5m, 2h, 1d")
    return seconds


def run_at_of(delay: str | None, run_at: str | None, now: datetime) -> str | None:
    """
    When the job is due, as the wire writes it; None means at once.

    Raises:
        UsageError: Both are given, or one cannot be read.
    """
    if delay is not None and run_at is not None:
        raise UsageError("--delay and --run-at contradict each other", "give one of them")
    if delay is not None:
        seconds = seconds_of(delay, option="--delay")
        if seconds > limits.RUN_AHEAD_DAYS_MAX * _SECONDS["d"]:
            raise UsageError(f"--delay is too long: {delay}", _WINDOW)
        return _written(now + timedelta(seconds=seconds))
    return None if run_at is None else _instant(run_at)


def _instant(text: str) -> str:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(
            f"--run-at is not an instant: {text!r}", "write it with its offset: 2026-01-31T12:00:00Z or …+01:00"
        )
    try:
        return _written(at)
    except OverflowError:
        raise UsageError(f"--run-at is too far away: {text}", _WINDOW) from None


_WINDOW = f"a job may be due at most {limits.RUN_AHEAD_DAYS_MAX} days ahead"


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def request_of(type: str, payload: JsonObject, **options: Any) -> JsonObject:
    """The request: options that are None are left out, so that the service's defaults hold."""
    given = {name: value for name, value in options.items() if value is not None}
    return {"type": type, "payload": payload} | given
