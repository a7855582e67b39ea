"""What one attempt says while it runs: how far it is, and its log."""

from observatory.core.job import Job
from observatory.core.sources import Clock
from observatory.job_store.attempt_logs import AttemptLog
from observatory.processor.log_tail import LogTail
from observatory.processor.progress import LatestProgress


class Said:
    """Of one attempt."""

    def __init__(self, clock: Clock) -> None:
        self.progress = LatestProgress()
        self.log = LogTail(clock)

    def log_of(self, job: Job, *, is_complete: bool) -> AttemptLog:
        """The log as it is now, of the current attempt of *job*."""
        tail = self.log.read()
        return AttemptLog(
            job_id=job.id,
            attempt=job.attempt,
            fence=job.fence,
            lines=tail.lines,
            dropped_lines=tail.dropped_lines,
            dropped_bytes=tail.dropped_bytes,
            is_complete=is_complete,
        )
