"""One run: a job for every file, submitted in batches, awaited together; it survives a gateway that restarts."""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from observatory.client.api import Api
from observatory.client.calls import Page, portions
from observatory.client.errors import NotReachable, ServiceFailed
from observatory.core import limits
from observatory.core.job import FINAL, JobStatus
from observatory.core.sources import Clock

JOB_TYPE = "checksum"
"""The built-in one."""
BACKOFF_S_MIN = 0.2
BACKOFF_S_MAX = 5.0
LOOK_S = 0.5
"""How often the jobs are looked at."""

T = TypeVar("T")


@dataclass
class Progress:
    """How far a run is."""

    total: int
    accepted: int = 0
    done: int = 0
    failed: int = 0
    waiting_for: str = ""
    """The service that does not answer at the moment; empty when all is well."""


@dataclass
class Outcome:
    """What came out of a run."""

    digests: dict[str, str] = field(default_factory=dict[str, str])
    failures: dict[str, str] = field(default_factory=dict[str, str])


class ChecksumRun:
    """
    Args:
        name: Identity of the run. A repetition with the same name finds the jobs of the first one.
        job_type: Takes `path` and gives `sha256`.
        silence_s_max: How long a service may be away before the run gives up.
        pause: Waits so many seconds.
        show: Called whenever something changed.
    """

    def __init__(
        self,
        api: Api,
        *,
        name: str,
        clock: Clock,
        pause: Callable[[float], Any],
        job_type: str = JOB_TYPE,
        show: Callable[[Progress], None] = lambda _: None,
        silence_s_max: float = 120.0,
    ) -> None:
        self._api = api
        self._name = name
        self._job_type = job_type
        self._clock = clock
        self._pause = pause
        self._show = show
        self._silence_s_max = silence_s_max
        self._correlation_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"checksums:{name}"))

    def of_files(self, files: list[str]) -> Outcome:
        """The checksum of each of *files*, or the reason why there is none. Raises when a service stays away."""
        outcome = Outcome()
        progress = Progress(total=len(files))
        self._show(progress)
        pending = self._submit(files, outcome, progress)
        while pending:
            self._collect(pending, outcome, progress)
            if pending:
                self._pause(LOOK_S)
        return outcome

    def _submit(self, files: list[str], outcome: Outcome, progress: Progress) -> dict[str, str]:
        """Have a job accepted for each file; returns file by job id."""
        sendable = [name for name in files if self._is_sendable(name, outcome)]
        progress.failed = len(outcome.failures)
        pending: dict[str, str] = {}
        names = iter(sendable)
        for portion in portions([self._request(name) for name in sendable]):
            answers = self._insisting(lambda portion=portion: self._api.submit_batch(portion), progress)
            for answer in answers:
                name = next(names)
                if "job" in answer:
                    pending[answer["job"]["id"]] = name
                    progress.accepted += 1
                else:
                    outcome.failures[name] = f"refused: {answer['error'].get('detail') or answer['error'].get('code')}"
                    progress.failed += 1
            self._show(progress)
        return pending

    def _is_sendable(self, name: str, outcome: Outcome) -> bool:
        """JSON holds text; a name whose bytes are not UTF-8 is none."""
        try:
            name.encode()
        except UnicodeEncodeError:
            outcome.failures[name] = "the name is not UTF-8"
            return False
        return True

    def _request(self, name: str) -> dict[str, Any]:
        path = os.path.abspath(name)  # noqa: PTH100 — resolve() would follow links
        digest = hashlib.sha256(f"{self._name}\0{path}".encode()).hexdigest()
        return {
            "type": self._job_type,
            "payload": {"path": path},
            "idempotencyKey": f"checksums:{digest}",
            "correlationId": self._correlation_id,
        }

    def _collect(self, pending: dict[str, str], outcome: Outcome, progress: Progress) -> None:
        """Take the jobs that are final, and those of which nobody can say it any more, out of *pending*."""
        for page in self._pages(progress):
            for job in page.items:
                if job.get("status") in FINAL and (name := pending.pop(job.get("id", ""), None)) is not None:
                    if job["status"] == JobStatus.COMPLETED and isinstance(job.get("result"), dict):
                        outcome.digests[name] = str(job["result"].get("sha256"))
                        progress.done += 1
                    else:
                        error = job.get("error") or {}
                        outcome.failures[name] = f"{job['status']}: {error.get('message', 'no error was given')}"
                        progress.failed += 1
                    self._show(progress)
            for job_id in page.unreadable:
                if (name := pending.pop(job_id, None)) is not None:
                    outcome.failures[name] = "its row cannot be read"
                    progress.failed += 1
                    self._show(progress)

    def _pages(self, progress: Progress) -> Iterator[Page]:
        """Every job of this run as it is now."""
        cursor: str | None = None
        while True:
            page = self._insisting(lambda cursor=cursor: self._page(cursor), progress)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    def _page(self, cursor: str | None) -> Page:
        return self._api.jobs(
            type=self._job_type, correlation_id=self._correlation_id, cursor=cursor, count_max=limits.PAGE_ITEMS_MAX
        )

    def _insisting(self, call: Callable[[], T], progress: Progress) -> T:
        """
        The answer of *call*, repeated while the service is away.

        Repeating a submit is safe: every job has an idempotency key.
        """
        silent_since_s = self._clock.monotonic()
        pause_s = BACKOFF_S_MIN
        while True:
            try:
                answer = call()
            except (NotReachable, ServiceFailed) as error:
                if self._clock.monotonic() - silent_since_s >= self._silence_s_max:
                    raise
                progress.waiting_for = str(error)
                self._show(progress)
                self._pause(pause_s)
                pause_s = min(BACKOFF_S_MAX, pause_s * 2)
            else:
                progress.waiting_for = ""
                return answer
