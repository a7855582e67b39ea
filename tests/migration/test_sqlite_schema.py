"""Does the schema hold what the core guarantees, and is no question answered by reading everything?"""

import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import msgspec
import pytest

from observatory.core.command import Cancel, Release, Rescue, Succeed
from observatory.core.event import EventType
from observatory.core.job import JobStatus
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.migrations import load_migrations
from observatory.engine.recent_events import RecentEvents
from observatory.engine.sqlite_events import VALUE_COLUMNS
from observatory.engine.sqlite_file import SqliteFile, connect
from observatory.engine.sqlite_migrations import migrate
from observatory.engine.sqlite_rows import insert_rows, update_rows
from observatory.engine.writers import InlineWriter
from observatory.event_log.port import EventFilter
from observatory.event_log.sqlite import SqliteEventLog
from observatory.job_store.attempt_logs import AttemptLog
from observatory.job_store.port import JobFilter, Lease, Order, WorkerInfo
from observatory.job_store.selections import Selection
from observatory.job_store.sqlite import (
    MIGRATIONS,
    SqliteAttemptLogs,
    SqliteJobQueries,
    SqliteJobStore,
    SqliteOutbox,
    SqliteQueues,
    SqliteSelections,
)
from observatory.job_store.sqlite import attempt_logs as sqlite_attempt_logs
from observatory.job_store.sqlite import lookup as sqlite_lookup
from observatory.job_store.sqlite import outbox as sqlite_outbox
from observatory.job_store.sqlite import queries as sqlite_queries
from observatory.job_store.sqlite import queues as sqlite_queues
from observatory.job_store.sqlite import ready as sqlite_ready
from observatory.job_store.sqlite import selections as sqlite_selections
from observatory.job_store.sqlite import store as sqlite_store
from observatory.job_store.sqlite.pruning import TABLES_OF_A_JOB
from observatory.job_store.sqlite.rows import ACCEPTED_COLUMNS, JOB_COLUMNS, insert_values, update_values
from observatory.testing.factories import PRODUCER, JobFactory, fail, new_job, type_info
from observatory.testing.manual_sources import BEGINNING, ManualClock, SeededIds

SQL = sqlite_store.SQL | sqlite_outbox.SQL | sqlite_queries.SQL | sqlite_attempt_logs.SQL
SQL = (
    sqlite_store.SQL
    | sqlite_lookup.SQL
    | sqlite_ready.SQL
    | sqlite_outbox.SQL
    | sqlite_queries.SQL
    | sqlite_queues.SQL
    | sqlite_selections.SQL
)
OPEN = tuple(JobStatus[name] for name in ("SCHEDULED", "PENDING", "VALIDATED", "EXECUTING", "RETRYING"))

READS_FROM_THE_NEWEST = {
    "a page without a filter": "stops at its LIMIT after the newest jobs",
    "a page of completed jobs": "most jobs are COMPLETED, so the LIMIT is soon reached",
    "a page by queue": "goes back from the newest until the LIMIT is reached; the whole table for a rare queue",
    "the newest events": "stops at its LIMIT after the newest events",
    "the newest events of a type": "goes back from the newest until the LIMIT is reached",
}
"""Questions that walk the table in the order of its key, with the reason why that may be."""

ROW_WIDTHS = {"update_jobs": 16}
"""Values of one row of the statements that take many."""

WORKER = WorkerInfo(instance_id="worker-1", host="h", pid=1, version="1", started_at=BEGINNING, slots=4)


class Recording:
    """Passes every statement on and remembers it."""

    def __init__(self, connection, statements):
        self._connection = connection
        self._statements = statements

    def execute(self, sql, values=()):
        self._statements.append((sql, tuple(values)))
        return self._connection.execute(sql, values)

    def executemany(self, sql, rows):
        rows = list(rows)
        self._statements += [(sql, tuple(row)) for row in rows[:1]]
        return self._connection.executemany(sql, rows)

    def __getattr__(self, name):
        return getattr(self._connection, name)


class RecordingFile(SqliteFile):
    def __init__(self, path):
        self.statements = []
        super().__init__(path, writer=InlineWriter(), readers=InlineExecutor())

    def open_connection(self, *, is_reader=False):
        return Recording(super().open_connection(is_reader=is_reader), self.statements)


