"""What the rollup of pruned jobs must say of itself: its numbers stand in it more than once."""

from collections.abc import Iterator

from observatory.core.job import FINAL
from observatory.job_store.pruning import Rollup


def faults_of_rollup(rollup: Rollup) -> Iterator[str]:
    """One line for everything that does not add up."""
    stats = rollup.stats
    final = sum(count for status, count in stats.by_status.items() if status in FINAL)
    told = [
        ("jobs that it counts", stats.total_jobs),
        ("final jobs by status", final),
        ("jobs accepted by type", sum(counts.accepted for counts in stats.by_type.values())),
        ("completed by type", sum(counts.completed for counts in stats.by_type.values())),
        ("events that it counts", stats.events),
    ]
    expected = [rollup.jobs, rollup.jobs, rollup.jobs, stats.completed_jobs, rollup.events]
    for (name, there), wanted in zip(told, expected, strict=True):
        if there != wanted:
            yield f"the rollup of pruned jobs says {there} {name} where it should say {wanted}"
    open_ones = {str(status): count for status, count in stats.by_status.items() if count and status not in FINAL}
    if open_ones:
        yield f"the rollup of pruned jobs counts jobs that are not final: {open_ones}"
