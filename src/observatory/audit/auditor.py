"""
The audit: one pass over the log in order of position, one over the rows, then a second look at every suspect.

It runs beside a live system, over short reads or as of one instant. Over short reads nothing may be pruned meanwhile:
its caller has to look. What is compared is the state at the position that was the head when the audit began; a row that
has gone on since is judged with the rest of its events.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from observatory.audit.counters import Counters, Movers
from observatory.audit.event_ids import EventIds
from observatory.audit.histories import Histories
from observatory.audit.history import fingerprint, row_document
from observatory.audit.judge import Judge
from observatory.audit.report import AuditReport, Checked, Code, Findings, Ledger, Note, NoteCode
from observatory.audit.rollup import faults_of_rollup
from observatory.core import limits
from observatory.core.errors import BadEnvelope
from observatory.core.event import Event
from observatory.core.job import Job
from observatory.core.sources import Clock
from observatory.event_log.port import EventLog
from observatory.job_store.port import JobFilter, JobQueries
from observatory.job_store.pruning import Pruning, Rollup, RollupUnreadable
from observatory.view_store.port import ViewStore

T = TypeVar("T")
Say = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many, about twice a second; a total of 0 is not known."""


class Auditor:
    """
    One audit.

    Args:
        log: Shared with the truth: a log that is filled later may rightly lag behind the rows.
        view: Name of the saved counters.
        known: What is wrong with the store beneath the drivers; it is reported first.
    """

    def __init__(
        self,
        *,
        queries: JobQueries,
        log: EventLog,
        views: ViewStore,
        pruning: Pruning,
        view: str,
        clock: Clock,
        say: Say | None = None,
        known: Iterable[tuple[Code, str]] = (),
    ) -> None:
        assert log.is_shared_with_truth, "only the truth's own log can be held against its rows"
        self._queries = queries
        self._log = log
        self._views = views
        self._pruning = pruning
        self._pruned = Rollup()
        self._view = view
        self._clock = clock
        self._say = say
        self._said_s = clock.monotonic()
        self._findings = Findings()
        for code, detail in known:
            self._findings.add(code, None, detail)
        self._histories = Histories(log)
        self._judge = Judge(queries=queries, log=log, findings=self._findings)
        self._event_ids = EventIds()
        self._suspects: dict[str, None] = {}
        self._to_judge: list[str] = []
        """Rows that differ, that went on after the head, or of which the log did not tell."""
        self._unreadable: set[int] = set()
        self._head = 0
        self._events = 0
        self._accepted = 0
        self._positions_sum = 0
        self._rows = 0
        self._rows_seen = 0
        self._rows_by_status: dict[str, int] = {}
        self._is_ledger_exact = True

    async def run(self) -> AuditReport:
        """Check everything once."""
        began_s = self._clock.monotonic()
        stored = await self._views.load(self._view)
        given = await self._log.highest_given()
        self._head = await self._log.head()  # after the others: in a sound log neither is ahead of a later head
        self._pruned = await self._read_rollup()
        counters = Counters(self._view, stored, pruned=self._pruned.stats, head=self._head, findings=self._findings)
        await self._read_log(counters)
        self._check_end(given)
        self._check_positions()
        await self._find_repeated_ids()
        await self._read_rows()
        await self._judge_suspects()
        differing = counters.differing()
        names = [] if self._findings.has_named_jobs else [one.name for one in differing]
        counters.report(differing, await self._last_movers(names, counters.checkpoint))
        ledger = self._ledger(counters.by_status)
        return AuditReport(
            violations=self._findings.violations,
            violations_left_out=self._findings.left_out,
            notes=[] if stored is not None or not self._head else [self._view_absent()],
            checked=Checked(
                jobs=self._rows_seen, events=self._events, views=int(stored is not None), position=self._head
            ),
            ledger=ledger,
            duration_s=round(self._clock.monotonic() - began_s, 3),
        )

    async def _read_rollup(self) -> Rollup:
        try:
            rollup = await self._pruning.rollup(self._view)
        except RollupUnreadable as error:
            self._findings.add(Code.ROLLUP_DIFFERS, None, f"it cannot be read: {error}")
            return Rollup()
        for fault in faults_of_rollup(rollup):
            self._findings.add(Code.ROLLUP_DIFFERS, None, fault)
        return rollup

    # --- the log ------------------------------------------------------------------------------

    async def _read_log(self, counters: Counters) -> None:
        position = 0
        while position < self._head:
            events = await self._page(position)
            if not events:
                break
            for event in events:
                if event.position is None or event.position > self._head:
                    break
                if event.position != position + 1:
                    await self._check_gap(position, event.position)
                position = event.position
                counters.take(event)
                await self._take(event)
            else:
                self._tell("reading events", position, self._head)
                continue
            break

    async def _page(self, position: int) -> list[Event]:
        try:
            return await self._log.after(position, count_max=limits.READ_EVENTS_MAX)
        except BadEnvelope:
            return await self._page_of_readable(position)

    async def _page_of_readable(self, position: int) -> list[Event]:
        """The events after *position* that can be read, one by one; the others are reported."""
        readable: list[Event] = []
        while position < self._head and len(readable) < limits.READ_EVENTS_MAX:
            try:
                found = await self._log.after(position, count_max=1)
            except BadEnvelope as error:
                if error.position is None:
                    raise
                position = error.position
                if position not in self._unreadable:
                    self._unreadable.add(position)
                    self._findings.add(Code.EVENT_UNREADABLE, None, str(error))
                continue
            if not found or found[0].position is None:
                break
            readable += found
            position = found[0].position
        return readable

    async def _check_gap(self, before: int, after: int) -> None:
        """Report what is missing between two positions; the work grows with unreadable events, not with the gap."""
        first, last = before + 1, after - 1
        while first in self._unreadable:
            first += 1
        while last in self._unreadable:
            last -= 1
        if self._pruned.events or first > last or await self._page(before) != await self._page(before):
            return
        which = f"position {first} is" if first == last else f"positions {first} to {last} are"
        self._findings.add(Code.POSITION_GAP, None, f"{which} missing from the log")

    def _check_end(self, given: int) -> None:
        if given > self._head:
            why = f"the log ends at position {self._head}; positions up to {given} were given, so the last are missing"
            self._findings.add(Code.POSITION_GAP, None, why)

    def _check_positions(self) -> None:
        """Where pruning leaves gaps, their number and the sum of their positions tell them from losses."""
        if not self._pruned.events:
            return
        missing = self._head - self._events - len(self._unreadable)
        lost = missing - self._pruned.events
        lost_sum = self._head * (self._head + 1) // 2 - self._positions_sum - sum(self._unreadable)
        lost_sum -= self._pruned.positions_sum
        if not lost and not lost_sum:
            return
        which = f"; position {lost_sum} is missing" if lost == 1 and 0 < lost_sum <= self._head else ""
        why = f"{missing} positions are missing from the log and {self._pruned.events} events were pruned{which}"
        if not lost:
            why = f"other positions are missing from the log than those of the {missing} events that were pruned"
        self._findings.add(Code.POSITION_GAP, None, why)

    def _view_absent(self) -> Note:
        # Counters are saved a moment after their events, and begun anew when they are gone: nobody can tell from
        # the data whether the process was killed in between or the row was deleted.
        why = f"no counters named {self._view} are saved: nothing was counted yet, or they were deleted or renamed"
        return Note(code=NoteCode.VIEW_ABSENT, detail=f"{why}; the next start counts the whole log")

    async def _take(self, event: Event) -> None:
        self._events += 1
        self._positions_sum += event.position or 0
        self._accepted += event.sequence == 1
        self._event_ids.add(event.event_id)
        if event.job_id in self._suspects:
            return
        history = await self._histories.before(event)
        if history.take(event):
            self._suspects[event.job_id] = None
        else:
            self._histories.keep(history)

    async def _find_repeated_ids(self) -> None:
        """Read the log again for the ids behind equal hashes; costs nothing when there are none."""
        suspects = self._event_ids.suspects()
        if not suspects:
            return
        first_of: dict[str, str] = {}
        position = 0
        while position < self._head and (events := await self._page(position)):
            self._tell("comparing the ids of events", position, self._head)
            for event in events:
                position = event.position or self._head
                if hash(event.event_id) not in suspects or position > self._head:
                    continue
                here = f"{event.job_id}:{event.sequence} at position {position}"
                first = first_of.setdefault(event.event_id, here)
                if first is not here:
                    why = f"event id {event.event_id} stands at {here} and before at {first}"
                    self._findings.add(Code.EVENT_ID_REPEATED, event.job_id, why)

    async def _last_movers(self, names: list[str], until: int) -> dict[str, Event]:
        """Read the log again for the events that moved the counters *names* last; nothing when there are none."""
        movers, position = Movers(names, self._pruned.stats), 0
        while names and position < until and (events := await self._page(position)):
            self._tell("looking for what moved the counters", position, until)
            for event in events:
                position = event.position or until
                if position <= until:
                    movers.take(event)
        return movers.last

    # --- the rows -----------------------------------------------------------------------------

    async def _read_rows(self) -> None:
        before, total = None, len(self._histories) + len(self._suspects)
        while True:
            page = await self._queries.jobs(JobFilter(), before=before, count_max=limits.PAGE_ITEMS_MAX)
            for job in page.jobs:
                self._compare(job)
            for job_id in page.unreadable:
                self._set_aside(job_id)
            self._tell("comparing jobs", self._rows_seen, max(total, self._rows_seen))
            before = page.next_before
            if before is None:
                return

    def _set_aside(self, job_id: str) -> None:
        """A row that cannot be read cannot be compared; the second look says why."""
        self._rows_seen += 1
        if job_id not in self._suspects:
            self._histories.take_out(job_id)
            self._to_judge.append(job_id)

    def _compare(self, job: Job) -> None:
        self._rows_seen += 1
        if job.id in self._suspects:
            return
        summary = self._histories.take_out(job.id)
        if summary is None:
            self._to_judge.append(job.id)
            return
        if job.sequence > summary.sequence:
            self._to_judge.append(job.id)
            self._count_row(summary.status)
            return
        self._count_row(job.status)
        if job.sequence < summary.sequence or fingerprint(row_document(job)) != summary.fingerprint:
            self._to_judge.append(job.id)

    def _count_row(self, status: str) -> None:
        self._rows += 1
        self._rows_by_status[str(status)] = self._rows_by_status.get(status, 0) + 1

    # --- the suspects -------------------------------------------------------------------------

    async def _judge_suspects(self) -> None:
        """Everything that looked wrong is read again, the row before its events: only then it is reported."""
        for job_id in self._told(list(self._suspects)):
            verdict = await self._judge.judge(job_id)
            self._is_ledger_exact &= verdict.is_guilty
            if verdict.status is not None:
                self._count_row(verdict.status)
        for job_id in self._told(self._to_judge):
            verdict = await self._judge.judge(job_id)
            if verdict.status is not None and not verdict.has_events:
                self._count_row(verdict.status)
        for job_id in self._told(list(self._histories.job_ids())):
            await self._judge.judge(job_id)

    def _told(self, items: list[T]) -> Iterable[T]:
        for number, item in enumerate(items):
            self._tell("looking again at jobs", number, len(items))
            yield item

    # --- the books ----------------------------------------------------------------------------

    def _ledger(self, counted: dict[str, int] | None) -> Ledger:
        rows = {name: count for name, count in sorted(self._rows_by_status.items()) if count}
        pruned = {str(name): count for name, count in self._pruned.stats.by_status.items() if count}
        ledger = Ledger(
            accepted=self._accepted,
            rows=self._rows,
            rows_by_status=rows,
            pruned=self._pruned.jobs,
            pruned_by_status=pruned,
            counted_by_status=counted or {},
        )
        if not self._is_ledger_exact:
            return ledger
        at = f"at position {self._head}"
        if ledger.accepted != ledger.rows:
            why = f"{at}: {ledger.accepted} jobs were accepted, {ledger.rows} have a row; {self._findings.named_jobs()}"
            self._findings.add(Code.LEDGER_DIFFERS, None, why)
        for status in sorted(rows.keys() | pruned.keys() | (counted or {}).keys()) if counted is not None else ():
            gone = pruned.get(status, 0)
            there, log_says = rows.get(status, 0), (counted or {}).get(status, 0) - gone
            if there != log_says:
                besides = f" besides the {gone} pruned ones" if gone else ""
                why = f"{at}: {there} rows are {status}, the log counts {log_says}{besides}; "
                why += self._findings.named_jobs()
                self._findings.add(Code.LEDGER_DIFFERS, None, why)
        return ledger

    def _tell(self, what: str, done: int, total: int) -> None:
        now_s = self._clock.monotonic()
        if self._say is not None and now_s - self._said_s >= limits.PROGRESS_LINE_S:
            self._said_s = now_s
            self._say(what, done, total)
