"""The progress of the attempt that runs in a child, on its way to the processor: the newest, and seldom."""

import threading
from collections.abc import Callable

from observatory.core import limits
from observatory.core.job import Progress
from observatory.processor.child_protocol import Progressed
from observatory.processor.context import AttemptFacts
from observatory.processor.progress import LatestProgress


class ChildReports:
    """
    Sends from a thread of its own, so that a handler never waits for the processor.

    Args:
        say: Sends one message; called by one thread at a time.
    """

    def __init__(self, say: Callable[[Progressed], object]) -> None:
        self._say = say
        self._news = threading.Event()
        self._sending = threading.Lock()
        self._current: tuple[AttemptFacts, LatestProgress] | None = None
        self._is_copy = False

    def start(self) -> None:
        threading.Thread(target=self._send_again_and_again, name="reports", daemon=True).start()

    def begin(self, attempt: AttemptFacts) -> Callable[[Progress], object]:
        """What *attempt* reports by."""
        latest = LatestProgress(self._wake)
        self._current = attempt, latest
        return latest.put

    def end(self) -> None:
        """Send what was not sent, and nothing more of the attempt that ran."""
        self._send()
        self._current = None

    def become_a_copy(self) -> None:
        """In a copy that a handler made with `fork`: the locks may be held by threads that are not in it."""
        self._is_copy = True

    def _wake(self) -> None:
        if not self._is_copy:
            self._news.set()

    def _send(self) -> None:
        with self._sending:
            if self._current is None:
                return
            attempt, latest = self._current
            progress = latest.take()
            if progress is not None:
                latest.recorded = progress
                self._say(Progressed(attempt.job_id, attempt.fence, progress))

    def _send_again_and_again(self) -> None:
        pause = threading.Event()
        while self._news.wait():
            self._news.clear()
            self._send()
            pause.wait(limits.PROGRESS_EVERY_S)