class Driven:
    """The drivers over one recorded file."""

    def __init__(self, path):
        self.file = RecordingFile(path)
        self.file.migrate(load_migrations(MIGRATIONS))
        self.clock, self.ids = ManualClock(), SeededIds()
        self.store = SqliteJobStore(self.file, producer=PRODUCER, clock=self.clock, ids=self.ids)
        self.queries, self.outbox = SqliteJobQueries(self.file), SqliteOutbox(self.file)
        self.queues, self.selections = SqliteQueues(self.file, clock=self.clock), SqliteSelections(self.file)
        self.log = SqliteEventLog(self.file)
        self.logs = SqliteAttemptLogs(self.file, clock=self.clock)

    async def submit(self, count, **fields):
        return await self.store.submit([new_job(self.ids, **fields) for _ in range(count)])

    async def fill(self):
        """A few hundred jobs in every status but VALIDATED, most of them COMPLETED."""
        await self.outbox.unpublished(count_max=1)
        for number in range(4):
            await self.submit(100, type=f"type-{number % 2}", queue=f"queue-{number}")
            jobs = await self.store.claim(
                types=["type-0", "type-1"], worker=f"worker-{number}", count_max=95, lease_s=20.0
            )
            await self.store.apply([Order(job.id, Succeed(fence=job.fence)) for job in jobs[:80]])
            await self.store.apply([Order(job.id, fail(job, retry_in_s=9.0)) for job in jobs[80:85]])
            await self.store.apply([Order(job.id, fail(job)) for job in jobs[85:88]])
            await self.store.apply([Order(job.id, Release(fence=job.fence)) for job in jobs[88:90]])
        await self.submit(5, run_at=self.clock.now() + timedelta(seconds=5), idempotency_key=None)
        answers = await self.submit(3)
        await self.store.apply([Order(answer.job.id, Cancel()) for answer in answers])
        self.clock.advance(10.0)

    async def change_everything(self):
        """Every call of `JobStore`, each with something to do."""
        await self.submit(1, idempotency_key="k")
        await self.submit(1, idempotency_key="k")
        await self.queues.pause("queue-0", by="me", reason=None)
        await self.queues.set_concurrency("queue-1", 200)
        await self.queues.pause("queue-2", by="me", reason=None)
        await self.queues.resume("queue-2")
        [job] = await self.store.claim(types=["example", "type-0"], worker="worker-1", count_max=1, lease_s=5.0)
        await self.store.heartbeat(WORKER, [Lease(job.id, job.fence)], lease_s=5.0)
        await self.store.announce([type_info()])
        assert await self.store.make_due(count_max=3) == 3
        assert await self.store.end_leases_of_others(["worker-1"]) > 0
        expired = await self.store.expired_leases(count_max=3)
        assert len(expired) == 3
        rescues = [Order(one.lease.job_id, Rescue(fence=one.lease.fence, retry_in_s=1.0)) for one in expired]
        await self.store.apply(rescues)
        await self.outbox.unpublished(count_max=10)
        await self.logs.save([AttemptLog(job_id=job.id, attempt=1, fence=1, lines=(), is_complete=True)])


@pytest.fixture
async def driven(tmp_path):
    driven = Driven(tmp_path / "observatory.db")
    await driven.fill()
    driven.file.statements.clear()
    yield driven
    driven.file.abandon()


def plans(driven, statements):
    """Each data statement with the lines of its plan."""
    found = {}
    for sql, values in statements:
        if re.match(r"\s*(BEGIN|COMMIT|ROLLBACK|PRAGMA)", sql):
            continue
        rows = driven.file.read_now(lambda c, sql=sql, values=values: c.execute(f"EXPLAIN QUERY PLAN {sql}", values))
        found[sql] = [row[-1] for row in rows.fetchall()]
    return found


def reads_everything(line):
    """True for a plan's line that walks a growing table, in the order of its key or of an index."""
    return re.match(r"SCAN (jobs|events|attempt_logs)\b", line) is not None


async def test_no_change_reads_a_whole_table(driven):
    await driven.change_everything()
    statements = list(driven.file.statements)

    found = plans(driven, statements)

    assert len(found) >= 15
    bad = {sql: plan for sql, plan in found.items() if any(reads_everything(line) for line in plan)}
    # `max(position)` is the last entry of the key's own tree, whatever the plan calls it.
    assert set(bad) <= {SQL["head"]}


