"""In which order expired jobs are looked for, whatever the driver: every type has its turn."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from observatory.core.job import FINAL, JobStatus
from observatory.core.retention import RetentionPolicy

_STATUSES = sorted(FINAL)


class Turn(msgspec.Struct, frozen=True):
    """The jobs of one type that became final in one way, of which some have expired."""

    type: str
    status: JobStatus
    before: datetime
    """Those that became final at this instant or earlier have expired."""
    kept_s: int

    def due_at(self, finished_at: datetime) -> datetime:
        """When a job that became final at *finished_at* should have gone."""
        return finished_at + timedelta(seconds=self.kept_s)


def turns(types: Sequence[str], policy: RetentionPolicy, at: datetime, *, last_type: str) -> Iterator[Turn]:
    """
    Every type and status that *policy* lets expire.

    Args:
        types: In order.
        last_type: Where the last look ended: the one behind it comes first, so that no type waits for the others.
    """
    following = [name for name in types if name > last_type]
    for job_type in [*following, *types[: len(types) - len(following)]]:
        for status in _STATUSES:
            before, kept_s = policy.expires_before(job_type, status, at), policy.kept_s(job_type, status)
            if before is not None and kept_s is not None:
                yield Turn(job_type, status, before, kept_s)
