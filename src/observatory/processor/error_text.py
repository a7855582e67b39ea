"""
What an exception says, as text that can be kept. Pure.

An exception is the code of whoever wrote it: it may raise when it is asked for its message, its notes
or its causes, have a name that is no text, and refer to more exceptions than anybody reads. Nothing
here raises, and what comes back is plain text within its limits.
"""

import traceback
from types import TracebackType
from typing import Any, cast

from observatory.core import limits
from observatory.core.text import ELLIPSIS, truncate_utf8

NO_MESSAGE = "(this exception cannot show its message)"

_OUR_FRAMES = __name__.rpartition(".")[0] + "."


def plain(text: str, bytes_max: int) -> str:
    """*text* in at most *bytes_max* bytes, in characters that every store can hold."""
    # A subclass of str may do anything in its own methods.
    return truncate_utf8(str.replace(str.__str__(text), "\0", "\\x00"), bytes_max)


def kind_of(error: BaseException) -> str:
    """The name of its class, whatever the class of its class says that is."""
    name: str = type.__dict__["__name__"].__get__(type(error))
    return plain(name, limits.TRACEBACK_LINE_BYTES_MAX)


def message_of(error: BaseException) -> str:
    try:
        return plain(str(error), limits.ERROR_MESSAGE_BYTES_MAX)
    except BaseException:  # noqa: BLE001 — the message of a handler's exception is the handler's code
        return NO_MESSAGE


def traceback_of(error: BaseException) -> str | None:
    """The handler's frames, newest last, without the values of variables; the newest ones where not all fit."""
    try:
        trace = handlers_frames(error)
        if trace is None:
            return None
        shortened = (plain(entry, limits.TRACEBACK_LINE_BYTES_MAX) for entry in _entries(error, trace))
        return newest("".join(shortened), limits.ERROR_TRACEBACK_BYTES_MAX)
    except BaseException:  # noqa: BLE001 — the lines of a frame may come from a loader of the handler's
        return None


def handlers_frames(error: BaseException) -> TracebackType | None:
    """What is left of the traceback without our own frames at its beginning."""
    trace: TracebackType | None = cast("Any", BaseException.__traceback__).__get__(error)
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    return trace


def _is_ours(trace: TracebackType) -> bool:
    module = trace.tb_frame.f_globals.get("__name__")
    return type(module) is str and module.startswith(_OUR_FRAMES)


def _entries(error: BaseException, trace: TracebackType) -> list[str]:
    frames_max = limits.TRACEBACK_FRAMES_MAX
    try:
        if _has_few_causes(error):
            return list(traceback.TracebackException(type(error), error, trace, limit=-frames_max).format())
    except BaseException:  # noqa: BLE001, S110 — notes, causes and messages are the handler's code
        pass
    return [*traceback.format_tb(trace, limit=-frames_max), f"{kind_of(error)}: {message_of(error)}\n"]


def _has_few_causes(error: BaseException) -> bool:
    """Whether the exceptions that *error* refers to, each with a real traceback, come to an end soon."""
    seen: set[int] = set()
    found: list[BaseException | None] = [error]
    while found:
        one = found.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if len(seen) > limits.TRACEBACK_ERRORS_MAX or type(one.__traceback__) not in {TracebackType, type(None)}:
            return False
        found += (one.__cause__, one.__context__)
        if isinstance(one, BaseExceptionGroup):
            found += cast("BaseExceptionGroup[BaseException]", one).exceptions[: limits.TRACEBACK_ERRORS_MAX + 1]
    return True


def newest(text: str, bytes_max: int) -> str:
    """The end of *text* in at most *bytes_max* bytes, where a traceback says what went wrong."""
    encoded = text.encode(errors="backslashreplace")
    if len(encoded) <= bytes_max:
        return text
    return ELLIPSIS + encoded[len(encoded) - bytes_max + len(ELLIPSIS.encode()) :].decode(errors="ignore")