async def test_claims_and_sweeps_need_no_sort(driven):
    await driven.change_everything()
    statements = list(driven.file.statements)

    for name in ("ready_heads", "ready_of_queue", "delayed", "expired"):
        wanted = SQL[name].replace("{columns}", JOB_COLUMNS)
        [plan] = [plan for sql, plan in plans(driven, statements).items() if sql == wanted]
        assert not [line for line in plan if "TEMP B-TREE" in line], f"{name}: {plan}"


async def test_a_claim_goes_to_the_next_queue_by_a_seek_and_never_looks_at_jobs_of_other_statuses(driven):
    await driven.change_everything()
    statements = [(sql, values) for sql, values in driven.file.statements if "'PENDING'" in sql and "SELECT" in sql]

    found = plans(driven, statements)

    lines = [line for plan in found.values() for line in plan if "jobs" in line or "later" in line]
    assert any("jobs_ready (type=? AND queue>?)" in line for line in lines)
    assert {line.split("USING ")[1].split(" (")[0] for line in lines if "USING" in line} == {
        "INDEX jobs_ready",
        "INTEGER PRIMARY KEY",
    }


def page(driven, *, before=None, **wanted):
    return driven.queries.jobs(JobFilter(**wanted), before=before, count_max=10)


def unpublished_after_a_restart(driven):
    driven.file.recent_events = RecentEvents()
    return driven.outbox.unpublished(count_max=10)


