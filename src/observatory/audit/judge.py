"""The second look at one job: its row and all of its events, read again."""

import msgspec

from observatory.audit.histories import events_of
from observatory.audit.history import UNREADABLE, Fault, History, differences, normal, row_document
from observatory.audit.report import Code, Findings
from observatory.core.errors import RowUnreadable
from observatory.core.job import Job, JsonObject
from observatory.event_log.port import EventLog
from observatory.job_store.port import JobQueries


class Verdict(msgspec.Struct, frozen=True):
    """What the second look found."""

    status: str | None
    """Of the row; None when there is none."""
    has_events: bool
    is_guilty: bool


class _Told(msgspec.Struct):
    """What the events said."""

    history: History
    faults: list[Fault]
    at_row: JsonObject | None = None
    """The fold at the row's sequence."""


class Judge:
    """
    Judges one job at a time, also while it changes.

    The row is read before its events and again after them. Row and events change in one
    transaction, so the events reach at least to the first reading and at most to the second.
    """

    def __init__(self, *, queries: JobQueries, log: EventLog, findings: Findings) -> None:
        self._queries = queries
        self._log = log
        self._findings = findings

    async def judge(self, job_id: str) -> Verdict:
        """Report what is wrong with the job."""
        try:
            row = await self._queries.job(job_id)
            told = await self._events(job_id, row)
            later = await self._queries.job(job_id)
            if row is None and later is not None:
                row, told = later, await self._events(job_id, later)
                later = await self._queries.job(job_id)
        except (RowUnreadable, *UNREADABLE) as error:
            self._findings.add(Code.ROW_UNREADABLE, job_id, _words(error))
            return Verdict(None, has_events=True, is_guilty=True)
        faults = [*told.faults, *_faults_of_row(row, later, told)]
        for code, detail in faults:
            self._findings.add(code, job_id, detail)
        return Verdict(row and row.status, has_events=told.history.sequence > 0, is_guilty=bool(faults))

    async def _events(self, job_id: str, row: Job | None) -> _Told:
        told = _Told(History(job_id), [])
        async for event in events_of(self._log, job_id):
            told.faults += told.history.take(event)
            if row is not None and told.history.is_whole and event.sequence == row.sequence:
                told.at_row = told.history.document
        return told


def _words(error: Exception) -> str:
    """What is wrong with the row, or with an event of it: what the decoder met, not what is stored there."""
    if not isinstance(error, RowUnreadable):
        return f"an event of it cannot be read: {error}"
    cause = error.__cause__
    if cause is None:
        return "its row cannot be read: a text in it is not UTF-8"
    what = f"{cause} is no value of its column" if isinstance(cause, LookupError) else str(cause)
    return f"its row cannot be read: {what}"


def _faults_of_row(row: Job | None, later: Job | None, told: _Told) -> list[Fault]:
    last = told.history.sequence
    if row is None or later is None:
        detail = f"its events end with sequence {last} in {told.history.status or 'a broken history'}; it has no row"
        return [(Code.JOB_MISSING, detail)] if last else []
    if last == 0:
        return [(Code.ROW_WITHOUT_EVENTS, f"its row is {row.status} at sequence {row.sequence}; it has no events")]
    if row.sequence > last:
        return [(Code.EVENTS_MISSING, f"its row stands at sequence {row.sequence}, its events end with {last}")]
    if later.sequence < last:
        return [(Code.ROW_BEHIND, f"its row stands at sequence {later.sequence}, its events go on to {last}")]
    if told.at_row is None:
        return []
    found = differences(row_document(row), normal(told.at_row))
    return [(Code.ROW_DIFFERS, f"at sequence {row.sequence}: {found}")] if found else []
