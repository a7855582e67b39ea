"""A page of jobs as every service answers it."""

from datetime import datetime

import msgspec

from observatory.contracts.wire import JobList
from observatory.job_store.port import JobPage


def job_list_of(page: JobPage, next_cursor: str | None, *, as_of: datetime) -> JobList:
    """The wire form of *page*: damaged jobs are named beside the others, and only when there are some."""
    return JobList(
        items=tuple(page.jobs),
        next_cursor=next_cursor,
        as_of=as_of,
        unreadable=tuple(page.unreadable) if page.unreadable else msgspec.UNSET,
    )
