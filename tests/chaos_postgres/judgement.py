"""What is wrong at the end of a campaign, from the whole history and the promises that were written down outside."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from observatory.core.event import EventType
from observatory.core.job import FINAL, JobStatus


def faults_of(events: Iterable[Mapping[str, Any]], accepted: Mapping[str, str], summed: int) -> list[str]:
    """
    In words. Every job of *events* has exactly one final event, which says that it is completed; every id of *accepted*
    exists, and beside them *summed* jobs, no more and no fewer.

    Args:
        accepted: Ids by idempotency key, as the submitters were told.
        summed: Files that the example summed, over all of its runs.
    """
    created: set[str] = set()
    finals: dict[str, list[str]] = {}
    for event in events:
        said = event["payload"]
        if event["eventType"] == EventType.CREATED:
            created.add(said["id"])
        if said["status"] in FINAL:
            finals.setdefault(said["id"], []).append(said["status"])
    wrong = [f"{job_id} is the answer to {count} keys" for job_id, count in _repeated(accepted)]
    wrong += [f"{key} {job_id} is lost" for key, job_id in accepted.items() if job_id not in created]
    for job_id in created:
        if (found := finals.get(job_id, [])) != [JobStatus.COMPLETED]:
            wrong.append(f"{job_id} has the final events {found}")
    if len(created) != (wanted := len(set(accepted.values())) + summed):
        wrong.append(f"{len(created)} jobs, and {wanted} were asked for")
    return wrong


def _repeated(accepted: Mapping[str, str]) -> list[tuple[str, int]]:
    return [(job_id, count) for job_id, count in Counter(accepted.values()).items() if count > 1]
