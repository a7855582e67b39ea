"""`submit`."""

import contextlib
import sys
from collections.abc import Callable, Generator
from typing import Annotated

from cyclopts import Parameter

from observatory.cli.connection import connect
from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import Failure, UsageError
from observatory.cli.job_request import payload_of, request_of, run_at_of, seconds_of
from observatory.cli.job_words import progress_words
from observatory.cli.options import TARGET, Target
from observatory.cli.output import Output, cell, of_process
from observatory.client.api import Api
from observatory.core import limits
from observatory.core.job import JobStatus, JsonObject
from observatory.runtime.sources import SystemClock


def submit(
    type: str,
    /,
    *fields: Annotated[str, Parameter(allow_leading_hyphen=False)],
    payload: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    queue: str | None = None,
    priority: int | None = None,
    max_attempts: int | None = None,
    timeout: str | None = None,
    delay: str | None = None,
    run_at: str | None = None,
    key: str | None = None,
    wait: Annotated[bool, Parameter(negative="")] = False,
    wait_timeout: str | None = None,
    target: Target = TARGET,
) -> int:
    """
    Submit a job.

    When the command ends with 0, the job is durable. Prints the job's id, or with --wait its result.

    For example:

        odd-dashboard submit thumbnail path=a.jpg width=256
        odd-dashboard submit report --payload '{"month": "2026-01"}' --key report-2026-01 --wait
        odd-dashboard submit report --payload - < payload.json
        odd-dashboard submit reminder text=hello --delay 10m

    Parameters
    ----------
    type
        Job type.
    fields
        Payload as key=value. A value that is JSON is taken as JSON, every other one as text; key='"3"' is text.
    payload
        Payload as a JSON object; - reads it from standard input.
    queue
        Queue that the job waits in. Default: default.
    priority
        0 is claimed first, 9 last. Default: 5.
    max_attempts
        How often it may be tried. Default: 3.
    timeout
        Hard time-out of one attempt: 30, 30s, 5m. Default: 5m.
    delay
        Due after this time: 30s, 10m, 2h.
    run_at
        Due at this instant: 2026-01-31T12:00:00Z.
    key
        Idempotency key: the same key with the same job finds the first job instead of making another.
    wait
        Wait until the job is final; exit 5 when it did not complete.
    wait_timeout
        How long to wait before giving up with exit 6. Default: 5m.
    """
    wait_s = limits.WAIT_S_DEFAULT if wait_timeout is None else seconds_of(wait_timeout, option="--wait-timeout")
    if wait_timeout is not None and not wait:
        raise UsageError("--wait-timeout has no effect without --wait", "add --wait")
    request = request_of(
        type,
        payload_of(fields, document_of(payload)),
        queue=queue,
        priority=priority,
        maxAttempts=max_attempts,
        timeoutSeconds=None if timeout is None else seconds_of(timeout, option="--timeout"),
        runAt=run_at_of(delay, run_at, SystemClock().now()),
    )
    out = of_process()
    with connect(target) as api:
        submission = api.submit(request, idempotency_key=key)
        if submission.warning is not None:
            out.mark("warn", cell(submission.warning.partition(": ")[2]))
        if not wait:
            return _say_accepted(out, submission.job, is_replay=submission.is_replay, is_json=target.json)
        return _wait(api, out, submission.job, wait_s, is_json=target.json)


def document_of(payload: str | None) -> str | None:
    """The text of --payload; from standard input at most what one body may hold."""
    if payload != "-":
        return payload
    if sys.stdin is None:
        raise UsageError("--payload - reads standard input, which is closed", "for example:  … --payload - < job.json")
    content = sys.stdin.buffer.read(limits.BODY_BYTES_MAX + 1)
    return content.decode("utf-8", "surrogateescape")


def _say_accepted(out: Output, job: JsonObject, *, is_replay: bool, is_json: bool) -> int:
    if is_json:
        out.json(job)
        return ExitCode.DONE
    out.line(_id(job))
    if is_replay:
        out.say("the same job was submitted before with this key; this is the first one", "dim")
    if out.err_is_terminal:
        out.say(f"{job.get('status')}; follow it:  odd-dashboard job {_id(job)}", "dim")
    return ExitCode.DONE


def _wait(api: Api, out: Output, job: JsonObject, wait_s: float, *, is_json: bool) -> int:
    if not is_json:
        out.say(f"job {_id(job)}", "dim")
    try:
        with _progress(out, f"waiting for {_id(job)}") as show:
            job = api.wait(str(job.get("id")), wait_s, on_look=show)
    except KeyboardInterrupt:
        _say_interrupted(out, job, is_json=is_json)
        raise
    return _say_final(out, job, is_json=is_json)


def _say_interrupted(out: Output, job: JsonObject, *, is_json: bool) -> None:
    failure = Failure(
        exit_code=ExitCode.INTERRUPTED,
        code="interrupted",
        what=f"no longer waiting for job {_id(job)}",
        remedy=f"it goes on; look again:  odd-dashboard job {_id(job)}",
    )
    if is_json:
        out.fail_json(failure)
    else:
        out.fail(failure)


def _say_final(out: Output, job: JsonObject, *, is_json: bool) -> int:
    status = job.get("status")
    is_completed = status == JobStatus.COMPLETED
    if is_json:
        out.json(job)
    elif is_completed:
        out.mark("ok", f"COMPLETED, attempt {job.get('attempt', 1)}")
        if job.get("result") is not None:
            out.json(job["result"])
    else:
        error: JsonObject = job.get("error") or {}
        out.mark("fail", f"{status}: {error.get('type', 'no error')}: {error.get('message', 'it was cancelled')}")
        out.say(f"    its history:  odd-dashboard job {_id(job)}")
    return ExitCode.DONE if is_completed else ExitCode.JOB_FAILED


def _id(job: JsonObject) -> str:
    return cell(job.get("id"))


@contextlib.contextmanager
def _progress(out: Output, text: str) -> Generator[Callable[[JsonObject], None] | None]:
    """A moving line while something takes long, which shows how far the job is; nothing when nobody watches."""
    if not out.err_is_terminal:
        yield None
        return
    from rich.markup import escape

    with out.console(sys.stderr).status(text, spinner="dots") as status:

        def show(job: JsonObject) -> None:
            words = progress_words(job.get("progress"))
            status.update(escape(f"{text}, {cell(job.get('status'))}{f': {words}' if words else ''}"))

        yield show
