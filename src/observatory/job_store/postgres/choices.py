"""Which jobs a list or a selection shows: SQL that finds them newest first, through an index and without a sort."""

from collections.abc import Sequence
from typing import Any

from observatory.core import limits
from observatory.core.job import JobStatus
from observatory.job_store.port import JobFilter
from observatory.job_store.selections import Selection

_IS_OPEN = "status <> 'COMPLETED'"
"""What the index of open jobs is bound to."""
_UNRETRIED = "(SELECT true FROM observatory.jobs AS retry WHERE retry.retry_of = jobs.id LIMIT 1) IS NULL"


class Choice:
    """
    The jobs that match every term.

    Args:
        statuses: None for all.
        terms: Those whose value is None do not count. The first is the bound of the number.
        first: Number of the first parameter of the terms.
    """

    def __init__(self, statuses: Sequence[JobStatus] | None, terms: dict[str, Any], *, first: int) -> None:
        self.statuses = statuses
        self.first = first
        self.is_narrow = any(terms.get(term) is not None for term in ("correlation_id =", "idempotency_key ="))
        """True when an index leads to the few jobs of one submission."""
        self.terms: list[str] = []
        self.values: list[Any] = []
        for term, value in terms.items():
            if value is not None:
                self.terms.append(f"{term} ${first + len(self.values)}")
                self.values.append(value)

    @classmethod
    def by_filter(cls, filter: JobFilter, *, before: int | None, first: int) -> "Choice":
        """The jobs of a list, behind *before*."""
        terms = {
            "number <": limits.CURSOR_PLACE_MAX if before is None else before,
            "type =": filter.type,
            "queue =": filter.queue,
            "correlation_id =": filter.correlation_id,
            "idempotency_key =": filter.idempotency_key,
        }
        return cls(None if filter.status is None else (filter.status,), terms, first=first)

    @classmethod
    def by_selection(cls, selection: Selection, *, before: int | None, first: int) -> "Choice":
        """The jobs of *selection*, behind *before*."""
        terms = {
            "number <": limits.CURSOR_PLACE_MAX if before is None else before,
            "type =": selection.type,
            "queue =": selection.queue,
            "correlation_id =": selection.correlation_id,
            "error_type =": selection.error_type,
            "created_at >=": selection.created_after,
            "created_at <": selection.created_before,
            "finished_at >=": selection.finished_after,
            "finished_at <": selection.finished_before,
        }
        choice = cls(selection.statuses, terms, first=first)
        if selection.is_unretried:
            choice.terms.append(_UNRETRIED)
        return choice

    @property
    def conditions(self) -> str:
        """For a WHERE."""
        own = [_is_one_of(self.statuses)] if self.statuses else []
        return " AND ".join([*own, *self.terms])

    def newest(self, columns: str, *, count: str) -> str:
        """
        A SELECT of *columns*, with `number` among them, of the *count* newest ones, newest first.

        No index has the jobs of several statuses in order, so the newest of each are put together.
        """
        pieces = [self._newest_of(status, columns, count) for status in self.statuses or (None,)]
        if len(pieces) == 1:
            return pieces[0]
        whole = " UNION ALL ".join(f"({piece})" for piece in pieces)
        return f"SELECT {columns} FROM ({whole}) AS each ORDER BY number DESC LIMIT {count}"  # noqa: S608 — our names

    def _newest_of(self, status: JobStatus | None, columns: str, count: str) -> str:
        terms, order = [*self.terms], "number DESC"
        if status is JobStatus.COMPLETED or (status is not None and self.is_narrow):
            terms.append(_is_one_of([status]))
        elif status is not None:
            # In the order of both columns, which only the index of open jobs has. To find the status in the order of
            # numbers alone would take as long as there are jobs behind it, and the server cannot know how many.
            terms += [
                _IS_OPEN,
                f"(status, number) < ('{status}', ${self.first})",
                f"(status, number) >= ('{status}', 0)",
            ]
            order = "status DESC, number DESC"
        where = " AND ".join(terms)
        return f"SELECT {columns} FROM observatory.jobs WHERE {where} ORDER BY {order} LIMIT {count}"  # noqa: S608


def _is_one_of(statuses: Sequence[JobStatus]) -> str:
    """Statuses stand in the text, so that a plan that is kept knows which of the indexes for some of them will do."""
    named = ", ".join(f"'{status}'" for status in statuses)
    is_one = f"status IN ({named})"
    return is_one if JobStatus.COMPLETED in statuses else f"{is_one} AND {_IS_OPEN}"
