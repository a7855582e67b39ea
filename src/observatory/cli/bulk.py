"""Actions on many jobs, as a command takes them: count first, ask, then go on until every job was looked at."""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from cyclopts import Group, Parameter

from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import Failure, UsageError
from observatory.cli.output import Column, Output, of_process
from observatory.core import limits
from observatory.core.job import JsonObject

FILTER = Group("Filter", sort_key=50)
COUNT_COLUMNS = (Column("STATUS", "status"), Column("TYPE", "type"), Column("JOBS", "count", is_number=True))

Act = Callable[..., JsonObject]
"""One call of a bulk action, with the arguments of `client.control_calls.BulkAsked`."""


@Parameter(name="*")
@dataclass(frozen=True)
class Filters:
    """Which jobs are meant, and whether to ask before."""

    status: Annotated[str | None, Parameter(group=FILTER)] = None
    """Only jobs of this status."""
    type: Annotated[str | None, Parameter(group=FILTER)] = None
    """Only jobs of this type."""
    queue: Annotated[str | None, Parameter(group=FILTER)] = None
    """Only jobs of this queue."""
    correlation_id: Annotated[str | None, Parameter(group=FILTER)] = None
    """Only jobs with this correlation id."""
    error_type: Annotated[str | None, Parameter(group=FILTER)] = None
    """Only jobs whose last attempt ended by this type of error, such as ValueError."""
    created_after: Annotated[str | None, Parameter(group=FILTER)] = None
    """Only jobs accepted since this instant: 2026-01-31T12:00:00Z."""
    created_before: Annotated[str | None, Parameter(group=FILTER)] = None
    """Only jobs accepted before this instant."""
    finished_after: Annotated[str | None, Parameter(group=FILTER)] = None
    """Only jobs that are final since this instant."""
    finished_before: Annotated[str | None, Parameter(group=FILTER)] = None
    """Only jobs that were final before this instant."""
    all: Annotated[bool, Parameter(negative="", group=FILTER)] = False
    """Every job, when no filter is given."""
    dry_run: Annotated[bool, Parameter(negative="")] = False
    """Count the jobs that match, by status and type, and change nothing."""
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), negative="")] = False
    """Do not ask before acting on many jobs. Without a terminal to ask on, it is required."""

    @property
    def document(self) -> JsonObject:
        """The filter, as the gateway takes it."""
        given = {
            "status": self.status.upper() if self.status else self.status,
            "type": self.type,
            "queue": self.queue,
            "correlationId": self.correlation_id,
            "errorType": self.error_type,
            "createdAfter": self.created_after,
            "createdBefore": self.created_before,
            "finishedAfter": self.finished_after,
            "finishedBefore": self.finished_before,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def is_given(self) -> bool:
        return bool(self.document) or self.all or self.dry_run


NO_FILTERS = Filters()


def act_on_many(verb: str, act: Act, filters: Filters, *, is_json: bool, operation_id: str | None = None) -> int:
    """
    Count, ask, and act in one call after the other; prints the sum.

    Args:
        verb: What is done, for the question: cancel, retry, redrive.
    """
    out = of_process()
    # Whoever cannot be asked hears so before anything is sent.
    if not filters.dry_run and not filters.yes and not _can_ask():
        raise UsageError(f"to {verb} by filter needs --yes when nobody can be asked", "see first:  … --dry-run")
    wanted: dict[str, Any] = {"filter": filters.document, "all": filters.all}
    if operation_id is not None:
        wanted["operation_id"] = operation_id
    counted = act(**wanted, dry_run=True)
    if filters.dry_run:
        return _show_counts(out, counted, is_json=is_json)
    if not filters.yes and not _is_confirmed(out, verb, counted):
        return _not_done(out, is_json=is_json)
    answer = _all_of(act, wanted)
    if is_json:
        out.json(answer)
    else:
        _say_sum(out, answer)
    return ExitCode.DONE


def _can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _is_confirmed(out: Output, verb: str, counted: JsonObject) -> bool:
    matched = counted.get("matched", 0)
    if not matched:
        return True
    for one in _counts(counted):
        out.say(f"    {one.get('count')} {one.get('status')} {one.get('type')}", "dim")
    out.say(f"{verb} {matched} {'job' if matched == 1 else 'jobs'}? [y/N]", "bold")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _not_done(out: Output, *, is_json: bool) -> int:
    failure = Failure(exit_code=ExitCode.FAILED, code="not_confirmed", what="not confirmed; nothing was done")
    if is_json:
        out.fail_json(failure)
    else:
        out.fail(failure)
    return failure.exit_code


def _all_of(act: Act, wanted: dict[str, Any]) -> JsonObject:
    """The answers of all calls as one."""
    numbers, skipped = Counter[str](), Counter[str]()
    counts = Counter[tuple[str, str]]()
    cursor: str | None = None
    while True:
        answer = act(**wanted, cursor=cursor, count_max=limits.BULK_JOBS_MAX)
        for name in ("matched", "cancelled", "cancelRequested", "retried"):
            numbers[name] += answer.get(name, 0)
        skipped.update(cast("dict[str, int]", answer.get("skipped") or {}))
        for one in _counts(answer):
            counts[str(one.get("status")), str(one.get("type"))] += one.get("count", 0)
        cursor = answer.get("nextCursor")
        if cursor is None:
            told = [{"status": status, "type": kind, "count": n} for (status, kind), n in sorted(counts.items())]
            return answer | dict(numbers) | {"counts": told, "skipped": dict(skipped)}


def _counts(answer: JsonObject) -> list[JsonObject]:
    return cast("list[JsonObject]", answer.get("counts") or [])


def _show_counts(out: Output, counted: JsonObject, *, is_json: bool) -> int:
    if is_json:
        out.json(counted)
        return ExitCode.DONE
    out.table(_counts(counted), COUNT_COLUMNS)
    out.say(f"{counted.get('matched', 0)} match; nothing was changed", "dim")
    return ExitCode.DONE


def _say_sum(out: Output, answer: JsonObject) -> None:
    words = {"cancelled": "cancelled", "cancelRequested": "asked to stop", "retried": "repeated"}
    done = [f"{answer.get(name)} {said}" for name, said in words.items() if answer.get(name)]
    skipped = cast("dict[str, int]", answer.get("skipped") or {})
    left = [f"{count} left as they are ({reason})" for reason, count in skipped.items()]
    out.line(", ".join(done + left) or "no job matches")
    out.flush()
