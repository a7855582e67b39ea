"""`explain`."""

from collections.abc import Iterator
from typing import Any, cast

from observatory.cli.commands.reading import checked_job_id, words
from observatory.cli.connection import connect
from observatory.cli.exit_codes import ExitCode
from observatory.cli.options import TARGET, Target
from observatory.cli.output import STATUS_STYLES, Output, cell, of_process
from observatory.core.job import JsonObject

_SENTENCE_BYTES_MAX = 4096


def explain(id: str, /, *, target: Target = TARGET) -> int:
    """
    Say why a job is where it is, with the facts, and what will change it.

    Prints the status and a code, a sentence, the facts, and what the job waits for. docs/explain.md lists the codes.

    For example:

        odd-dashboard explain 0197a000-0000-7000-8000-000000000001

    Parameters
    ----------
    id
        Id of the job, as `submit` and `jobs` print it.
    """
    job_id = checked_job_id(id)
    with connect(target) as api:
        found = api.explain(job_id)
    out = of_process()
    if target.json:
        out.json(found)
    else:
        _show(out, found)
    return ExitCode.DONE


def _show(out: Output, found: JsonObject) -> None:
    status, change = cell(found.get("status")), _object(found.get("change"))
    out.line(f"{out.painted(status, STATUS_STYLES.get(status))}  {out.painted(cell(found.get('code')), 'bold')}")
    out.line(cell(found.get("summary"), bytes_max=_SENTENCE_BYTES_MAX))
    out.line("")
    out.fields(list(_facts(_object(found.get("evidence")))))
    out.line("")
    out.fields(
        [
            ("changes", change.get("text")),
            ("at", change.get("at")),
            ("also", found.get("also")),
            ("as of", found.get("asOf")),
        ]
    )


def _facts(evidence: JsonObject) -> Iterator[tuple[str, Any]]:
    """One line for each fact; of a list of parts, one for each part."""
    for name, value in evidence.items():
        if name == "processors":
            yield from (("processor", _processor(one)) for one in _objects(value))
        elif name == "down":
            yield from (("down", _down(one)) for one in _objects(value))
        else:
            yield words(name), value


def _processor(seen: JsonObject) -> str:
    age = seen.get("heartbeatAgeSeconds")
    parts = [
        f"{cell(seen.get('instanceId'))} on {cell(seen.get('host'))}, process {cell(seen.get('pid'))}",
        f"{cell(seen.get('running'))} running in {cell(seen.get('slots'))} slots",
        f"{cell(seen['abandoned'])} held by abandoned threads" if seen.get("abandoned") else "",
        "draining" if seen.get("isDraining") else "",
        "never heard of" if age is None else f"heard of {cell(age)} s ago",
        "" if seen.get("isAlive") else "not alive",
    ]
    return ", ".join(part for part in parts if part)


def _down(part: JsonObject) -> str:
    behind, age = part.get("behindSeconds"), part.get("heartbeatAgeSeconds")
    parts = [
        f"{cell(part.get('name'))} ({cell(part.get('reason'))}{f' by {cell(behind)} s' if behind else ''})",
        f"{cell(part.get('role'))} process {cell(part.get('pid'))} on {cell(part.get('host'))}"
        if "pid" in part
        else "",
        "" if age is None else f"heard of {cell(age)} s ago",
    ]
    return ", ".join(one for one in parts if one)


def _object(value: Any) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _objects(value: Any) -> list[JsonObject]:
    return [_object(one) for one in cast("list[Any]", value)] if isinstance(value, list) else []
