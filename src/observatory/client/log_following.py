"""Follows the log of a job from look to look, and says what is new. Pure but for its questions and its pauses."""

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from observatory.client.waiting import is_final
from observatory.core import limits
from observatory.core.job import JsonObject


class AnswersAboutLogs(Protocol):
    """What a follower needs of `client.api.Api`."""

    def job(self, job_id: str) -> JsonObject: ...

    def attempt_log(self, job_id: str, *, attempt: int | None = None) -> JsonObject: ...


class News(msgspec.Struct, frozen=True):
    """What one look found."""

    attempt: int
    lines: list[JsonObject]
    missed: int
    """Lines before them that were never seen: they came and were dropped between two looks."""


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


class LogFollower:
    """
    Args:
        attempt: None follows from attempt to attempt until the job is final.
        pause: Waits so many seconds; for tests.
    """

    def __init__(
        self, api: AnswersAboutLogs, job_id: str, attempt: int | None, *, pause: Callable[[float], object] = _pause
    ) -> None:
        self._api = api
        self._job_id = job_id
        self._wanted = attempt
        self._pause = pause
        self._attempt = 0
        self._seen = 0
        """Lines of the attempt up to now, those that were dropped included."""
        self._last: JsonObject | None = None

    def news(self) -> Iterator[News]:
        """One for every look that found something; ends when nothing more can come."""
        while True:
            # The job first: what it said before it became final is then in the log.
            is_over = is_final(self._api.job(self._job_id))
            log = self._api.attempt_log(self._job_id, attempt=self._wanted)
            if self._wanted is not None:
                is_over = is_over or bool(log.get("isComplete"))
            found = self._new_in(log)
            if found.lines or found.missed:
                yield found
            if is_over:
                return
            self._pause(limits.WAIT_PAUSE_S_MAX)

    def _new_in(self, log: JsonObject) -> News:
        """A last line that grew since the last look is new as a whole."""
        attempt, lines, dropped = int(log["attempt"]), list(log["lines"]), int(log["droppedLines"])
        if attempt != self._attempt:
            self._attempt, self._seen, self._last = attempt, 0, None
        skip = self._seen - dropped
        if 0 < skip <= len(lines) and lines[skip - 1] != self._last:
            skip -= 1
        new = lines[max(0, skip) :]
        self._seen, self._last = max(self._seen, dropped + len(lines)), lines[-1] if lines else self._last
        return News(attempt, new, max(0, -skip))
