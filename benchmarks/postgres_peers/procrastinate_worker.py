"""A worker of the peer: ten jobs at a time, on the faster event loop."""

import logging

import uvloop

from benchmarks.postgres_peers.procrastinate_app import app

CONCURRENCY = 10


async def work() -> None:
    async with app.open_async():
        await app.run_worker_async(concurrency=CONCURRENCY)


if __name__ == "__main__":
    logging.disable(logging.INFO)
    uvloop.run(work())
