"""`logs`."""

from typing import Annotated, Any, cast

from cyclopts import Parameter

from observatory.cli.commands.reading import checked_job_id
from observatory.cli.connection import connect
from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import UsageError
from observatory.cli.options import TARGET, Target
from observatory.cli.output import Output, cell, of_process
from observatory.client.log_following import LogFollower
from observatory.core import limits
from observatory.core.job import JsonObject


def logs(
    id: str,
    /,
    *,
    attempt: int | None = None,
    follow: Annotated[bool, Parameter(name=("--follow", "-f"), negative="")] = False,
    target: Target = TARGET,
) -> int:
    """
    Show what an attempt of a job logged and printed: the end of it.

    For example:

        odd-dashboard logs 0197a000-0000-7000-8000-000000000001
        odd-dashboard logs 0197a000-0000-7000-8000-000000000001 --follow

    Parameters
    ----------
    id
        Id of the job, as `submit` and `jobs` print it.
    attempt
        Number of the attempt. Default: the last one.
    follow
        Go on until the job is final; with --json, one line of the log per line.
    """
    if attempt is not None and not 1 <= attempt <= limits.ATTEMPTS_MAX:
        raise UsageError(f"--attempt {attempt} is not from 1 to {limits.ATTEMPTS_MAX}", "leave it out for the last one")
    job_id = checked_job_id(id)
    out = of_process()
    with connect(target) as api:
        if not follow:
            return _show(out, api.attempt_log(job_id, attempt=attempt), is_json=target.json)
        for news in LogFollower(api, job_id, attempt).news():
            if news.missed:
                out.say(f"{news.missed} lines went by and were not kept", "dim")
            for line in news.lines:
                _show_line(out, line, attempt=news.attempt, is_json=target.json)
            out.flush()
    return ExitCode.DONE


def _show(out: Output, log: JsonObject, *, is_json: bool) -> int:
    if is_json:
        out.json(log)
        return ExitCode.DONE
    lines = cast("list[Any]", log.get("lines") or [])
    if log.get("droppedLines") or log.get("droppedBytes"):
        out.say(
            f"{cell(log.get('droppedLines'))} earlier lines ({cell(log.get('droppedBytes'))} bytes) were not kept",
            "dim",
        )
    for line in lines:
        _show_line(out, line, attempt=None, is_json=False)
    out.flush()
    if not lines:
        out.say(f"attempt {cell(log.get('attempt'))} said nothing that was kept", "dim")
    elif log.get("isComplete") is False:
        out.say(f"it still runs; as saved at {cell(log.get('savedAt'))}; go on:  --follow", "dim")
    return ExitCode.DONE


def _show_line(out: Output, line: Any, *, attempt: int | None, is_json: bool) -> None:
    if is_json:
        out.json({"attempt": attempt, **line})
        return
    at, text = str(line.get("at", "")), str(line.get("text", ""))
    # A time of day is enough beside a line; the whole instant is in --json.
    shown = cell(text, bytes_max=limits.ATTEMPT_LOG_BYTES_MAX * 4) if text else ""
    out.line(f"{cell(at[11:23]).removesuffix('Z')}  {shown}".rstrip())