QUESTIONS = {
    "one job": lambda d: d.queries.job("x"),
    "a page without a filter": page,
    "the next page": lambda d: page(d, before=100),
    "a page of pending jobs": lambda d: page(d, status=JobStatus.PENDING),
    "a page of failed jobs": lambda d: page(d, status=JobStatus.FAILED),
    "a page of completed jobs": lambda d: page(d, status=JobStatus.COMPLETED),
    "a page by type": lambda d: page(d, type="type-0"),
    "a page by idempotency key": lambda d: page(d, idempotency_key="k"),
    "a page by queue": lambda d: page(d, queue="queue-1"),
    "a page by correlation id": lambda d: page(d, correlation_id="x"),
    "queue depths": lambda d: d.queries.queue_depths(),
    "settings of queues": lambda d: d.queues.settings(),
    "what a cancel concerns": lambda d: d.selections.select(Selection(statuses=OPEN), before=300, count_max=10),
    "what a cancel in a queue concerns": lambda d: d.selections.select(
        Selection(statuses=OPEN, queue="queue-1"), before=None, count_max=10
    ),
    "how many a cancel concerns": lambda d: d.selections.count(Selection(statuses=OPEN, type="type-0")),
    "what a retry concerns": lambda d: d.selections.select(
        Selection(statuses=(JobStatus.FAILED,), is_unretried=True), before=None, count_max=10
    ),
    "what a retry by correlation id concerns": lambda d: d.selections.select(
        Selection(statuses=(JobStatus.COMPLETED,), correlation_id="x"), before=None, count_max=10
    ),
    "dead letters": lambda d: d.selections.page(
        Selection(statuses=(JobStatus.FAILED,), is_unretried=True, error_type="X"), before=300, count_max=10
    ),
    "some jobs": lambda d: d.selections.jobs(["x", "y"]),
    "the retry of a job": lambda d: d.selections.retry_of("x"),
    "processes": lambda d: d.queries.processes(),
    "types": lambda d: d.queries.types(),
    "unpublished events": unpublished_after_a_restart,
    "since when events wait": lambda d: d.outbox.waiting_since(),
    "the log of an attempt": lambda d: d.logs.attempt_log("x", attempt=1),
    "the last log": lambda d: d.logs.attempt_log("x"),
    "events after a position": lambda d: d.log.after(5, count_max=10),
    "events before a position": lambda d: d.log.before(500, count_max=10),
    "the newest events": lambda d: d.log.before(None, count_max=10),
    "events of a job": lambda d: d.log.of_job("x", count_max=10),
    "events of a job by position": lambda d: d.log.after(0, count_max=10, filter=EventFilter(job_id="x")),
    "the newest events of a job": lambda d: d.log.before(None, count_max=10, filter=EventFilter(job_id="x")),
    "the events of a type": lambda d: d.log.after(0, count_max=10, filter=EventFilter(event_type=EventType.FAILED)),
    "the newest events of a type": lambda d: d.log.before(
        None, count_max=10, filter=EventFilter(event_type=EventType.FAILED)
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
async def test_a_question_reads_what_it_shows_and_no_whole_table(driven, name):
    await QUESTIONS[name](driven)
    statements = list(driven.file.statements)
    assert statements

    for sql, plan in plans(driven, statements).items():
        scans = [line for line in plan if reads_everything(line)]
        assert scans or name not in READS_FROM_THE_NEWEST, f"{name} needs no exception any more"
        if scans:
            assert name in READS_FROM_THE_NEWEST, f"{plan}\n{sql}"
            assert "LIMIT" in sql
            # In the order of the key, so that the LIMIT ends it.
            assert not [line for line in plan if "TEMP B-TREE" in line]


def test_every_named_query_can_be_prepared_on_the_migrated_schema(tmp_path):
    marks = {
        "rows": "(?)",
        "columns": "*",
        "values": "?",
        "numbers": "?",
        "workers": "?",
        "conditions": "1 = 1",
    }
    marks |= {"index": "", "asked": "(?)"}
    path = tmp_path / "observatory.db"
    with closing(connect(path)) as connection:
        migrate(connection, load_migrations(MIGRATIONS), path=path)
        for name, statement in SQL.items():
            rows = "(" + ", ".join("?" * ROW_WIDTHS.get(name, 1)) + ")"
            sql = re.sub(r"\{(\w+)\}", lambda match: marks[match[1]], statement.replace("{rows}", rows))
            connection.execute(f"EXPLAIN {sql}", (None,) * sql.count("?")).fetchall()
            assert name


async def test_every_named_query_is_used(driven):
    await driven.change_everything()
    fresh = SqliteOutbox(driven.file)
    await fresh.unpublished(count_max=1)
    for ask in QUESTIONS.values():
        await ask(driven)
    used = [re.sub(r"[\s?,]+", "", sql) for sql, _ in driven.file.statements]

    unused = []
    for name, statement in SQL.items():
        beginning = re.sub(r"[\s?,]+", "", statement.replace("{columns}", JOB_COLUMNS)).split("{")[0]
        if not any(sql.startswith(beginning) for sql in used):
            unused.append(name)

    assert unused == []


# --- the CHECKs -------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    """A connection to a fresh file with one PENDING and one EXECUTING job."""
    path = tmp_path / "observatory.db"
    connection = connect(path)
    migrate(connection, load_migrations(MIGRATIONS), path=path)
    factory = JobFactory()
    for history in (factory.pending(idempotency_key="k"), factory.executing()):
        accepted = msgspec.structs.replace(history.job, status=JobStatus.PENDING, sequence=1)
        insert_rows(connection, "jobs", ACCEPTED_COLUMNS, [insert_values(accepted, "fingerprint")])
        assert update_rows(connection, SQL["update_jobs"], [update_values(history.job, 1)]) == 1
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("status = 'DONE'", "PENDING"),
        ("status = 'COMPLETED'", "PENDING"),
        ("finished_at = 1", "PENDING"),
        ("status = 'EXECUTING'", "PENDING"),
        ("worker = 'w'", "PENDING"),
        ("lease_expires_at = 1", "PENDING"),
        ("worker = NULL", "EXECUTING"),
        ("lease_expires_at = NULL", "EXECUTING"),
        ("worker = NULL, lease_expires_at = NULL", "EXECUTING"),
        ("status = 'PENDING'", "EXECUTING"),
        ("attempt = -1", "PENDING"),
        ("attempt = max_attempts + 1", "EXECUTING"),
        ("max_attempts = 0", "PENDING"),
        ("priority = 10", "PENDING"),
        ("priority = -1", "PENDING"),
        ("fence = -1", "PENDING"),
        ("sequence = 0", "PENDING"),
        ("timeout_seconds = 0", "PENDING"),
        ("run_at = 'tomorrow'", "PENDING"),
        ("idempotency_key = 'k'", "EXECUTING"),
        ("id = (SELECT id FROM jobs WHERE status = 'PENDING')", "EXECUTING"),
    ],
)
def test_a_row_that_the_core_would_never_make_is_refused(table, change, status):
    with pytest.raises(sqlite3.IntegrityError):
        table.execute(f"UPDATE jobs SET {change} WHERE status = ?", (status,))


