"""`cancel` and `retry`: of jobs that are named, or of all that match a filter."""

from collections.abc import Callable, Sequence

from observatory.cli.bulk import NO_FILTERS, Filters, act_on_many
from observatory.cli.commands.reading import checked_job_id
from observatory.cli.connection import connect
from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import UsageError, failure_of
from observatory.cli.options import TARGET, Target
from observatory.cli.output import cell, of_process
from observatory.client.errors import RequestRefused
from observatory.core.job import JsonObject


def cancel(*ids: str, filters: Filters = NO_FILTERS, target: Target = TARGET) -> int:
    """
    Cancel jobs.

    One that waits is cancelled at once; a running one is asked to stop. Prints each job's id and status, or with a
    filter how many jobs were cancelled.

    For example:

        odd-dashboard cancel 01a20ffb-9b14-7f14-ba6c-000000000001
        odd-dashboard cancel --type thumbnail --status PENDING --dry-run
        odd-dashboard cancel --queue mail --yes

    Parameters
    ----------
    ids
        Ids of the jobs.
    """
    check_either(ids, filters, "cancel")
    with connect(target) as api:
        if not ids:
            return act_on_many("cancel", api.cancel_jobs, filters, is_json=target.json)
        return each(ids, api.cancel, is_json=target.json)


def retry(
    *ids: str,
    key: str | None = None,
    operation_id: str | None = None,
    filters: Filters = NO_FILTERS,
    target: Target = TARGET,
) -> int:
    """
    Repeat final jobs, each by a new job.

    Prints the new jobs' ids and statuses, or with a filter how many jobs were repeated. Without --status a filter means
    FAILED jobs. A job that was repeated before is left out, so that the command can be given again.

    For example:

        odd-dashboard retry 01a20ffb-9b14-7f14-ba6c-000000000001
        odd-dashboard retry --error-type ConnectionError --dry-run
        odd-dashboard retry --status COMPLETED --type report --operation-id again-2026-01 --yes

    Parameters
    ----------
    ids
        Ids of the jobs.
    key
        Idempotency key of the new job, when one job is named.
    operation_id
        With a filter: repeat each job once for this name, also one that was repeated before.
    """
    check_either(ids, filters, "retry")
    if key is not None and len(ids) != 1:
        raise UsageError("--key belongs to exactly one job", "name one job")
    if operation_id is not None and ids:
        raise UsageError("--operation-id has no effect on jobs that are named", "leave it out, or use --key")
    with connect(target) as api:
        if not ids:
            return act_on_many("retry", api.retry_jobs, filters, is_json=target.json, operation_id=operation_id)
        return each(ids, lambda job_id: api.retry(job_id, idempotency_key=key).job, is_json=target.json)


def check_either(ids: Sequence[str], filters: Filters, verb: str) -> None:
    """
    Raises:
        UsageError: Neither jobs nor a filter, both, or an id that is none.
    """
    if ids and filters.is_given:
        raise UsageError("jobs are named and a filter is given", "give one of the two")
    if not ids and not filters.is_given:
        raise UsageError(f"{verb} what? name jobs, or give a filter", f"every job:  odd-dashboard {verb} --all")
    for job_id in ids:
        checked_job_id(job_id)


def each(ids: Sequence[str], act: Callable[[str], JsonObject], *, is_json: bool) -> int:
    """Act on one job after the other; one that is refused is said and does not hold up the rest."""
    out, code = of_process(), ExitCode.DONE
    for job_id in ids:
        try:
            job = act(job_id)
        except RequestRefused as error:
            failure = failure_of(error)
            assert failure is not None, "a refusal has its words"
            code = code or failure.exit_code
            if is_json:
                out.fail_json(failure)
            else:
                out.fail(failure)
            continue
        if is_json:
            out.json(job)
        else:
            out.line(f"{cell(job.get('id'))}  {_words(job)}")
    out.flush()
    return code


def _words(job: JsonObject) -> str:
    asked = " (asked to stop)" if job.get("cancelRequestedAt") and job.get("status") == "EXECUTING" else ""
    return f"{cell(job.get('status'))}{asked}"
