"""When to look at a job again: pure, for both clients."""

from observatory.client.errors import NotReachable, ServiceFailed, WaitedTooLong
from observatory.core import limits
from observatory.core.job import FINAL, JsonObject


def is_final(job: JsonObject) -> bool:
    return job.get("status") in FINAL


class Waiting:
    """
    One wait for one job. Each of `seen` and `failed` returns how long to pause before the next look.

    Args:
        timeout_s: None means as long as it takes.
        now_s: Monotonic seconds, as in every call.
    """

    def __init__(self, job_id: str, timeout_s: float | None, now_s: float) -> None:
        self._job_id = job_id
        self._timeout_s = timeout_s
        self._began_s = now_s
        self._pause_s = limits.WAIT_PAUSE_S_MIN
        self._silent_since_s: float | None = None
        self._job: JsonObject = {"id": job_id}

    def seen(self, job: JsonObject, now_s: float) -> float:
        """
        *job* is not final.

        Raises:
            WaitedTooLong: The time is up.
        """
        self._job = job
        self._silent_since_s = None
        return self._next_pause_s(now_s)

    def failed(self, error: NotReachable | ServiceFailed, now_s: float) -> float:
        """
        The service did not answer.

        Raises:
            NotReachable, ServiceFailed: *error*, when it has been silent for too long.
            WaitedTooLong: The time is up.
        """
        self._silent_since_s = now_s if self._silent_since_s is None else self._silent_since_s
        if now_s - self._silent_since_s >= limits.WAIT_UNREACHABLE_S_MAX:
            raise error
        return self._next_pause_s(now_s)

    def _next_pause_s(self, now_s: float) -> float:
        pause_s = self._pause_s
        self._pause_s = min(limits.WAIT_PAUSE_S_MAX, self._pause_s * 1.5)
        if self._timeout_s is None:
            return pause_s
        left_s = self._began_s + self._timeout_s - now_s
        if left_s <= 0:
            status = self._job.get("status", "of unknown status")
            raise WaitedTooLong(f"job {self._job_id} is {status} after {self._timeout_s:g} s", job=self._job)
        return min(pause_s, left_s)