SCHEDULE = """INSERT INTO schedules VALUES (1, 's', 1, 1, 0, 0, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, '{}')"""
TICK = "INSERT INTO ticks VALUES (NULL, 1, ?, ?, ?, ?, NULL, ?, 0, 1)"
"""One row of ticks: the first and the last of them, how many, their fate, the job."""


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((60, 60, 1, "late", "job-2"), id="the tick again"),
        pytest.param((60, 60, 1, "missed", None), id="the tick with another fate"),
        pytest.param((60, 120, 2, "missed", None), id="several from the tick on"),
        pytest.param((120, 120, 1, "fired", "job-1"), id="the job of another tick"),
        pytest.param((120, 120, 1, "fired", None), id="fired without a job"),
        pytest.param((120, 120, 1, "skipped", "job-2"), id="a job of what was skipped"),
        pytest.param((120, 180, 2, "fired", "job-2"), id="one job for two"),
        pytest.param((120, 180, 1, "missed", None), id="two that count as one"),
        pytest.param((120, 120, 1, "forgotten", None), id="no fate of ours"),
    ],
)
def test_a_tick_has_one_row_with_one_fate(table, row):
    table.execute(SCHEDULE)
    table.execute(TICK, (60, 60, 1, "fired", "job-1"))

    with pytest.raises(sqlite3.IntegrityError):
        table.execute(TICK, row)


@pytest.mark.parametrize(("name", "columns"), [("jobs", ACCEPTED_COLUMNS), ("events", VALUE_COLUMNS)])
def test_a_column_that_an_insert_may_leave_out_has_no_default_but_null(table, name, columns):
    described = {column: (is_required, default) for _, column, _, is_required, default, _ in pragma(table, name)}

    assert set(columns) <= set(described)
    assert [column for column in columns if not described[column][0] and described[column][1] is not None] == []


def pragma(connection, name):
    return connection.execute(f"PRAGMA table_info({name})").fetchall()


def test_jobs_of_an_earlier_file_are_the_same_in_the_new_table(tmp_path):
    factory, new = JobFactory(), tmp_path / "new.db"
    histories = [
        factory.pending(idempotency_key="k"), factory.scheduled(), factory.buffered(), factory.executing(),
        factory.retrying(), factory.completed(), factory.failed(), factory.cancelled(),
    ]  # fmt: skip
    with closing(connect(new)) as connection:
        migrate(connection, load_migrations(MIGRATIONS), path=new)
        for history in histories:
            accepted = msgspec.structs.replace(history.job, status=JobStatus.PENDING, sequence=1)
            insert_rows(connection, "jobs", ACCEPTED_COLUMNS, [insert_values(accepted, "fingerprint")])
            if history.job.sequence > 1:
                update_rows(connection, SQL["update_jobs"], [update_values(history.job, 1)])
        wanted = connection.execute("SELECT * FROM jobs ORDER BY number").fetchall()
        schema = connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY 2").fetchall()

    old = tmp_path / "old.db"
    with closing(connect(old)) as connection:
        migrate(connection, load_migrations(MIGRATIONS)[:6], path=old)
        connection.execute("ATTACH ? AS new", (str(new),))
        connection.execute("INSERT INTO main.jobs SELECT * FROM new.jobs")
        connection.execute("DETACH new")
        migrate(connection, load_migrations(MIGRATIONS), path=old)

        assert connection.execute("SELECT * FROM jobs ORDER BY number").fetchall() == wanted
        assert connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY 2").fetchall() == schema
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_position_is_never_given_twice(table):
    values = ["job", 1, "job.created", "e", 0, "p/i/v", "c", None, None, "{}"]
    insert_rows(table, "events", VALUE_COLUMNS, [values])
    table.execute("DELETE FROM events")
    insert_rows(table, "events", VALUE_COLUMNS, [values])

    assert table.execute("SELECT position FROM events").fetchall() == [(2,)]
    with pytest.raises(sqlite3.IntegrityError):
        insert_rows(table, "events", VALUE_COLUMNS, [values])


def test_a_rolled_back_event_leaves_no_gap_in_the_positions(table):
    values = ["job", 1, "job.created", "e", 0, "p/i/v", "c", None, None, "{}"]
    table.execute("BEGIN")
    insert_rows(table, "events", VALUE_COLUMNS, [values])
    table.execute("ROLLBACK")

    insert_rows(table, "events", VALUE_COLUMNS, [values])

    assert table.execute("SELECT position FROM events").fetchall() == [(1,)]


def test_every_table_with_rows_of_a_job_is_pruned_with_it(table):
    """But for the ticks: what fired stays with its schedule, when the job that it made is gone."""
    tables = [name for (name,) in table.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]

    of_a_job = {
        name for name in tables for column in table.execute(f"PRAGMA table_info({name})") if column[1] == "job_id"
    }

    assert of_a_job == {*TABLES_OF_A_JOB, "ticks"}
