"""From the keyword arguments of a submit to the payload that is sent, or a message that says what is wrong."""

import difflib
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from observatory.core.errors import InvalidJob
from observatory.core.handler import Handler
from observatory.core.job import JsonObject
from observatory.sdk.payload import to_json


def payload_for(handler: Handler, arguments: Mapping[str, Any]) -> JsonObject:
    """
    *arguments* as the payload of one job of the type: plain JSON values that the handler's parameters take.

    Raises:
        InvalidJob: Names the parameter, what was given, what is expected, and a similar name if there is one.
    """
    _check_names(handler, arguments)
    payload = {name: _json_of(handler.type, name, value) for name, value in arguments.items()}
    if handler.check_payload is not None:
        try:
            handler.check_payload(payload)
        except InvalidJob as fault:
            raise _explained(handler.type, payload, fault) from None
    return payload


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'width'?` when one of *known* is close to *name*, else an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _check_names(handler: Handler, arguments: Mapping[str, Any]) -> None:
    schema = handler.payload_schema or {}
    known = list(cast("JsonObject", schema.get("properties", {})))
    if schema.get("additionalProperties") is False:
        for name in arguments:
            if name not in known:
                takes = f"it takes {', '.join(known)}" if known else "it takes no parameters"
                detail = f"{handler.type} has no parameter {name!r}{did_you_mean(name, known)} ({takes})"
                raise InvalidJob(detail, pointer=_pointer(name))
    missing = [name for name in cast("list[str]", schema.get("required", [])) if name not in arguments]
    if missing:
        detail = f"{handler.type} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not given"
        raise InvalidJob(detail, pointer=_pointer(missing[0]))


def _json_of(type_name: str, name: str, value: Any) -> Any:
    try:
        return to_json(value)
    except (TypeError, ValueError, NotImplementedError, RecursionError) as error:
        detail = f"{name} of {type_name} is {reprlib.repr(value)}, which has no JSON form: {error}"
        raise InvalidJob(detail, pointer=_pointer(name)) from None


def _explained(type_name: str, payload: JsonObject, fault: InvalidJob) -> InvalidJob:
    """*fault* with the value it is about."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in (fault.pointer or "").split("/")[2:]]
    place = ".".join(steps)
    if not place:
        return InvalidJob(f"{type_name}: {fault.detail}", pointer=fault.pointer)
    shown = reprlib.repr(_value_at(payload, steps))
    return InvalidJob(f"{place} of {type_name} is {shown}: {fault.detail}", pointer=fault.pointer)


def _value_at(payload: JsonObject, steps: Sequence[str]) -> Any:
    """As far as *steps* lead."""
    found: Any = payload
    for step in steps:
        if isinstance(found, list):
            found = cast("list[Any]", found)[int(step)]
        elif isinstance(found, dict) and step in found:
            found = cast("JsonObject", found)[step]
    return cast("Any", found)


def _pointer(name: str) -> str:
    return "/payload/" + name.replace("~", "~0").replace("/", "~1")
