"""One side of the comparison: how it is given jobs, and asked whether all are done."""

import atexit
import contextlib
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.postgres_peers import starts
from tests.e2e.process import ROOT
from tests.servers.postgres import PrivatePostgres

BATCH = 1_000
LOOK_S = 0.01
WAIT_S_MAX = 300.0


_begun: list["subprocess.Popen[Any]"] = []


def begun(process: "subprocess.Popen[Any]") -> "subprocess.Popen[Any]":
    """*process*, which ends with this one at the latest, also when a side fails while it is set up."""
    _begun.append(process)
    return process


@atexit.register
def _end_all() -> None:
    for process in _begun:
        if process.poll() is None:
            process.kill()
            process.wait()


class Side(ABC):
    """
    One system on a fresh database, without workers until `works`.

    Args:
        folder: Its own.
        server: PostgreSQL, durable; shared with the other sides, one of which is busy at a time.
    """

    name: str
    unfinished: str
    """SQL: whether a job is waiting or running. It reads a few rows of an index, however many jobs there are."""

    def __init__(self, folder: Path, server: PrivatePostgres, database: str) -> None:
        self.folder = folder
        self.starts = folder / "starts"
        self.url = server.create_database(database)
        self.environ = os.environ | starts.environ(self.starts) | {"PEER_POSTGRES_URL": self.url}
        self._children: list[subprocess.Popen[Any]] = []

    @abstractmethod
    def submit_one(self, numbers: Sequence[int]) -> None:
        """One caller, each job after the answer for the one before."""

    @abstractmethod
    def submit_fast(self, numbers: Sequence[int]) -> None:
        """One caller, as the system's documentation does it for many jobs."""

    @contextlib.contextmanager
    def works(self) -> Iterator[None]:
        """Its workers run; returns once they have begun to start."""
        for command in self.worker_commands():
            self._start(command)
        try:
            yield
        finally:
            self._end_children()

    @abstractmethod
    def worker_commands(self) -> list[list[str]]:
        """The processes that run jobs."""

    def is_done(self, connection: "psycopg.Connection[Any]") -> bool:
        """True when no job waits or runs."""
        row = connection.execute(self.unfinished).fetchone()
        return row is not None and not row[0]

    def until_done(self, count: int) -> None:
        """Return when the *count* jobs so far are durably final."""
        until_s = time.monotonic() + WAIT_S_MAX
        with psycopg.connect(self.url, autocommit=True) as connection:
            while self.starts.stat().st_size == 0 or not self.is_done(connection):
                assert time.monotonic() < until_s, f"{self.name}: {len(starts.read(self.starts))} of {count} began"
                time.sleep(LOOK_S)
        assert len(starts.read(self.starts)) == count, f"{self.name} lost a job"

    def close(self) -> None:
        """End every process of it."""
        self._end_children()

    def _start(self, command: list[str]) -> "subprocess.Popen[Any]":
        with (self.folder / "log").open("ab") as log:
            child = subprocess.Popen(command, cwd=ROOT, env=self.environ, stdout=log, stderr=log)
        self._children.append(begun(child))
        return child

    def _end_children(self) -> None:
        for child in self._children:
            child.send_signal(signal.SIGTERM)
        for child in self._children:
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()
