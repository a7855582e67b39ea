"""Which job a claim takes next: the queues of its types are merged, and those that allow nothing are never entered."""

import heapq
from collections.abc import Generator, Sequence
from pathlib import Path
from sqlite3 import Connection, Cursor
from typing import Any

from observatory.core import limits
from observatory.core.errors import RowUnreadable
from observatory.core.job import Job
from observatory.core.queue import Admission
from observatory.engine.named_queries import load_queries
from observatory.job_store.sqlite.rows import JOB_COLUMNS, job_of_row

SQL = load_queries(Path(__file__).with_suffix(".sql"))
READY_OF_QUEUE = SQL["ready_of_queue"].replace("{columns}", JOB_COLUMNS)

_PRIORITY = JOB_COLUMNS.split(", ").index("priority")
_RUN_AT = JOB_COLUMNS.split(", ").index("run_at")

Place = tuple[int, int, int]
"""Priority, due time and number: the order of claims."""


def read_admission(connection: Connection, count_max: int, buffer_max: int) -> Admission:
    """What one claim may take, by what is set for the queues at this moment."""
    settings = connection.execute(SQL["queues_in_the_way"]).fetchall()
    concurrency_max = {queue: most for queue, _, most in settings if most is not None}
    leased = dict(connection.execute(SQL["leased_of_limited"]).fetchall()) if concurrency_max else {}
    return Admission(
        paused=[queue for queue, is_paused, _ in settings if is_paused],
        concurrency_max=concurrency_max,
        leased=leased,
        count_max=count_max,
        buffer_max=buffer_max,
    )


def limited_queues(connection: Connection) -> frozenset[str]:
    """Names of the queues with a limit."""
    return frozenset(queue for (queue,) in connection.execute(SQL["limited_queues"]).fetchall())


def has_ready(connection: Connection, types: Sequence[str]) -> bool:
    """True when a job of *types* waits, whatever its queue allows: one seek, so that an idle processor costs little."""
    # Named, because SQLite may take the index of all jobs of a type for as good.
    marks = ", ".join("?" * len(types))
    sql = f"SELECT 1 FROM jobs INDEXED BY jobs_ready WHERE status = 'PENDING' AND type IN ({marks}) LIMIT 1"  # noqa: S608 — our text
    return connection.execute(sql, tuple(types)).fetchone() is not None


class _Lane:
    """The ready jobs of one type in one queue, in order. Nothing is read before it is the next in line."""

    def __init__(self, connection: Connection, job_type: str, queue: str) -> None:
        self.queue = queue
        self._connection = connection
        self._type = job_type
        self._rows: Cursor | None = None

    def next_row(self) -> tuple[Any, ...] | None:
        if self._rows is None:
            self._rows = self._connection.execute(READY_OF_QUEUE, (self._type, self.queue))
        return self._rows.fetchone()

    def close(self) -> None:
        """An open cursor holds up checkpoints."""
        if self._rows is not None:
            self._rows.close()


def ready_jobs(connection: Connection, types: Sequence[str], admission: Admission) -> Generator[Job]:
    """
    The jobs of *types* that may be claimed, in order, past the rows that are damaged.

    Whoever takes one tells *admission* before asking for the next. To be closed.
    """
    lanes = [
        (tuple(place), _Lane(connection, job_type, queue))
        for *place, job_type, queue in connection.execute(SQL["ready_heads"]).fetchall()
        if job_type in types and admission.admits(queue)
    ]
    line: list[tuple[Any, int, _Lane, tuple[Any, ...] | None]]
    line = [(place, number, lane, None) for number, (place, lane) in enumerate(lanes)]
    heapq.heapify(line)
    unreadable = 0
    try:
        while line and unreadable <= limits.UNREADABLE_ROWS_MAX:
            _, number, lane, row = line[0]
            if not admission.admits(lane.queue):
                heapq.heappop(line)
                continue
            row = lane.next_row() if row is None else row
            if row is not None:
                try:
                    yield job_of_row(row)
                except RowUnreadable:
                    unreadable += 1
            following = lane.next_row()
            if following is None:
                heapq.heappop(line)
            else:
                heapq.heapreplace(line, (_place(following), number, lane, following))
    finally:
        for _, lane in lanes:
            lane.close()


def _place(row: tuple[Any, ...]) -> Place:
    return row[_PRIORITY], row[_RUN_AT], row[-1]
