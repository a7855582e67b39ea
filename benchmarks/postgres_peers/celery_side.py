"""Celery's side."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.postgres_peers.side import Side
from tests.servers.postgres import PrivatePostgres
from tests.servers.rabbitmq import PrivateRabbitmq


class CeleryPostgres(Side):
    """Its default pool of two processes; RabbitMQ carries the jobs, PostgreSQL keeps the results."""

    name = "Celery"
    unfinished = ""

    def __init__(self, folder: Path, server: PrivatePostgres, database: str, broker: PrivateRabbitmq) -> None:
        super().__init__(folder, server, database)
        self.environ |= {"PEER_AMQP_URL": broker.url}
        os.environ |= {"PEER_POSTGRES_URL": self.url, "PEER_AMQP_URL": broker.url}
        sys.modules.pop("benchmarks.postgres_peers.celery_app", None)
        module = importlib.import_module("benchmarks.postgres_peers.celery_app")
        self._app, self._noop = module.app, module.noop
        self._app.backend.ResultSession().close()  # makes its tables
        self._submitted = 0

    def submit_one(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._noop.delay(number)
        self._submitted += len(numbers)

    def submit_fast(self, numbers: Sequence[int]) -> None:
        with self._app.producer_pool.acquire(block=True) as producer:
            for number in numbers:
                self._noop.apply_async((number,), producer=producer)
        self._submitted += len(numbers)

    def is_done(self, connection: "psycopg.Connection[Any]") -> bool:
        row = connection.execute("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'").fetchone()
        return row is not None and row[0] >= self._submitted

    def worker_commands(self) -> list[list[str]]:
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "benchmarks.postgres_peers.celery_app",
            "worker",
            "-l",
            "WARNING",
        ]
        return [[*command, "--without-gossip", "--without-mingle", "-c", "2"]]

    def close(self) -> None:
        super().close()
        self._app.control.purge()
        self._app.close()
