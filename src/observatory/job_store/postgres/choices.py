"""Which jobs a list or a selection shows: SQL that finds them newest first, through an index and without a sort."""

from collections.abc import Iterable, Sequence
from typing import Any

from observatory.core import limits
from observatory.core.job import JobStatus
from observatory.job_store.port import JobFilter
from observatory.job_store.selections import Selection

_UNRETRIED = "(SELECT true FROM observatory.jobs AS retry WHERE retry.retry_of = jobs.id LIMIT 1) IS NULL"


class Choice:
    """
    The jobs that match every term.

    Args:
        statuses: None for all.
        first: Number of the first parameter of the terms.
    """

    def __init__(self, statuses: Sequence[JobStatus] | None, terms: dict[str, Any], *, first: int) -> None:
        self.statuses = statuses
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
        return _conditions(self.statuses or (), self.terms)

    def newest(self, columns: str, *, count: str) -> str:
        """
        A SELECT of *columns*, with `number` among them, of the *count* newest ones, newest first.

        No index has the jobs of several statuses in order, so the newest of each are put together.
        """
        groups = [(status,) for status in self.statuses] if self.statuses else [()]
        pieces = [
            f"(SELECT {columns} FROM observatory.jobs WHERE {_conditions(group, self.terms)} "  # noqa: S608 — our names
            f"ORDER BY number DESC LIMIT {count})"
            for group in groups
        ]
        if len(pieces) == 1:
            return pieces[0]
        whole = " UNION ALL ".join(pieces)
        return f"SELECT {columns} FROM ({whole}) AS each ORDER BY number DESC LIMIT {count}"  # noqa: S608


def _conditions(statuses: Iterable[JobStatus], terms: Sequence[str]) -> str:
    """Statuses stand in the text, so that a plan that is kept knows which of the indexes for some of them will do."""
    named = [f"'{status}'" for status in statuses]
    own = [f"status IN ({', '.join(named)})"] if named else []
    if named and f"'{JobStatus.COMPLETED}'" not in named:
        own.append(f"status <> '{JobStatus.COMPLETED}'")
    return " AND ".join([*own, *terms])
