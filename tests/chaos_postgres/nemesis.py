"""What kills and stops the parts of a system, in an order by chance, and remembers what it did and when."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

from observatory.core import limits
from tests.chaos_postgres.system import DEADLINE_S, System
from tests.servers.postgres import PrivatePostgres

POSTGRES = "postgres"
PROCESSOR = "processor"
ROLES = ("gateway", PROCESSOR, "metrics-engine", "read-model", "web", "maintenance")
STOPPED = (PROCESSOR, PROCESSOR, "maintenance", PROCESSOR, POSTGRES)
"""Who is stopped longer than a lease, in turn: those who hold leases, judge them, or keep them."""
STOP_S = limits.LEASE_S + 2


@dataclass(frozen=True, kw_only=True)
class Act:
    """One kill -9, with the new start of the database, or one SIGSTOP with its SIGCONT. Seconds by the wall clock."""

    kind: str
    target: str
    pid: int
    began_s: float
    ended_s: float
    waiting: int = 0
    """Jobs that waited when it began."""

    def __str__(self) -> str:
        return f"{self.kind} of {self.target} {self.pid}"


class Nemesis:
    """
    Args:
        kills: Of each role and of the database.
        stops: Longer than a lease.
    """

    def __init__(
        self, system: System, server: PrivatePostgres, *, kills: int, stops: int, chance: random.Random
    ) -> None:
        self._system, self._server, self._chance = system, server, chance
        self._plan = [("kill", target) for target in (*ROLES, POSTGRES) for _ in range(kills)]
        self._plan += [("stop", STOPPED[number % len(STOPPED)]) for number in range(stops)]
        chance.shuffle(self._plan)

    def acts(self) -> Iterator[Act]:
        """Each act when it is over; none begins before at least one job waits."""
        for kind, target in self._plan:
            waiting = self._until_work_waits()
            yield self._database(kind, waiting) if target == POSTGRES else self._role(kind, target, waiting)
            time.sleep(self._chance.uniform(0.2, 1.5))

    def _until_work_waits(self) -> int:
        ends_s = time.monotonic() + DEADLINE_S
        while not (waiting := self._system.waiting()):
            if time.monotonic() > ends_s:
                raise SystemExit("no work waits")
            time.sleep(0.1)
        return waiting

    def _database(self, kind: str, waiting: int) -> Act:
        pid, began_s = self._server.pid, time.time()
        if kind == "kill":
            self._server.kill()
            time.sleep(self._chance.uniform(0.0, 1.5))
            self._server.start()
        else:
            self._server.pause()
            time.sleep(STOP_S)
            self._server.resume()
        return Act(kind=kind, target=POSTGRES, pid=pid, began_s=began_s, ended_s=time.time(), waiting=waiting)

    def _role(self, kind: str, role: str, waiting: int) -> Act:
        while not (pids := self._system.pids(role)):
            time.sleep(0.1)
        pid, began_s = self._chance.choice(pids), time.time()
        os.kill(pid, signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
        if kind == "stop":
            time.sleep(STOP_S)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return Act(kind=kind, target=role, pid=pid, began_s=began_s, ended_s=time.time(), waiting=waiting)
