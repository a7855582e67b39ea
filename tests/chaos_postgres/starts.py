"""
The starts that handlers wrote down, against the attempts that the history records.

A claim is committed before its handler begins, so a start that is not recorded, or a second one of the same fence, is
always a fault. An attempt that is recorded and never began is one whose processor did not live to begin it, or did not
hear of its claim in time: it is explained by a kill or a stop of that processor or of the database, and only by one
that fits its time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from observatory.core.event import EventType
from observatory.core.job import JobStatus
from tests.chaos_postgres.nemesis import POSTGRES, PROCESSOR, Act

BEGIN_S_MAX = 1.0
"""From the commit of a claim to the first line of its handler, on a machine with other things to do."""


class Start(NamedTuple):
    """One line of the log."""

    job_id: str
    attempt: int
    fence: int
    pid: int


class Attempt(NamedTuple):
    """One attempt of the history: it began, in the opinion of the store, at *began_s* of its wall clock."""

    job_id: str
    attempt: int
    fence: int
    worker: str
    began_s: float


class Difference(NamedTuple):
    """Without an explanation it fails the run."""

    text: str
    explanation: str = ""


def starts_in(log: Path) -> list[Start]:
    rows = [line.split() for line in log.read_text(encoding="ascii").splitlines()]
    return [Start(job_id, int(attempt), int(fence), int(pid)) for job_id, attempt, fence, pid in rows]


def attempts_in(events: Iterable[Mapping[str, Any]]) -> Iterator[Attempt]:
    """The attempts that *events*, in the order of each job, record as begun: by the claim itself, or after a wait."""
    claimed: dict[str, Mapping[str, Any]] = {}
    for event in events:
        said = event["payload"]
        if event["eventType"] == EventType.VALIDATED:
            claimed[said["id"]] = said
        begins = event["eventType"] in {EventType.VALIDATED, EventType.STARTED}
        if begins and said["status"] == JobStatus.EXECUTING:
            claim = claimed[said["id"]]
            began_s = datetime.fromisoformat(event["occurredAt"]).timestamp()
            yield Attempt(said["id"], said["attempt"], claim["fence"], claim["worker"], began_s)


def differences(
    starts: Iterable[Start], attempts: Iterable[Attempt], pids: Mapping[str, int], acts: Iterable[Act]
) -> list[Difference]:
    """
    Every difference between *starts* and *attempts*.

    Args:
        pids: Process ids of the processors, by instance id.
    """
    began = Counter(starts)
    recorded = {Start(one.job_id, one.attempt, one.fence, pids.get(one.worker, 0)): one for one in attempts}
    found = [Difference(f"{_shown(one)} began {count} times") for one, count in began.items() if count > 1]
    found += [Difference(f"{_shown(one)} began and is not recorded") for one in began if one not in recorded]
    acts = list(acts)
    for start, attempt in recorded.items():
        if start not in began:
            found.append(Difference(f"{_shown(start)} is recorded and never began", _explanation(start, attempt, acts)))
    return found


def _explanation(start: Start, attempt: Attempt, acts: list[Act]) -> str:
    """The act because of which the attempt never began, of several the nearest; empty if there is none."""
    strikes = [act for act in acts if act.target == POSTGRES or (act.target == PROCESSOR and act.pid == start.pid)]
    fitting = [(after_s, act, edge) for act in strikes for after_s, edge in _edges(act, attempt.began_s)]
    if not fitting:
        return ""
    after_s, act, edge = min(fitting, key=lambda one: abs(one[0]))
    return f"{edge} of the {act}, {after_s:+.3f} s from its claim"


def _edges(act: Act, claimed_s: float) -> Iterator[tuple[float, str]]:
    """
    When after a claim the act began or ended, as far as that may have cost the claim its start.

    A claim is made in a moment before the processor, or the database that was to answer it, is struck. One that was on
    its way when either of them stood still may be made as soon as that goes on: it comes too late, and its processor
    gives it back.
    """
    if act.began_s - BEGIN_S_MAX <= claimed_s <= act.struck_s:
        yield act.struck_s - claimed_s, "beginning"
    if act.kind == "stop" and abs(act.ended_s - claimed_s) <= BEGIN_S_MAX:
        yield act.ended_s - claimed_s, "end"


def _shown(start: Start) -> str:
    return f"job {start.job_id} attempt {start.attempt} fence {start.fence} in process {start.pid}"
