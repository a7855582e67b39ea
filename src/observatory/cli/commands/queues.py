"""`queues`: list them, and pause, resume or limit one."""

from typing import Any, cast

from cyclopts import App

from observatory.cli.commands.reading import show_list
from observatory.cli.connection import connect
from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import UsageError
from observatory.cli.options import TARGET, Target
from observatory.cli.output import Column, cell, of_process
from observatory.cli.person import who
from observatory.core import limits
from observatory.core.job import JsonObject

QUEUE_COLUMNS = (
    Column("QUEUE", "queue"),
    Column("DEPTH", "depth", is_number=True),
    Column("RUNNING", "running", is_number=True),
    Column("LIMIT", "concurrencyMax", is_number=True),
    Column("BY STATUS", "statuses"),
    Column("OLDEST DUE SINCE", "oldestPendingAt"),
    Column("PAUSED SINCE", "pausedAt"),
    Column("BY", "pausedBy"),
    Column("REASON", "pauseReason"),
)

queues = App(name="queues", help="List queues and how full they are; pause, resume or limit one.")


@queues.default
def list_queues(*, target: Target = TARGET) -> int:
    """List queues and how full they are; pause, resume or limit one."""
    with connect(target) as api:
        page = api.queues()
    rows = [queue | {"statuses": _counts(queue.get("byStatus"))} for queue in page.items]
    return show_list(
        page, QUEUE_COLUMNS, target, nothing="no queue has an open job, is paused or has a limit", rows=rows
    )


@queues.command
def pause(name: str, /, *, reason: str | None = None, by: str | None = None, target: Target = TARGET) -> int:
    """
    Let nothing more be claimed from a queue.

    Running jobs go on, and new ones are accepted and wait. A queue that is paused already keeps its first pause.

    For example:

        odd-dashboard queues pause mail --reason "the mail server is down"

    Parameters
    ----------
    name
        Name of the queue.
    reason
        Why, for those who see it paused.
    by
        Who pauses it. Default: the user and the host of this command.
    """
    with connect(target) as api:
        return _show(api.pause_queue(name, by=who() if by is None else by, reason=reason), target)


@queues.command
def resume(name: str, /, *, target: Target = TARGET) -> int:
    """
    Let a queue be claimed from again.

    Parameters
    ----------
    name
        Name of the queue.
    """
    with connect(target) as api:
        return _show(api.resume_queue(name), target)


@queues.command
def limit(name: str, most: str, /, *, target: Target = TARGET) -> int:
    """
    Let at most so many jobs of a queue run at the same time, over all processors.

    For example:

        odd-dashboard queues limit mail 3
        odd-dashboard queues limit mail none

    Parameters
    ----------
    name
        Name of the queue.
    most
        A whole number from 1, or none to lift the limit.
    """
    most_or_none = _most(most)
    with connect(target) as api:
        return _show(api.limit_queue(name, most_or_none), target)


def _most(text: str) -> int | None:
    if text.lower() == "none":
        return None
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(limits.QUEUE_CONCURRENCY_MAX))
    if not is_number or not 1 <= int(text) <= limits.QUEUE_CONCURRENCY_MAX:
        bound = f"a whole number from 1 to {limits.QUEUE_CONCURRENCY_MAX}, or none"
        raise UsageError(f"{text!r} is not a limit", f"a limit is {bound}")
    return int(text)


def _show(setting: JsonObject, target: Target) -> int:
    out = of_process()
    if target.json:
        out.json(setting)
        return ExitCode.DONE
    out.line(f"{cell(setting.get('queue'))}  {_words(setting)}")
    out.flush()
    return ExitCode.DONE


def _words(setting: JsonObject) -> str:
    most = setting.get("concurrencyMax")
    limited = "no limit" if most is None else f"at most {cell(most)} at the same time"
    if setting.get("pausedAt") is None:
        return f"open, {limited}"
    reason = f": {cell(setting['pauseReason'], bytes_max=1000)}" if setting.get("pauseReason") else ""
    return f"paused since {cell(setting['pausedAt'])} by {cell(setting.get('pausedBy'))}{reason}; {limited}"


def _counts(by_status: Any) -> str | None:
    if not isinstance(by_status, dict):
        return None
    return " ".join(f"{name}={count}" for name, count in cast("dict[str, Any]", by_status).items())
