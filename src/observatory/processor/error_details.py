"""
What an exception is, in parts that a program can read: its class, its frames, the exceptions behind it.

Never the values of variables. Everything is bounded, and an exception that prevents being looked at, as
its author's code can, loses these parts and nothing else. Pure.
"""

import linecache
from collections import deque
from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import Any, cast

import msgspec

from observatory.core import limits
from observatory.core.job import ErrorFrame, JobError, RelatedError
from observatory.processor.error_text import handlers_frames, kind_of, message_of, plain

_Group = cast("Any", BaseExceptionGroup)
_Base = cast("Any", BaseException)


def with_details(error: JobError, of: BaseException) -> JobError:
    """*error* with the parts of the exception that it was made *of*."""
    try:
        frames, left_out = _frames(of, limits.ERROR_FRAMES_MAX)
        related, more = _related(of)
        detailed = msgspec.structs.replace(
            error,
            qualified_type=_qualified_type(of),
            frames=frames,
            frames_left_out=left_out,
            related=related,
            related_left_out=more,
        )
    except BaseException:  # noqa: BLE001 — every part of the exception is code of the handler's author
        return error
    return _within_bytes(detailed)


def _within_bytes(error: JobError) -> JobError:
    """Without what is behind it, and then without its frames, if it would be too long."""
    if len(msgspec.json.encode(error)) <= limits.ERROR_BYTES_MAX:
        return error
    shorter = msgspec.structs.replace(error, related=[], related_left_out=error.related_left_out + len(error.related))
    if len(msgspec.json.encode(shorter)) <= limits.ERROR_BYTES_MAX:
        return shorter
    left_out = error.frames_left_out + len(error.frames)
    return msgspec.structs.replace(shorter, frames=[], frames_left_out=left_out)


def _qualified_type(error: BaseException) -> str:
    """As it is imported: module and name; the name alone of what is built in."""
    # Asked of `type` itself: the class of a class can answer anything.
    module = type.__dict__["__module__"].__get__(type(error))
    name = type.__dict__["__qualname__"].__get__(type(error))
    qualified = name if module == "builtins" else f"{module}.{name}"
    return plain(qualified, limits.ERROR_PART_BYTES_MAX)


def _frames(error: BaseException, count_max: int) -> tuple[list[ErrorFrame], int]:
    """The first and the last frames, oldest first, and how many between them are left out."""
    traces = _traces(handlers_frames(error))
    half = count_max // 2
    first = list(islice(traces, half))
    rest: deque[TracebackType] = deque(maxlen=half)
    count = len(first)
    for trace in traces:
        rest.append(trace)
        count += 1
    shown = [*first, *rest]
    return [_frame(trace) for trace in shown], count - len(shown)


def _traces(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _frame(trace: TracebackType) -> ErrorFrame:
    code, globals_ = trace.tb_frame.f_code, trace.tb_frame.f_globals
    source = linecache.getline(code.co_filename, trace.tb_lineno, globals_).strip()
    return ErrorFrame(
        file=plain(code.co_filename, limits.ERROR_PART_BYTES_MAX),
        line=max(0, trace.tb_lineno or 0),
        function=plain(code.co_qualname, limits.ERROR_PART_BYTES_MAX),
        source=plain(source, limits.ERROR_PART_BYTES_MAX) if source else None,
    )


def _related(error: BaseException) -> tuple[list[RelatedError], int]:
    """The exceptions behind *error*, the nearest first, and how many more there are, as far as they were counted."""
    found: list[RelatedError] = []
    seen, more = {id(error)}, 0
    todo = deque(_behind(error))
    while todo and len(seen) <= limits.TRACEBACK_ERRORS_MAX:
        relation, one = todo.popleft()
        if id(one) in seen:
            continue
        seen.add(id(one))
        todo.extend(_behind(one))
        if len(found) < limits.ERROR_RELATED_MAX:
            found.append(_related_error(relation, one))
        else:
            more += 1
    return found, more + len(todo)


def _behind(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    cause = _Base.__cause__.__get__(error)
    context = _Base.__context__.__get__(error)
    if cause is not None:
        yield "cause", cause
    elif context is not None and not _Base.__suppress_context__.__get__(error):
        yield "context", context
    if issubclass(type(error), BaseExceptionGroup):
        for member in _Group.exceptions.__get__(error)[: limits.TRACEBACK_ERRORS_MAX]:
            yield "member", member


def _related_error(relation: str, error: BaseException) -> RelatedError:
    frames, left_out = _frames(error, limits.ERROR_RELATED_FRAMES_MAX)
    return RelatedError(
        relation=relation,
        type=kind_of(error),
        qualified_type=_qualified_type(error),
        message=plain(message_of(error), limits.ERROR_RELATED_MESSAGE_BYTES_MAX),
        frames=frames,
        frames_left_out=left_out,
    )
