"""Asks one /readyz all the time, and remembers when its answer changed."""

import threading
import time

import httpx2

LOOK_S = 0.05
ANSWER_S_MAX = 10.0


class Probe(threading.Thread):
    """Of the service at *url*; by the wall clock, at the moment of the answer."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.changes: list[tuple[float, bool]] = []
        self._stopped = threading.Event()
        self._client = httpx2.Client(base_url=url, timeout=ANSWER_S_MAX, trust_env=False)

    @property
    def is_ready(self) -> bool:
        """As it said last."""
        return bool(self.changes) and self.changes[-1][1]

    def first(self, *, after_s: float, is_ready: bool) -> float:
        """When it first said so after *after_s*: at once if that is what it said before; infinity for never."""
        before = [said for at_s, said in self.changes if at_s <= after_s]
        if before and before[-1] is is_ready:
            return after_s
        return min((at_s for at_s, said in self.changes if at_s > after_s and said is is_ready), default=float("inf"))

    def run(self) -> None:
        while not self._stopped.wait(LOOK_S):
            is_ready = self._ask()
            if not self.changes or self.changes[-1][1] is not is_ready:
                self.changes.append((time.time(), is_ready))

    def _ask(self) -> bool:
        try:
            return self._client.get("/readyz").status_code == 200
        except httpx2.HTTPError:
            return False

    def end(self) -> None:
        self._stopped.set()
        self.join()
        self._client.close()
