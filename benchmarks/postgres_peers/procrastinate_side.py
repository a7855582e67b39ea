"""Procrastinate's side."""

import asyncio
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.postgres_peers.side import BATCH, Side
from tests.servers.postgres import PrivatePostgres


class Procrastinate(Side):
    """Two worker processes with ten jobs at a time each: more make it no faster."""

    name = "Procrastinate"
    unfinished = "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"

    def __init__(self, folder: Path, server: PrivatePostgres, database: str) -> None:
        super().__init__(folder, server, database)
        self._runner, self._app, self._noop = _procrastinate(self.url)

        async def begin() -> None:
            await self._app.open_async()
            await self._app.schema_manager.apply_schema_async()

        self._runner.run(begin())

    def submit_one(self, numbers: Sequence[int]) -> None:
        async def submit() -> None:
            for number in numbers:
                await self._noop.defer_async(number=number)

        self._runner.run(submit())

    def submit_fast(self, numbers: Sequence[int]) -> None:
        async def submit() -> None:
            for first in range(0, len(numbers), BATCH):
                await self._noop.batch_defer_async(*({"number": n} for n in numbers[first : first + BATCH]))

        self._runner.run(submit())

    def worker_commands(self) -> list[list[str]]:
        return [[sys.executable, "-m", "benchmarks.postgres_peers.procrastinate_worker"]] * 2

    def close(self) -> None:
        super().close()

        async def end() -> None:
            await self._app.close_async()

        self._runner.run(end())
        self._runner.close()


def _procrastinate(url: str) -> tuple[Any, Any, Any]:
    """A loop, and the application over the database of *url*."""
    os.environ["PEER_POSTGRES_URL"] = url
    sys.modules.pop("benchmarks.postgres_peers.procrastinate_app", None)
    module = importlib.import_module("benchmarks.postgres_peers.procrastinate_app")
    return asyncio.Runner(), module.app, module.noop
