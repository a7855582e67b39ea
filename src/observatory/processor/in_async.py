"""Runs one attempt as a coroutine on the processor's loop: cancelled when its time is over."""

import asyncio
from collections.abc import Callable
from typing import Any

from observatory.core.job import Outcome
from observatory.processor.call import Call
from observatory.processor.capture import speak_into
from observatory.processor.context import StopReason
from observatory.processor.ending import Ended, is_wish, returned
from observatory.processor.loop_watch import LoopWatch
from observatory.processor.stopping import Patience, Stop, TimeLimits, until_over

Abandon = Callable[["asyncio.Future[Any]"], None]
"""Keeps the slot of an attempt that is over until the future, which its handler still holds, is done."""


async def run_in_loop(
    call: Call,
    stop: Stop,
    limit: TimeLimits,
    patience: Patience,
    *,
    grace_s: float,
    abandon: Abandon,
    watch: LoopWatch | None = None,
) -> Ended:
    """
    Await the handler.

    What it gives in answer to its cancellation counts, a result included, unless the hard time-out
    has passed or the lease is lost. One that ignores its cancellation for *grace_s* is abandoned.
    """
    task = asyncio.create_task(_call(call), name=f"job-{call.attempt.job_id}")
    if watch is not None:
        watch.note(task, call.attempt)
    try:
        reason = await until_over(task, stop, limit, patience)
        if reason is None:
            return task.result()
        task.cancel()
        await asyncio.wait({task}, timeout=grace_s)
    except asyncio.CancelledError:
        task.cancel()
        raise
    reason = stop.reason or reason
    if not task.done():
        abandon(task)
        return call.abandoned(reason, "it ignored its cancellation")
    ended = None if task.cancelled() else task.result()
    is_too_late = ended is not None and reason is StopReason.TIMEOUT and ended.outcome is Outcome.SUCCEEDED
    if ended is None or is_too_late or reason is StopReason.LEASE_LOST:
        return call.stopped(reason, "it was cancelled")
    return ended


async def _call(call: Call) -> Ended:
    """Never raises once it runs: a SystemExit that left a task would end the processor."""
    speak_into(call.said.log)
    try:
        return returned(await call.make())
    except BaseException as error:  # noqa: BLE001 — see above
        task = asyncio.current_task()
        is_cancelled = task is not None and task.cancelling() > 0
        if call.stop.reason is None or not is_cancelled or is_wish(error):
            return call.raised(error)
        return call.stopped(call.stop.reason, "it was cancelled")
