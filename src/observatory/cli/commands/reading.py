"""The commands that only ask: `jobs`, `job`, `events`, `stats`, `workers`, `types`."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

from cyclopts import Parameter

from observatory.cli.connection import connect
from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import UsageError
from observatory.cli.job_words import error_lines, progress_words
from observatory.cli.options import TARGET, Target
from observatory.cli.output import Column, Output, cell, of_process
from observatory.client import calls
from observatory.client.calls import Page
from observatory.core import limits
from observatory.core.errors import Refused
from observatory.core.job import JsonObject

JOB_COLUMNS = (
    Column("ID", "id"),
    Column("TYPE", "type"),
    Column("STATUS", "status"),
    Column("QUEUE", "queue"),
    Column("ATTEMPT", "attempt", is_number=True),
    Column("UPDATED", "updatedAt"),
)
EVENT_COLUMNS = (
    Column("POSITION", "position", is_number=True),
    Column("OCCURRED", "occurredAt"),
    Column("EVENT", "eventType"),
    Column("JOB", "jobId"),
    Column("SEQUENCE", "sequence", is_number=True),
    Column("STATUS", "status"),
)
HISTORY_COLUMNS = (
    Column("SEQUENCE", "sequence", is_number=True),
    Column("OCCURRED", "occurredAt"),
    Column("EVENT", "eventType"),
    Column("STATUS", "status"),
    Column("ATTEMPT", "attempt", is_number=True),
    Column("OUTCOME", "outcome"),
)
WORKER_COLUMNS = (
    Column("INSTANCE", "instanceId"),
    Column("HOST", "host"),
    Column("PID", "pid", is_number=True),
    Column("RUNNING", "running", is_number=True),
    Column("BUFFERED", "buffered", is_number=True),
    Column("SLOTS", "slots", is_number=True),
    Column("ABANDONED", "abandoned", is_number=True),
    Column("DRAINING", "isDraining"),
    Column("HEARTBEAT", "heartbeatAt"),
    Column("VERSION", "version"),
)
TYPE_COLUMNS = (
    Column("TYPE", "type"),
    Column("RUNS IN", "runsIn"),
    Column("ATTEMPTS", "maxAttempts", is_number=True),
    Column("TIME-OUT S", "timeoutSeconds", is_number=True),
    Column("SEEN", "seenAt"),
)

Limit = Annotated[int, Parameter(name=("--limit", "-n"))]


def jobs(
    *,
    status: str | None = None,
    type: str | None = None,
    queue: str | None = None,
    limit: Limit = limits.PAGE_ITEMS_DEFAULT,
    cursor: str | None = None,
    target: Target = TARGET,
) -> int:
    """
    List jobs, newest first.

    For example:

        odd-dashboard jobs --status FAILED
        odd-dashboard jobs --type thumbnail -n 10 --json

    Parameters
    ----------
    status
        Only jobs of this status: SCHEDULED, PENDING, VALIDATED, EXECUTING, RETRYING, COMPLETED, FAILED, CANCELLED.
    type
        Only jobs of this type.
    queue
        Only jobs of this queue.
    limit
        How many at most.
    cursor
        Go on where an earlier list ended.
    """
    with connect(target) as api:
        page = api.jobs(
            status=status.upper() if status else None, type=type, queue=queue, cursor=cursor, count_max=limit
        )
    return show_list(page, JOB_COLUMNS, target, nothing="no job matches")


def job(id: str, /, *, target: Target = TARGET) -> int:
    """
    Show one job and its history.

    Parameters
    ----------
    id
        Id of the job, as `submit` and `jobs` print it.
    """
    job_id = checked_job_id(id)
    with connect(target) as api:
        found = api.job(job_id)
        history = api.job_events(job_id)
    out = of_process()
    if target.json:
        out.json({"job": found, "events": history.items})
        return ExitCode.DONE
    plain = {name: value for name, value in found.items() if name != "error"}
    plain |= {"progress": progress_words(found.get("progress"))}
    out.fields([(words(name), value) for name, value in plain.items()])
    for line in error_lines(found.get("error")):
        out.line(line)
    out.line("")
    out.table([_event_row(event) for event in history.items], HISTORY_COLUMNS)
    if history.next_cursor:
        out.say(f"there are more events:  odd-dashboard events --job {cell(found.get('id'))}", "dim")
    return ExitCode.DONE


def checked_job_id(text: str) -> str:
    """*text*, which somebody typed as the id of a job."""
    try:
        return calls.checked_job_id(text)
    except Refused as error:
        raise UsageError(error.detail, "see which there are:  odd-dashboard jobs") from None


def events(
    *,
    job: str | None = None,
    limit: Limit = limits.PAGE_ITEMS_DEFAULT,
    cursor: str | None = None,
    target: Target = TARGET,
) -> int:
    """
    List events in order of their position.

    Parameters
    ----------
    job
        Only events of this job.
    limit
        How many at most.
    cursor
        Go on where an earlier list ended.
    """
    with connect(target) as api:
        page = api.events(job_id=job, cursor=cursor, count_max=limit)
    return show_list(page, EVENT_COLUMNS, target, nothing="no event yet", rows=[_event_row(e) for e in page.items])


def stats(*, target: Target = TARGET) -> int:
    """Show what the event history adds up to, with its position and age."""
    with connect(target) as api:
        found = api.stats()
    out = of_process()
    if target.json:
        out.json(found)
        return ExitCode.DONE
    out.fields([(words(name), value) for name, value in found.items() if not isinstance(value, dict)])
    for name in ("byStatus", "attemptsByOutcome"):
        counts = cast("dict[str, Any]", found.get(name) or {})
        rows = [{"name": key, "count": value} for key, value in counts.items()]
        if rows:
            out.line("")
            out.line(words(name))
            out.table(rows, (Column("", "name"), Column("", "count", is_number=True)))
    if found.get("lag"):
        out.say(f"{cell(found['lag'])} newer events are not in these numbers yet", "yellow")
    return ExitCode.DONE


def workers(*, target: Target = TARGET) -> int:
    """List processors and what they run."""
    with connect(target) as api:
        page = api.workers()
    return show_list(page, WORKER_COLUMNS, target, nothing="no processor was heard of")


def types(*, target: Target = TARGET) -> int:
    """List job types that some processor knows."""
    with connect(target) as api:
        page = api.types()
    return show_list(page, TYPE_COLUMNS, target, nothing="no processor has announced a type")


def show_list(
    page: Page,
    columns: Sequence[Column],
    target: Target,
    *,
    nothing: str,
    rows: Sequence[JsonObject] | None = None,
) -> int:
    """A page as a table, or as JSON; *rows* in the place of its items when a column needs more than a field."""
    out = of_process()
    if target.json:
        unreadable = {"unreadable": page.unreadable} if page.unreadable else {}
        out.json({"items": page.items, "nextCursor": page.next_cursor, "asOf": page.as_of} | unreadable)
        return ExitCode.DONE
    out.table(page.items if rows is None else rows, columns)
    if page.unreadable:
        _warn_of(out, page.unreadable)
    _say_age(out, page, nothing)
    return ExitCode.DONE


def _warn_of(out: Output, unreadable: Sequence[str]) -> None:
    named = ", ".join(cell(job_id) for job_id in unreadable[: limits.VIOLATIONS_NAMED_MAX])
    count = len(unreadable) - limits.VIOLATIONS_NAMED_MAX
    more = f" and {count} more" if count > 0 else ""
    out.mark("warn", f"left out, because the stored row is damaged: {named}{more}")


def _say_age(out: Output, page: Page, nothing: str) -> None:
    as_of = f"as of {cell(page.as_of)}" if page.as_of else ""
    if not page.items and not page.unreadable:
        out.say(f"{nothing} ({as_of})" if as_of else nothing, "dim")
    elif out.err_is_terminal:
        out.say(f"{len(page.items)} shown, {as_of}" if as_of else f"{len(page.items)} shown", "dim")
    if page.next_cursor:
        out.say(f"there is more:  --cursor {page.next_cursor}", "dim")


def _event_row(event: JsonObject) -> JsonObject:
    """An event with the words of its payload beside those of its envelope."""
    payload = event.get("payload")
    words = cast("JsonObject", payload) if isinstance(payload, dict) else {}
    return {name: words.get(name) for name in ("status", "attempt", "outcome")} | event


def words(name: str) -> str:
    """`createdAt` as people write it, `created at`; from data, so made harmless."""
    return cell("".join(f" {char.lower()}" if char.isupper() else char for char in name))
