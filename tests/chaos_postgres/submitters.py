"""Who submits jobs from outside, and remembers on disk what was promised."""

import collections
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2

from tests.chaos_postgres.application import SLEEP

PAUSE_S = 0.05
"""Before a submit without an answer is repeated, and before it is looked again whether more is wanted."""


class Submitter(threading.Thread):
    """
    Keeps jobs coming until told to stop; whatever it has asked for by then, it asks for until it is answered.

    Every 201, and every 200 of a repetition, is a line `KEY ID` of the file *accepted*, fsynced before the next submit.

    Args:
        name: First part of its keys.
        gateways: The first is asked four times out of five, a repetition included.
        wants_more: Asked before every new job.
    """

    def __init__(
        self,
        name: str,
        gateways: list[str],
        *,
        token: str,
        accepted: Path,
        seed: int,
        wants_more: Callable[[], bool],
    ) -> None:
        super().__init__(daemon=True)
        self.prefix, self.gateways, self.token, self.accepted = name, gateways, token, accepted
        self.wants_more = wants_more
        self.stopped = threading.Event()
        self.chance = random.Random(seed)
        self.outcomes: collections.Counter[str] = collections.Counter()

    def run(self) -> None:
        with self.accepted.open("a", encoding="ascii") as file:
            number = 0
            while not self.stopped.is_set():
                if not self.wants_more():
                    self.stopped.wait(PAUSE_S)
                    continue
                key = f"{self.prefix}-{number}"
                while (job_id := self._submit(key, seconds=0.5 if number % 2 == 0 else 0.0)) is None:
                    time.sleep(PAUSE_S)
                file.write(f"{key} {job_id}\n")
                file.flush()
                os.fsync(file.fileno())
                number += 1

    def _submit(self, key: str, *, seconds: float) -> str | None:
        gateway = self.gateways[0] if self.chance.random() < 0.8 else self.gateways[1]
        try:
            answer = httpx2.post(
                f"{gateway}/jobs",
                json={"type": SLEEP, "payload": {"seconds": seconds}, "idempotencyKey": key, "maxAttempts": 50},
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=20,
            )
        except (httpx2.HTTPError, OSError) as error:
            self.outcomes[type(error).__name__] += 1
            return None
        self.outcomes[str(answer.status_code)] += 1
        return answer.json()["id"] if answer.status_code in (200, 201) else None


def accepted_in(*files: Path) -> dict[str, str]:
    """Ids by key, of what was promised."""
    return dict(line.split() for path in files for line in path.read_text(encoding="ascii").splitlines())
