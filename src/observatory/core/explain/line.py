"""Which jobs are claimed before another one: the order and the admission of a claim, applied to what waits."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from observatory.core.job import Job
from observatory.core.queue import Admission, QueueSetting


def open_queues(
    queues: Iterable[str], *, settings: Iterable[QueueSetting], leased: Mapping[str, int]
) -> frozenset[str]:
    """Those of *queues* from which a claim may take anything."""
    admission = _admission(settings, leased, count_max=1)
    return frozenset(queue for queue in queues if admission.admits(queue))


def claimed_before(
    job: Job,
    pending: Sequence[Job],
    *,
    types: Collection[str],
    settings: Iterable[QueueSetting],
    leased: Mapping[str, int],
) -> list[Job]:
    """
    Those of *pending* that a claim with enough slots takes before *job*, in the order in which it takes them.

    Args:
        pending: PENDING jobs, of each queue newest accepted first.
        types: What the processors know that would claim *job*.
        leased: Jobs under a lease, by queue.
    """
    admission = _admission(settings, leased, count_max=len(pending))
    before: list[Job] = []
    accepted = list(reversed(pending))
    # What is equal otherwise stays in the order of acceptance.
    for one in sorted(accepted, key=lambda one: (one.priority, one.run_at)):
        if one.id == job.id:
            return before
        if one.type in types and admission.admits(one.queue):
            admission.take(one.queue)
            before.append(one)
    return []


def _admission(settings: Iterable[QueueSetting], leased: Mapping[str, int], *, count_max: int) -> Admission:
    settings = tuple(settings)
    limited = {setting.queue: setting.concurrency_max for setting in settings if setting.concurrency_max is not None}
    paused = [setting.queue for setting in settings if setting.is_paused]
    return Admission(paused=paused, concurrency_max=limited, leased=leased, count_max=count_max)
