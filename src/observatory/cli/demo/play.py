"""What every chapter needs: jobs that are counted as they are submitted, looks at the read model, and checks."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from observatory.cli.demo.inputs import Inputs
from observatory.cli.demo.stage import Stage
from observatory.cli.demo.teller import Teller
from observatory.client.api import Api
from observatory.client.errors import WaitedTooLong
from observatory.core import limits
from observatory.core.job import JsonObject
from observatory.core.sources import Clock

PATIENCE_S = 60.0
"""How long a chapter waits for what it has promised."""
LOOK_S = 0.1
"""How often it looks meanwhile."""


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    files: int
    burst: int
    attempts: int
    frames: int
    frame_s: float
    frames_before_kill: int
    ticks: int


FULL = Size(files=40, burst=4_000, attempts=4, frames=30, frame_s=0.2, frames_before_kill=4, ticks=5)
QUICK = Size(files=8, burst=300, attempts=2, frames=8, frame_s=0.1, frames_before_kill=0, ticks=2)


class Play:
    """
    One telling of the story.

    Args:
        run: Names it; every job carries it in its metadata and its idempotency key.
    """

    def __init__(self, stage: Stage, teller: Teller, clock: Clock, *, run: str, seed: int, size: Size) -> None:
        self.api: Api = stage.api
        self.stage = stage
        self.teller = teller
        self.clock = clock
        self.size = size
        self.inputs = Inputs(stage.files, seed)
        self.seed = seed
        self.stats_before: JsonObject = {"byType": {}}
        """What the observatory had counted before we came."""
        self.accepted: Counter[str] = Counter()
        """Jobs that the gateway accepted from us, by type, as we counted them."""
        self.failed: Counter[str] = Counter()
        """Those that shall end FAILED."""
        self.differences: list[str] = []
        """What did not come out as told."""
        self._run = run
        self._look = threading.Event()

    def request(self, type: str, payload: JsonObject, key: str, *, queue: str = "demo", **options: Any) -> JsonObject:
        metadata = {"demo": self._run, "seed": self.seed}
        key = f"demo:{self._run}:{key}"
        return {
            "type": type, "payload": payload, "queue": queue, "metadata": metadata, "idempotencyKey": key, **options
        }  # fmt: skip

    def submit(self, request: JsonObject) -> str:
        job = self.api.submit(request).job
        self.accepted[request["type"]] += 1
        return job["id"]

    def submit_all(self, requests: Sequence[JsonObject]) -> list[str]:
        """One batch; the ids in order."""
        jobs = [answer["job"] for answer in self.api.submit_batch(requests) if "job" in answer]
        self.accepted.update(job["type"] for job in jobs)
        return [job["id"] for job in jobs]

    def until(self, is_reached: Callable[[], bool], what: str, *, look_s: float = LOOK_S) -> None:
        """
        Look again and again.

        Raises:
            WaitedTooLong: Not within `PATIENCE_S`.
        """
        end_s = self.clock.monotonic() + PATIENCE_S
        while not is_reached():
            if self.clock.monotonic() > end_s:
                raise WaitedTooLong(f"{what} did not happen within {PATIENCE_S:g} s", job={})
            self._look.wait(look_s)

    def check(self, what: str, *, expected: Any, found: Any) -> None:
        if not self.teller.check(what, expected=expected, found=found):
            self.differences.append(what)

    def begin(self) -> None:
        """From here on it is ours what is added to the counters of our types."""
        self.stats_before = self.complete_stats()

    def complete_stats(self) -> JsonObject:
        """Counters that include everything that has happened by now, whoever else is busy."""
        stats = self.api.stats()
        head = stats["position"] + stats["lag"]

        def look() -> bool:
            nonlocal stats
            stats = self.api.stats()
            return stats["position"] >= head

        self.until(look, "counters that are complete")
        return stats

    def counted(self, type: str) -> Counter[str]:
        """What the counters say about *type* since we began."""
        counted = counts_of(self.api.stats(), type)
        counted.subtract(counts_of(self.stats_before, type))
        return counted

    def queue(self, name: str) -> JsonObject:
        """How full it is; an empty one is not in the list."""
        return next((one for one in self.api.queues().items if one["queue"] == name), {"queue": name, "depth": 0})

    def jobs_in(self, queue: str, type: str) -> list[JsonObject]:
        """Every job of this run."""
        found: list[JsonObject] = []
        cursor: str | None = None
        while True:
            page = self.api.jobs(queue=queue, type=type, cursor=cursor, count_max=limits.PAGE_ITEMS_MAX)
            found += [job for job in page.items if (job.get("metadata") or {}).get("demo") == self._run]
            cursor = page.next_cursor
            if cursor is None:
                return found

    @property
    def metadata(self) -> JsonObject:
        return {"demo": self._run, "seed": self.seed}


def result_of(job: JsonObject) -> JsonObject:
    """What the handler returned; nothing when it returned none."""
    result: Any = job.get("result")
    return cast("JsonObject", result) if isinstance(result, dict) else {}


def counts_of(stats: JsonObject, type: str) -> Counter[str]:
    """What `/stats` says about one type; nothing is 0."""
    return Counter(stats["byType"].get(type, {}))
