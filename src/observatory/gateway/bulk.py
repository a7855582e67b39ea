"""
Actions on many jobs, in pieces: each is a transaction of its own, so that submits and claims go on in between.

One call looks at a bounded number of jobs, newest accepted first, and gives a cursor with which its caller goes on.
Jobs that are accepted meanwhile are never met, so a retry does not run after its own copies.

Repeating a call is safe. A cancel finds fewer jobs each time. A retry gives each copy an idempotency key made of the
id of the job that it repeats, and of the operation's if there is one: a second call, also one at the same time, finds
the copy instead of making another. Without an operation id a job that was ever repeated is left out; with one it is
repeated once for that operation, and the copies that the operation made are left out.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from observatory.contracts import is_valid, validate
from observatory.contracts.wire import BulkAnswer, BulkCount, BulkFilter, BulkRequest
from observatory.core import limits
from observatory.core.bulk import CANCELLABLE, RETRIED, is_copy_of, retry_key
from observatory.core.command import Cancel
from observatory.core.errors import ObservatoryError, Refused
from observatory.core.job import FINAL, Job, JobStatus
from observatory.core.sources import Ids
from observatory.edge.cursor import Cursors
from observatory.edge.problem import InvalidRequest
from observatory.event_bus.port import EventBus
from observatory.gateway.submit import CallContext, repeated_job
from observatory.gateway.wakes import Wakes
from observatory.job_store.port import Applied, JobStore, Order, Submitted
from observatory.job_store.selections import Selected, Selection, Selections

Action = Literal["cancel", "retry"]
Note = Callable[[Sequence[Submitted | ObservatoryError]], None]

_CONTRACT: Final = "bulk-request"
_KNOWN: Final = frozenset(field.encode_name for field in msgspec.structs.fields(BulkRequest))
_FILTERS: Final = frozenset(field.encode_name for field in msgspec.structs.fields(BulkFilter))
_INSTANTS: Final = ("createdAfter", "createdBefore", "finishedAfter", "finishedBefore")


class Bulk:
    """
    Cancels and repeats jobs by filter.

    Every method may raise `StoreUnavailable`; what was done until then stays done, and the call may be repeated.
    """

    def __init__(self, store: JobStore, selections: Selections, bus: EventBus, *, ids: Ids) -> None:
        self._store = store
        self._selections = selections
        self._wakes = Wakes(bus)
        self._ids = ids

    async def cancel(self, document: Any) -> BulkAnswer:
        """
        Cancel the jobs that *document* asks for: those that wait at once, the running ones by a request.

        Raises:
            Refused: `invalid_request`, `unknown_member`, `empty_filter`, `bad_filter`, `bad_cursor`. Nothing was done.
        """
        asked = _Asked("cancel", document)
        if asked.request.dry_run:
            return await self._counted(asked)
        page = await self._selections.select(asked.selection, before=asked.before, count_max=asked.count_max)
        achieved = Counter[str]()
        for piece in _pieces(page.jobs):
            answers = await self._store.apply([Order(one.job_id, Cancel()) for one in piece])
            await self._wakes.after(answers)  # at once: the store may refuse the next piece
            achieved.update(_cancelled(answer) for answer in answers)
        return asked.answer(page.jobs, achieved, page.next_before)

    async def retry(self, document: Any, context: CallContext, *, note: Note) -> BulkAnswer:
        """
        Accept a copy of each final job that *document* asks for.

        Args:
            note: Told what became of each piece.

        Raises:
            Refused: As `cancel`.
        """
        asked = _Asked("retry", document)
        if asked.request.dry_run:
            return await self._counted(asked)
        page = await self._selections.select(asked.selection, before=asked.before, count_max=asked.count_max)
        achieved = Counter[str]()
        for piece in _pieces(page.jobs):
            achieved.update(await self._retry_piece([one.job_id for one in piece], asked.operation_id, context, note))
        if achieved["retried"]:
            await self._wakes.ready()
        return asked.answer(page.jobs, achieved, page.next_before)

    async def _retry_piece(
        self, job_ids: Sequence[str], operation_id: str | None, context: CallContext, note: Note
    ) -> list[str]:
        achieved: list[str] = []
        while job_ids:
            found = await self._selections.jobs(job_ids)
            gone = found.looked_at - len(found.jobs) - len(found.unreadable)
            achieved += ["unknown_job"] * gone + ["row_unreadable"] * len(found.unreadable)
            copied = [job for job in found.jobs if not is_copy_of(job, operation_id)]
            achieved += ["of_this_operation"] * (len(found.jobs) - len(copied))
            answers = await self._store.submit([self._copy(job, operation_id, context) for job in copied])
            note(answers)
            achieved += [_retried(answer) for answer in answers]
            job_ids = job_ids[found.looked_at :]
        return achieved

    def _copy(self, job: Job, operation_id: str | None, context: CallContext) -> Any:
        keyed = msgspec.structs.replace(context, idempotency_key=retry_key(job.id, operation_id))
        return repeated_job(job, keyed, ids=self._ids)

    async def _counted(self, asked: "_Asked") -> BulkAnswer:
        counts = await self._selections.count(asked.selection)
        found = tuple(BulkCount(status=one.status, type=one.type, count=one.count) for one in counts)
        return BulkAnswer(
            action=asked.action,
            dry_run=True,
            matched=sum(one.count for one in found),
            counts=found,
            cancelled=0,
            cancel_requested=0,
            retried=0,
            skipped={},
            next_cursor=None,
        )


class _Asked:
    """One request, checked."""

    def __init__(self, action: Action, document: Any) -> None:
        self.action: Action = action
        self.request = request = _checked(document)
        self.operation_id = request.operation_id
        self.count_max = limits.BULK_JOBS_DEFAULT if request.limit is None else request.limit
        self.selection = _selection_of(action, request, document.get("filter", {}))
        self._cursors = Cursors(f"{action} {msgspec.json.encode(self.selection).decode()} {self.operation_id}")
        self.before = self._cursors.place(request.cursor)

    def answer(self, jobs: Sequence[Selected], achieved: Counter[str], next_before: int | None) -> BulkAnswer:
        counts = Counter((one.status, one.type) for one in jobs)
        skipped = {name: count for name, count in sorted(achieved.items()) if name not in _DONE}
        return BulkAnswer(
            action=self.action,
            dry_run=False,
            matched=len(jobs),
            counts=tuple(BulkCount(status=s, type=t, count=count) for (s, t), count in sorted(counts.items())),
            cancelled=achieved["cancelled"],
            cancel_requested=achieved["cancel_requested"],
            retried=achieved["retried"],
            skipped=skipped,
            next_cursor=self._cursors.cursor(next_before),
        )


_DONE: Final = frozenset({"cancelled", "cancel_requested", "retried"})


def _pieces(jobs: Sequence[Selected]) -> list[Sequence[Selected]]:
    return [jobs[start : start + limits.BULK_PIECE_JOBS] for start in range(0, len(jobs), limits.BULK_PIECE_JOBS)]


def _cancelled(answer: Applied | ObservatoryError) -> str:
    if isinstance(answer, ObservatoryError):
        return answer.code
    if answer.status is JobStatus.CANCELLED:
        return "cancelled"
    return "cancel_requested" if answer.has_changed else "cancel_requested_before"


def _retried(answer: Submitted | ObservatoryError) -> str:
    if isinstance(answer, ObservatoryError):
        return answer.code
    return "already_retried" if answer.is_replay else "retried"


# --- what was asked for -----------------------------------------------------------------------


def _checked(document: Any) -> BulkRequest:
    if not is_valid(_CONTRACT, document):
        raise InvalidRequest(validate(_CONTRACT, document))
    # A name that is ignored would make the action reach further than its caller meant.
    _check_members(document, _KNOWN, "")
    _check_members(document.get("filter", {}), _FILTERS, "/filter")
    wanted = {name: value for name, value in document.get("filter", {}).items() if name not in _INSTANTS}
    request = msgspec.convert(document | {"filter": wanted}, BulkRequest, strict=False)
    if not document.get("filter") and not request.all:
        detail = 'an empty filter means every job; say so with "all": true'
        raise Refused(detail, code="empty_filter", pointer="/filter")
    return request


def _check_members(document: dict[str, Any], known: frozenset[str], where: str) -> None:
    for name in document:
        if name not in known:
            detail = f"{name[: limits.ECHO_CHARS_MAX]!r} is not known here; known are: {', '.join(sorted(known))}"
            raise Refused(detail, code="unknown_member", pointer=where)


def _selection_of(action: Action, request: BulkRequest, given: dict[str, Any]) -> Selection:
    wanted = request.filter
    correlation_id = wanted.correlation_id.lower() if wanted.correlation_id is not None else None
    return Selection(
        statuses=_statuses(action, wanted.status),
        type=wanted.type,
        queue=wanted.queue,
        correlation_id=correlation_id,
        error_type=wanted.error_type,
        created_after=_instant(given, "createdAfter"),
        created_before=_instant(given, "createdBefore"),
        finished_after=_instant(given, "finishedAfter"),
        finished_before=_instant(given, "finishedBefore"),
        is_unretried=action == "retry" and request.operation_id is None,
    )


def _statuses(action: Action, wanted: str | None) -> tuple[JobStatus, ...]:
    if wanted is None:
        return CANCELLABLE if action == "cancel" else RETRIED
    allowed = CANCELLABLE if action == "cancel" else tuple(status for status in JobStatus if status in FINAL)
    if wanted not in allowed:
        detail = f"{wanted} is not a status that a {action} can begin from; those are {', '.join(allowed)}"
        raise Refused(detail, code="bad_filter", pointer="/filter/status")
    return (JobStatus(wanted),)


def _instant(given: dict[str, Any], name: str) -> datetime | None:
    if name not in given:
        return None
    try:
        return datetime.fromisoformat(given[name]).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("must be an instant that exists", code="bad_filter", pointer=f"/filter/{name}") from None
