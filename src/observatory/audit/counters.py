"""The counters against the log: fold again exactly up to the saved checkpoint, then compare every field."""

from collections.abc import Iterator
from typing import Any

import msgspec

from observatory.audit.history import UNREADABLE
from observatory.audit.report import Code, Findings
from observatory.core.event import Event
from observatory.core.folds import StatsView, fold_stats
from observatory.view_store.port import StoredView


class Counters:
    """
    Folds the log beside the saved view.

    Args:
        name: Of the view.
        stored: As it was saved; None when nothing was counted yet.
        head: Newest position of the log, read after *stored*.
    """

    def __init__(self, name: str, stored: StoredView | None, *, head: int, findings: Findings) -> None:
        self._name = name
        self._findings = findings
        self._stored = stored
        self._folded: StatsView | None = StatsView()
        self._at_checkpoint: StatsView | None = None
        if stored is not None and stored.checkpoint > head:
            where = f"view {name} stands at position {stored.checkpoint}, the log ends at {head}"
            findings.add(Code.CHECKPOINT_BEYOND_HEAD, None, where)
            self._stored = None
        elif stored is not None and stored.checkpoint == 0:
            self._at_checkpoint = StatsView()

    @property
    def by_status(self) -> dict[str, int] | None:
        """Jobs by status as the fold of the log counts them; None when the log cannot be folded."""
        return (
            None if self._folded is None else {name: count for name, count in self._folded.by_status.items() if count}
        )

    def take(self, event: Event) -> None:
        """Fold *event*."""
        if self._folded is None:
            return
        try:
            self._folded = fold_stats(self._folded, event)
        except UNREADABLE as error:
            self._folded = None
            why = f"the counters cannot be folded past position {event.position} ({error!r})"
            self._findings.add(Code.EVENT_UNREADABLE, event.job_id, why)
            return
        if self._stored is not None and event.position == self._stored.checkpoint:
            self._at_checkpoint = msgspec.json.decode(msgspec.json.encode(self._folded), type=StatsView)

    def compare(self) -> None:
        """Report every counter that is not what the events up to the checkpoint give."""
        if self._stored is None or self._folded is None:
            return
        where = f"view {self._name} at position {self._stored.checkpoint}"
        if self._at_checkpoint is None:
            self._findings.add(Code.COUNTER_DIFFERS, None, f"{where}: the log has no event at its checkpoint")
            return
        try:
            saved = leaves(msgspec.to_builtins(msgspec.json.decode(self._stored.document, type=StatsView)))
        except UNREADABLE as error:
            self._findings.add(Code.VIEW_UNREADABLE, None, f"{where}: {error}")
            return
        folded = leaves(msgspec.to_builtins(self._at_checkpoint))
        for name in sorted(saved.keys() | folded.keys()):
            if saved.get(name) != folded.get(name):
                values = f"{name} is {saved.get(name, 'absent')}, the events give {folded.get(name, 'none')}"
                self._findings.add(Code.COUNTER_DIFFERS, None, f"{where}: {values}; {self._findings.named_jobs()}")


def leaves(document: dict[str, Any]) -> dict[str, Any]:
    """Every counter by its dotted path."""
    return dict(_leaves(document, ""))


def _leaves(value: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _leaves(inner, f"{path}{name}.")  # pyright: ignore[reportUnknownArgumentType] — plain JSON
        else:
            yield f"{path}{name}", inner
