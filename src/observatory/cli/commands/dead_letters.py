"""`dead-letters`: list the jobs that ended FAILED and were not repeated, and give them another life."""

from cyclopts import App

from observatory.cli.bulk import NO_FILTERS, Filters, act_on_many
from observatory.cli.commands.acting import check_either, each
from observatory.cli.commands.reading import Limit, show_list
from observatory.cli.connection import connect
from observatory.cli.failures import UsageError
from observatory.cli.options import TARGET, Target
from observatory.cli.output import Column
from observatory.core import limits
from observatory.core.job import JsonObject

COLUMNS = (
    Column("ID", "id"),
    Column("TYPE", "type"),
    Column("QUEUE", "queue"),
    Column("ATTEMPT", "attempt", is_number=True),
    Column("FAILED", "finishedAt"),
    Column("ERROR", "errorType"),
    Column("MESSAGE", "errorMessage"),
)

dead_letters = App(name="dead-letters", help="List jobs that failed for good, or give them another life.")


@dead_letters.default
@dead_letters.command(name="list")
def list_dead_letters(
    *,
    type: str | None = None,
    queue: str | None = None,
    error_type: str | None = None,
    limit: Limit = limits.PAGE_ITEMS_DEFAULT,
    cursor: str | None = None,
    target: Target = TARGET,
) -> int:
    """
    List jobs that ended FAILED and that no other job repeats, newest first.

    Parameters
    ----------
    type
        Only jobs of this type.
    queue
        Only jobs of this queue.
    error_type
        Only jobs whose last attempt ended by this type of error, such as ValueError.
    limit
        How many at most.
    cursor
        Go on where an earlier list ended.
    """
    with connect(target) as api:
        page = api.dead_letters(type=type, queue=queue, error_type=error_type, cursor=cursor, count_max=limit)
    return show_list(page, COLUMNS, target, nothing="no dead letter", rows=[_row(job) for job in page.items])


@dead_letters.command
def redrive(*ids: str, filters: Filters = NO_FILTERS, target: Target = TARGET) -> int:
    """
    Repeat jobs that failed for good, each by a new job and once.

    For example:

        odd-dashboard dead-letters redrive 01a20ffb-9b14-7f14-ba6c-000000000001
        odd-dashboard dead-letters redrive --error-type ConnectionError --dry-run
        odd-dashboard dead-letters redrive --all --yes

    Parameters
    ----------
    ids
        Ids of the jobs.
    """
    check_either(ids, filters, "dead-letters redrive")
    if filters.status is not None and filters.status.upper() != "FAILED":
        raise UsageError("every dead letter is FAILED", "other jobs:  odd-dashboard retry --status …")
    with connect(target) as api:
        if not ids:
            return act_on_many("redrive", api.retry_jobs, filters, is_json=target.json)
        return each(ids, api.redrive, is_json=target.json)


def _row(job: JsonObject) -> JsonObject:
    error: JsonObject = job.get("error") or {}
    return job | {"errorType": error.get("type"), "errorMessage": error.get("message")}
