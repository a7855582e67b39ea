"""`echo`, `sleep` and `fail`: the three things a job can do to a set-up that is being tried out."""

import asyncio
from typing import Annotated, Any

import msgspec

from observatory.processor.context import JobContext
from observatory.sdk.app import Observatory

app = Observatory()

SLEEP_S_MAX = 3_600


class FailedAsAsked(Exception):
    """What `fail` raises."""


@app.job("echo")
async def echo(ctx: JobContext, /, **payload: Any) -> dict[str, Any]:
    """The payload is the result."""
    return payload


@app.job("sleep", timeout_s=SLEEP_S_MAX + 60)
async def sleep(ctx: JobContext, *, seconds: Annotated[float, msgspec.Meta(ge=0, le=SLEEP_S_MAX)]) -> None:
    """Takes its time and nothing else."""
    await asyncio.sleep(seconds)


@app.job("fail")
async def fail(ctx: JobContext, *, message: str = "failed, as it was asked to") -> None:
    """Fails in every attempt."""
    raise FailedAsAsked(message)
