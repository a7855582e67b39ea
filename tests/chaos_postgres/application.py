"""
The handlers of a campaign: each writes its start to a log before it does anything else.

`CHAOS_STARTS` names the log. A start is one line, `JOB ATTEMPT FENCE PID`, written by one call to a file that is opened
for appending, so that lines of several processes neither mix nor overwrite one another, and a line that was written
survives the end of its process.
"""

import asyncio
import os
from functools import cache
from typing import Annotated

import msgspec

from observatory.builtin_jobs.checksum import checksum as sum_of_file
from observatory.core.job import JsonObject
from observatory.processor.context import JobContext
from observatory.sdk.app import Observatory

APP = "tests.chaos_postgres.application:app"
STARTS_VARIABLE = "CHAOS_STARTS"
CHECKSUM = "chaos.checksum"
SLEEP = "chaos.sleep"
SLEEP_S_MAX = 120.0
ATTEMPTS_MAX = 50
"""More than a nemesis can take of one job."""

app = Observatory()


@app.job(CHECKSUM, runs_in="thread", max_attempts=ATTEMPTS_MAX)
def checksum(ctx: JobContext, *, path: str) -> JsonObject:
    """The built-in `checksum`."""
    note_start(ctx)
    return sum_of_file(ctx, path=path)


@app.job(SLEEP, max_attempts=ATTEMPTS_MAX, timeout_s=SLEEP_S_MAX + 60)
async def sleep(ctx: JobContext, *, seconds: Annotated[float, msgspec.Meta(ge=0, le=SLEEP_S_MAX)]) -> JsonObject:
    """Takes its time, and says in which process."""
    note_start(ctx)
    await asyncio.sleep(seconds)
    return {"pid": os.getpid()}


def note_start(ctx: JobContext) -> None:
    line = f"{ctx.job_id} {ctx.attempt} {ctx.fence} {os.getpid()}\n".encode()
    written = os.write(_log(), line)
    assert written == len(line), "a line is written whole"


@cache
def _log() -> int:
    return os.open(os.environ[STARTS_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
