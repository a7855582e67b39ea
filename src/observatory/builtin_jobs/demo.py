"""
The job types of `odd-dashboard demo`, in an application of their own.

An observatory knows them only when it is asked to: `odd-dashboard up --app observatory.builtin_jobs.demo:app`.
"""

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec

from observatory.builtin_jobs.checksum import checksum
from observatory.core.job import JsonObject
from observatory.core.retry import RetryPolicy
from observatory.processor.context import JobContext
from observatory.sdk.app import Observatory

app = Observatory()

FRAMES_MAX = 600
FRAME_S_MAX = 1.0
ROUNDS = 20_000
"""Of hashing, for one frame: some milliseconds of work."""

app.job("demo.checksum", runs_in="thread")(checksum)


class PriceMissing(Exception):
    """An article of an order has no price: a fault of the data, so every attempt meets it."""


@app.job("demo.square")
async def square(ctx: JobContext, *, n: int) -> JsonObject:
    """`{"n", "square"}`: as little work as a job can be."""
    return {"n": n, "square": n * n}


@app.job("demo.invoice", runs_in="thread", retry=RetryPolicy(base_s=0.5, factor=2.0, cap_s=4.0, jitter=0.2))
def invoice(ctx: JobContext, *, order: str, prices: str) -> JsonObject:
    """`{"lines", "cents"}` of the order in one file, with the prices of another one."""
    articles = _object_in(order)
    price_of = _object_in(prices)
    ctx.log.info("attempt %d: %d articles, %d prices", ctx.attempt, len(articles), len(price_of))
    cents = 0
    for article, count in articles.items():
        ctx.log.info("adding %d x %s", count, article)
        if article not in price_of:
            raise PriceMissing(f"no price for {article!r} in {Path(prices).name}")
        cents += count * price_of[article]
    return {"lines": len(articles), "cents": cents}


@app.job("demo.render", runs_in="process", retry=RetryPolicy(base_s=0.5, factor=2.0, cap_s=4.0, jitter=0.2))
def render(
    ctx: JobContext,
    *,
    seed: str,
    frames: Annotated[int, msgspec.Meta(ge=1, le=FRAMES_MAX)],
    frame_s: Annotated[float, msgspec.Meta(ge=0, le=FRAME_S_MAX)] = 0.0,
) -> JsonObject:
    """`{"frames", "digest"}` of a film. Its progress names the process, so that somebody can kill it."""
    digest = seed
    for frame in range(frames):
        ctx.progress(done=frame, total=frames, message=f"frame {frame + 1}", data={"pid": os.getpid()})
        ctx.stop_if_asked()
        digest = next_frame(digest)
        threading.Event().wait(frame_s)
    return {"frames": frames, "digest": digest}


def next_frame(digest: str) -> str:
    """The digest of a film that is one frame longer."""
    return hashlib.pbkdf2_hmac("sha256", digest.encode(), b"frame", ROUNDS).hex()


def _object_in(path: str) -> dict[str, Any]:
    value: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise TypeError(f"{Path(path).name} holds no object")
    return cast("dict[str, Any]", value)
