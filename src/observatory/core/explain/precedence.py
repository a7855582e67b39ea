"""
Which code wins when several hold: `PRECEDENCE`, the table that `docs/explain.md` shows.

For each status the rules are asked in their order, and the first that finds something is the answer. Rules that are
degrees of one thing form a group, which gives one finding; what other groups find is named in `also`. The last rule of
a status is total, so that a job always has exactly one code.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from observatory.core.explain import delayed, finished, leased, waiting
from observatory.core.explain.explanation import Code, Explanation, Finding
from observatory.core.explain.situation import Situation
from observatory.core.job import JobStatus

Rule = Callable[[Situation], Finding | None]
TotalRule = Callable[[Situation], Finding]


Group = tuple[tuple[Code, Rule], ...]
"""Degrees of one thing, the worst first."""


class Rules(msgspec.Struct, frozen=True):
    """What may be said of a job of one status."""

    groups: tuple[Group, ...]
    """In their order."""
    otherwise: tuple[Code, TotalRule]
    """When none of them finds anything."""
    later: tuple[Group, ...] = ()
    """What will be in its way afterwards; only for `also`."""

    @property
    def codes(self) -> tuple[Code, ...]:
        """Every code of this status, in the order of precedence."""
        return (*(code for group in self.groups for code, _ in group), self.otherwise[0])


_C: Final = Code

_DUE: Final = (
    (_C.DUE_LOOP_DOWN, delayed.due_loop_down),
    (_C.DUE_LOOP_BEHIND, delayed.due_loop_behind),
    (_C.DUE_NOW, delayed.due_now),
)
_PAUSED: Final = ((_C.QUEUE_PAUSED, waiting.queue_paused),)
_NOBODY: Final = (
    (_C.TYPE_NEVER_ANNOUNCED, waiting.type_never_announced),
    (_C.NO_LIVE_PROCESSOR, waiting.no_live_processor),
)
_LEASE: Final = (
    (_C.RESCUER_DOWN, leased.rescuer_down),
    (_C.RESCUER_BEHIND, leased.rescuer_behind),
    (_C.RESCUE_DUE, leased.rescue_due),
    (_C.HEARTBEAT_LATE, leased.heartbeat_late),
)

PRECEDENCE: Final[dict[JobStatus, Rules]] = {
    JobStatus.SCHEDULED: Rules((_DUE,), (_C.NOT_DUE, delayed.not_due), (_PAUSED, _NOBODY)),
    JobStatus.RETRYING: Rules(
        ((*_DUE, (_C.SNOOZED, delayed.snoozed), (_C.THREAD_ABANDONED, delayed.thread_abandoned)),),
        (_C.RETRY_WAITING, delayed.retry_waiting),
        (_PAUSED, _NOBODY),
    ),
    JobStatus.PENDING: Rules(
        (
            _PAUSED,
            (*_NOBODY, (_C.PROCESSORS_DRAINING, waiting.processors_draining)),
            ((_C.QUEUE_AT_LIMIT, waiting.queue_at_limit),),
            (
                (_C.CLAIMS_DOWN, waiting.claims_down),
                (_C.SLOTS_ABANDONED, waiting.slots_abandoned),
                (_C.WAITING_BEHIND_OTHERS, waiting.waiting_behind_others),
                (_C.PROCESSORS_BUSY, waiting.processors_busy),
                (_C.PROCESSORS_DEAF, waiting.processors_deaf),
            ),
        ),
        (_C.ABOUT_TO_BE_CLAIMED, waiting.about_to_be_claimed),
    ),
    JobStatus.VALIDATED: Rules((_LEASE,), (_C.WAITING_FOR_SLOT, leased.waiting_for_slot)),
    JobStatus.EXECUTING: Rules(
        (
            _LEASE,
            (
                (_C.SETTLES_DOWN, leased.settles_down),
                (_C.OUTCOME_BEING_RECORDED, leased.outcome_being_recorded),
            ),
            ((_C.PAST_DEADLINE, leased.past_deadline),),
            (
                (_C.CANCEL_NOT_HEARD, leased.cancel_not_heard),
                (_C.CANCEL_UNANSWERED, leased.cancel_unanswered),
            ),
            ((_C.RUNNING_LONG, leased.running_long),),
        ),
        (_C.RUNNING, leased.running),
    ),
    JobStatus.COMPLETED: Rules((), (_C.COMPLETED, finished.completed)),
    JobStatus.FAILED: Rules(
        (((_C.PAYLOAD_REFUSED, finished.payload_refused), (_C.DISCARDED, finished.discarded)),),
        (_C.ATTEMPTS_USED_UP, finished.attempts_used_up),
    ),
    JobStatus.CANCELLED: Rules((), (_C.CANCELLED, finished.cancelled)),
}


def explain(seen: Situation) -> Explanation:
    """
    Why the job of *seen* is where it is.

    Pure and total: every situation gives exactly one code, which is one of those of the job's status.
    """
    rules = PRECEDENCE[seen.job.status]
    found = _found(rules.groups, seen)
    code, finding = found[0] if found else (rules.otherwise[0], rules.otherwise[1](seen))
    return Explanation(
        job_id=seen.job.id,
        status=seen.job.status,
        code=code,
        summary=finding.summary,
        evidence=msgspec.structs.replace(finding.evidence, down=(*seen.down, *finding.evidence.down)),
        change=finding.change,
        also=tuple(other for other, _ in (*found[1:], *_found(rules.later, seen))),
        as_of=seen.now,
    )


def _found(groups: tuple[Group, ...], seen: Situation) -> list[tuple[Code, Finding]]:
    """The first finding of each group."""
    found: list[tuple[Code, Finding]] = []
    for group in groups:
        of_group = ((code, finding) for code, rule in group if (finding := rule(seen)) is not None)
        first = next(of_group, None)
        if first is not None:
            found.append(first)
    return found
