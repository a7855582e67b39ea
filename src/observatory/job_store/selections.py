"""
The contract of selections: which jobs a bulk action or a list of dead letters concerns.

Like `JobQueries` it answers from the primary copy: it sees every change that was answered before. Each call is one read
of one instant; a selection promises nothing about the jobs afterwards, so whoever acts on them is told by
`JobStore.apply` or `submit` what became of each. Order: newest accepted first, so that jobs which are accepted while
somebody goes from page to page are never met.

A job whose row is damaged is selected by the columns that can be read; only where whole jobs are given it is named
beside the others instead.

Errors of every method: `StoreUnavailable`. Every method only reads and may be repeated.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from observatory.core.job import Job, JobStatus
from observatory.job_store.port import JobPage


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs: every field that is not None must match."""

    statuses: tuple[JobStatus, ...]
    """At least one."""
    type: str | None = None
    queue: str | None = None
    correlation_id: str | None = None
    error_type: str | None = None
    """Of the error of the last attempt."""
    created_after: datetime | None = None
    """Accepted at this instant or later."""
    created_before: datetime | None = None
    """Accepted before this instant."""
    finished_after: datetime | None = None
    """Final since this instant or later."""
    finished_before: datetime | None = None
    is_unretried: bool = False
    """True leaves out jobs that another one repeats (`retry_of`)."""


class Selected(msgspec.Struct, frozen=True):
    """One job of a selection, without its payload."""

    job_id: str
    status: JobStatus
    type: str


class SelectedPage(msgspec.Struct, frozen=True):
    """Jobs of a selection, newest first."""

    jobs: list[Selected]
    next_before: int | None
    """Pass as `before` for the next page; None when this was the last."""


class SelectedJobs(msgspec.Struct, frozen=True):
    """The first of some jobs, whole."""

    jobs: list[Job]
    unreadable: list[str]
    """Ids of those whose rows are damaged."""
    looked_at: int
    """How many ids the answer is about, from the first on; those that are in neither list belong to no job."""


class SelectedCount(msgspec.Struct, frozen=True):
    """How many jobs of a selection have this status and type."""

    status: JobStatus
    type: str
    count: int


class Selections(Protocol):
    """Questions of those who act on many jobs."""

    async def select(self, selection: Selection, *, before: int | None, count_max: int) -> SelectedPage:
        """
        A page of *selection*. A job whose status changes between two pages is met at most once.

        Args:
            before: `next_before` of the page before; None for the first.
            count_max: From 1 to `limits.BULK_JOBS_MAX`.
        """
        ...

    async def count(self, selection: Selection) -> list[SelectedCount]:
        """How many jobs *selection* has now, by status and type, in their order. Cost grows with their number."""
        ...

    async def page(self, selection: Selection, *, before: int | None, count_max: int) -> JobPage:
        """
        As `select`, with whole jobs; bounded and with `unreadable` as `JobQueries.jobs`.

        Args:
            before: `next_before` of the page before; None for the first.
            count_max: From 1 to `limits.PAGE_ITEMS_MAX`.
        """
        ...

    async def jobs(self, job_ids: Sequence[str]) -> SelectedJobs:
        """
        The first of *job_ids* as whole jobs, in that order, left out where none has the id.

        All of them, or fewer, but at least one, when they would have more than `limits.READ_BYTES_MAX` as JSON.

        Args:
            job_ids: From 1 to `limits.BULK_PIECE_JOBS`, each once.
        """
        ...

    async def retry_of(self, job_id: str) -> str | None:
        """Id of the first job that repeats *job_id*; None when none does."""
        ...
