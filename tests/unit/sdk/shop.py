"""An application of a shop, for the tests of submitting."""

import enum
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from observatory import Discard, JobContext, Observatory

app = Observatory()


class Size(msgspec.Struct):
    width: int
    height: int = 1


class Color(enum.Enum):
    RED = "red"


@app.job("thumbnail", max_attempts=3, runs_in="process")
def thumbnail(ctx: JobContext, *, path: Path, width: int = 256) -> dict[str, Any]:
    return {"name": path.name, "width": width, "attempt": ctx.attempt}


@app.job("order")
def order(ctx: JobContext, *, queue: str, type: str = "book", self: int = 0, priority: int = 1) -> list[Any]:
    """Every parameter has the name of an option, or of something of Python's."""
    return [queue, type, self, priority]


@app.job("rich")
def rich(ctx: JobContext, *, at: datetime, id: UUID, color: Color, sizes: list[Size]) -> dict[str, Any]:
    return {"at": at.year, "id": str(id), "color": color.name, "widths": [size.width for size in sizes]}


@app.job("refuse", max_attempts=1)
def refuse(ctx: JobContext, *, why: str) -> None:
    raise Discard(why)


@app.job("parent")
def parent(ctx: JobContext, *, children: int) -> list[str]:
    return [app.submit(child).id for _ in range(children)]


@app.job("child")
async def child(ctx: JobContext) -> str:
    return ctx.correlation_id


@app.job("parent.async")
async def parent_async(ctx: JobContext, *, blocks: bool = False) -> str:
    if blocks:
        return app.submit(child).id
    return (await app.aio.submit(child)).id


@app.job("parent.process", runs_in="process")
def parent_in_process(ctx: JobContext) -> str:
    return app.submit(child).id
