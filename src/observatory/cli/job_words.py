"""A job's progress and error as a person reads them: harmless lines."""

from collections.abc import Iterator
from typing import Any, cast

from observatory.cli.output import cell
from observatory.core import limits
from observatory.core.job import JsonObject

_LINE_BYTES_MAX = 2_000


def progress_words(progress: Any) -> str | None:
    """As `40 % (4 of 10) reading`; None when there is none."""
    if not isinstance(progress, dict):
        return None
    said = cast("JsonObject", progress)
    words: list[str] = []
    fraction = said.get("fraction")
    if isinstance(fraction, int | float) and not isinstance(fraction, bool):
        words.append(f"{fraction * 100:.0f} %")
    if said.get("done") is not None:
        total = f" of {cell(said['total'])}" if said.get("total") is not None else ""
        words.append(f"({cell(said['done'])}{total})" if words else f"{cell(said['done'])}{total}")
    if said.get("message"):
        words.append(cell(said["message"], bytes_max=2 * limits.PROGRESS_MESSAGE_BYTES_MAX))
    if said.get("data"):
        words.append(cell(said["data"]))
    return " ".join(words) or None


def error_lines(error: Any) -> Iterator[str]:
    """What went wrong, where, and what was behind it; nothing for what is no error."""
    if not isinstance(error, dict):
        return
    said = cast("JsonObject", error)
    yield from _one(said, indent="")
    for related in _objects(said.get("related")):
        yield f"  {_RELATIONS.get(str(related.get('relation')), 'behind it')}:"
        yield from _one(related, indent="  ")
    if said.get("relatedLeftOut"):
        yield f"  and {cell(said['relatedLeftOut'])} more behind it"


_RELATIONS = {"cause": "caused by", "context": "while handling", "member": "one of the group"}


def _one(error: JsonObject, *, indent: str) -> Iterator[str]:
    name = error.get("qualifiedType") or error.get("type")
    first, *rest = str(error.get("message") or "").split("\n")
    yield f"{indent}{cell(name, bytes_max=_LINE_BYTES_MAX)}: {cell(first, bytes_max=_LINE_BYTES_MAX)}"
    for line in rest:
        yield f"{indent}    {cell(line, bytes_max=_LINE_BYTES_MAX)}"
    frames = list(_objects(error.get("frames")))
    left_out = error.get("framesLeftOut")
    for number, frame in enumerate(frames):
        if left_out and number == len(frames) // 2:
            yield f"{indent}    … {cell(left_out)} frames are left out …"
        place = f"{cell(frame.get('file'), bytes_max=_LINE_BYTES_MAX)}:{cell(frame.get('line'))}"
        yield f"{indent}  {place} in {cell(frame.get('function'), bytes_max=_LINE_BYTES_MAX)}"
        if frame.get("source"):
            yield f"{indent}      {cell(frame['source'], bytes_max=_LINE_BYTES_MAX)}"
    if not frames and error.get("traceback"):
        for line in str(error["traceback"]).splitlines():
            yield f"{indent}  {cell(line, bytes_max=_LINE_BYTES_MAX)}"


def _objects(value: Any) -> Iterator[JsonObject]:
    if isinstance(value, list):
        yield from (cast("JsonObject", one) for one in cast("list[Any]", value) if isinstance(one, dict))
