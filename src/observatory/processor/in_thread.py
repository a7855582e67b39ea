"""Runs one attempt in a thread of its own: it can be asked to stop, but nobody can make it."""

import asyncio
import contextlib
import contextvars
import threading

from observatory.processor.call import Call
from observatory.processor.capture import speak_into
from observatory.processor.ending import UNSHOWABLE, Ended
from observatory.processor.in_async import Abandon
from observatory.processor.stopping import Patience, Stop, TimeLimits, until_over


async def run_in_thread(call: Call, stop: Stop, limit: TimeLimits, patience: Patience, *, abandon: Abandon) -> Ended:
    """
    Call the handler in a daemon thread, which does not hold up the end of the process.

    A cancel is only shown to the handler. Past its hard time-out, or when the processor cannot wait
    any longer, the attempt is over while the thread still runs.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Ended] = loop.create_future()

    def work() -> None:
        ended = UNSHOWABLE
        try:
            speak_into(call.said.log)
            ended = call.make_to_the_end()
        finally:
            # A loop that is closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(done.set_result, ended)

    run = contextvars.copy_context().run
    threading.Thread(target=run, args=(work,), name=f"job-{call.attempt.job_id}", daemon=True).start()
    try:
        reason = await until_over(done, stop, limit, patience)
    except asyncio.CancelledError:
        abandon(done)
        raise
    if reason is None:
        return done.result()
    abandon(done)
    return call.abandoned(reason, "a thread cannot be stopped")
