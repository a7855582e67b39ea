"""The stored form of a rollup, and what pruned jobs add to it, whatever the driver."""

from collections.abc import Sequence
from typing import Any

import msgspec

from observatory.core.folds import StatsView, add_stats
from observatory.job_store.pruning import Expired, Folded, Rollup, RollupUnreadable


def rollup_of_row(row: Sequence[Any] | None) -> Rollup:
    """
    The rollup of jobs, events, sum of positions and document; the empty one for None.

    Raises:
        RollupUnreadable: The document is damaged.
    """
    if row is None:
        return Rollup()
    jobs, events, positions_sum, document = row
    try:
        stats = msgspec.json.decode(document, type=StatsView)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise RollupUnreadable(
            f"the rollup of pruned jobs is damaged ({error}); `odd-dashboard audit` says more"
        ) from error
    return Rollup(jobs=jobs, events=events, positions_sum=int(positions_sum), stats=stats)


def with_pruned(rollup: Rollup, jobs: Sequence[Expired], folded: Folded) -> Rollup:
    """*rollup* with *jobs* added to it; *rollup* itself is not to be used afterwards."""
    stats = rollup.stats
    for job in jobs:
        stats = add_stats(stats, job.stats, own_types=folded.own_types)
    return Rollup(
        jobs=rollup.jobs + len(jobs),
        events=rollup.events + sum(job.events for job in jobs),
        positions_sum=rollup.positions_sum + sum(job.positions_sum for job in jobs),
        stats=stats,
    )


def rollup_values(rollup: Rollup) -> tuple[int, int, int, str]:
    """Jobs, events, sum of positions and document."""
    return rollup.jobs, rollup.events, rollup.positions_sum, msgspec.json.encode(rollup.stats).decode()
