"""What kills and stops the parts of a system, in an order by chance, and remembers what it did and when."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

from observatory.core import limits
from tests.chaos_postgres.system import DEADLINE_S, System
from tests.servers.postgres import PrivatePostgres

POSTGRES = "postgres"
PROCESSOR = "processor"
ROLES = ("gateway", PROCESSOR, "metrics-engine", "read-model", "web", "maintenance")
STOPPED = (PROCESSOR, PROCESSOR, "maintenance", PROCESSOR, POSTGRES)
"""Who is stopped longer than a lease, in turn: those who hold leases, judge them, or keep them."""
STOP_S = limits.LEASE_S + 2


class Act(NamedTuple):
    """One kill -9, with the new start of the database, or one SIGSTOP with its SIGCONT. Seconds by the wall clock."""

    kind: str
    target: str
    pid: int
    waiting: int
    """Jobs that waited when it began."""
    began_s: float
    struck_s: float
    """From when on the target was gone, or stood still."""
    ended_s: float = 0.0

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
        else:
            self._server.pause()
        struck_s = time.time()
        if kind == "kill":
            time.sleep(self._chance.uniform(0.0, 1.5))
            self._server.start()
        else:
            time.sleep(STOP_S)
            self._server.resume()
        return _over(Act(kind, POSTGRES, pid, waiting, began_s, struck_s))

    def _role(self, kind: str, role: str, waiting: int) -> Act:
        while not (pids := self._system.pids(role)):
            time.sleep(0.1)
        pid, began_s = self._chance.choice(pids), time.time()
        os.kill(pid, signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
        struck_s = time.time()
        if kind == "stop":
            time.sleep(STOP_S)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return _over(Act(kind, role, pid, waiting, began_s, struck_s))


def _over(act: Act) -> Act:
    return act._replace(ended_s=time.time())
