"""Callers that take whatever answer a submit gets, and remember it."""

import threading
import time
from typing import NamedTuple

import httpx2

from tests.chaos_postgres.application import SLEEP
from tests.chaos_postgres.system import System

PAUSE_S = 0.25
"""Between two submits of one caller."""
ANSWER_S_MAX = 60.0
JOB_S = 0.2


class Submit(NamedTuple):
    """One submit. Seconds by the wall clock; *status* 0 is no answer, *retry_after* 0 is none."""

    asked_s: float
    answered_s: float
    status: int
    retry_after: int = 0
    job_id: str = ""
    error: str = ""

    @property
    def outcome(self) -> str:
        return self.error or str(self.status)


class Caller(threading.Thread):
    """Submits one small job after the other at *gateway*, each once; *name* begins its keys."""

    def __init__(self, name: str, gateway: str, token: str) -> None:
        super().__init__(daemon=True)
        self.prefix, self.gateway, self.token = name, gateway, token
        self.submits: list[Submit] = []
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(PAUSE_S):
            self.submits.append(submit(self.gateway, self.token, f"{self.prefix}-{len(self.submits)}", JOB_S))

    def was_accepted(self, *, after_s: float) -> bool:
        """Whether a submit that was asked after *after_s* was."""
        return any(one.job_id and one.asked_s > after_s for one in list(self.submits))

    def end(self) -> None:
        """Returns when its last submit is answered."""
        self._stopped.set()
        self.join()


def submit(gateway: str, token: str, key: str, seconds: float) -> Submit:
    """One job that takes *seconds*."""
    asked_s = time.time()
    try:
        answer = httpx2.post(
            f"{gateway}/jobs",
            json={"type": SLEEP, "payload": {"seconds": seconds}, "idempotencyKey": key},
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_S_MAX,
        )
    except httpx2.HTTPError as error:
        return Submit(asked_s, time.time(), 0, error=type(error).__name__)
    job_id = answer.json()["id"] if answer.status_code in (200, 201) else ""
    return Submit(asked_s, time.time(), answer.status_code, int(answer.headers.get("Retry-After", 0)), job_id)


def submitted(system: System, seconds: float) -> str:
    """The id of a job that takes *seconds*."""
    return submit(system.urls["gateway"], system.token, f"running-{seconds}", seconds).job_id
