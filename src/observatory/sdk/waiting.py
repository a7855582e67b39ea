"""Waiting for final jobs, of one handle or of many: the same steps for both clients."""

import math
from collections.abc import Callable, Iterator, Sequence

from observatory.client.errors import NotReachable, ServiceFailed, WaitedTooLong
from observatory.client.waiting import Waiting, is_final
from observatory.core.job import JsonObject
from observatory.core.sources import Clock
from observatory.sdk.errors import ResultTimeout, timeout_of


def _checked(timeout_s: object) -> float | None:
    if timeout_s is None:
        return None
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float):
        raise TypeError(f"timeout_s is {timeout_s!r:.40}; it is a number of seconds, or None")
    if timeout_s != timeout_s:  # noqa: PLR0124 — NaN alone differs from itself, and `isnan` takes no large integer
        raise ValueError("timeout_s is NaN; it is a number of seconds, or None")
    try:
        return float(timeout_s)
    except OverflowError:  # an integer beyond every float
        return math.copysign(math.inf, timeout_s > 0 or -1)


class Watch:
    """
    Jobs that are waited for, looked at one after the other.

    Whoever waits looks at `job_id` and says what it saw; `pause_s` is how long to pause before the next look. A job
    is looked at until it is final, then the next one: however many there are, one request is under way, and those
    that ended meanwhile cost one look each.

    Args:
        timeout_s: For all of them together; None means as long as it takes. What is not above 0 looks once.

    Raises:
        TypeError, ValueError: *timeout_s* is no number of seconds.
    """

    def __init__(self, job_ids: Sequence[str], timeout_s: float | None, clock: Clock) -> None:
        timeout_s = _checked(timeout_s)
        self._clock = clock
        self._ends_s = None if timeout_s is None else clock.monotonic() + timeout_s
        self._timeout_s = timeout_s
        self._left: Iterator[str] = iter(job_ids)
        self.found: list[JsonObject] = []
        """The final jobs, in the order in which they were asked for."""
        self.job_id: str | None = None
        self.pause_s = 0.0
        self._next()

    def saw(self, job: JsonObject) -> None:
        """
        Raises:
            ResultTimeout: It is not final, and the time is up.
        """
        if is_final(job):
            self.found.append(job)
            self._next()
        else:
            self._pause(lambda now_s: self._waiting.seen(job, now_s))

    def failed(self, error: NotReachable | ServiceFailed) -> None:
        """
        Raises:
            NotReachable, ServiceFailed: *error*, when the services are away for longer than a restart takes.
            ResultTimeout: The time is up.
        """
        self._pause(lambda now_s: self._waiting.failed(error, now_s))

    def _next(self) -> None:
        now_s = self._clock.monotonic()
        self.pause_s = 0.0
        self.job_id = next(self._left, None)
        left_s = None if self._ends_s is None else max(0.0, self._ends_s - now_s)
        self._waiting = Waiting(self.job_id or "", left_s, now_s)

    def _pause(self, step: Callable[[float], float]) -> None:
        try:
            self.pause_s = step(self._clock.monotonic())
        except WaitedTooLong as error:
            raise self._timeout(error) from None

    def _timeout(self, error: WaitedTooLong) -> ResultTimeout:
        status = error.job.get("status", "of unknown status")
        said = WaitedTooLong(f"job {self.job_id} is {status} after {self._timeout_s:g} s", job=error.job)
        return timeout_of(said)
