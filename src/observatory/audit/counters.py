"""The counters against the log: fold again exactly up to the saved checkpoint, then compare every field."""

from collections.abc import Iterable, Iterator
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
        pruned: What the events that are gone had added to it.
        head: Newest position of the log, read after *stored*.
    """

    def __init__(
        self, name: str, stored: StoredView | None, *, pruned: StatsView, head: int, findings: Findings
    ) -> None:
        self._name = name
        self._findings = findings
        self._stored = stored
        self._folded: StatsView | None = copy_of(pruned)
        self._at_checkpoint: StatsView | None = None
        if stored is not None and stored.checkpoint > head:
            where = f"view {name} stands at position {stored.checkpoint}, the log ends at {head}"
            findings.add(Code.CHECKPOINT_BEYOND_HEAD, None, where)
            self._stored = None
        elif stored is not None and stored.checkpoint == 0:
            self._at_checkpoint = copy_of(pruned)

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
            self._at_checkpoint = copy_of(self._folded)

    def differing(self) -> list["Differing"]:
        """Every counter that is not what the events up to the checkpoint give; what cannot be compared is reported."""
        if self._stored is None or self._folded is None:
            return []
        if self._at_checkpoint is None:
            what = f"{self._where}: the log has no event at its checkpoint"
            self._findings.add(Code.COUNTER_DIFFERS, None, what)
            return []
        try:
            saved = leaves(msgspec.to_builtins(msgspec.json.decode(self._stored.document, type=StatsView)))
        except UNREADABLE as error:
            self._findings.add(Code.VIEW_UNREADABLE, None, f"{self._where}: {error}")
            return []
        folded = leaves(msgspec.to_builtins(self._at_checkpoint))
        names = sorted(saved.keys() | folded.keys())
        found = (Differing(name, saved.get(name, "absent"), folded.get(name, "none")) for name in names)
        return [one for one in found if one.saved != one.folded]

    def report(self, differing: list["Differing"], movers: dict[str, Event]) -> None:
        """
        Say what differs.

        Args:
            movers: By counter, the last event that moved it: the place to begin to look when no job is wrong itself.
        """
        named = self._findings.named_jobs()
        for one in differing:
            event = movers.get(one.name)
            by = "" if event is None else f"; last moved by job {event.job_id} at position {event.position}"
            detail = f"{self._where}: {one.name} is {one.saved}, the events give {one.folded}{by}; {named}"
            self._findings.add(Code.COUNTER_DIFFERS, None, detail)

    @property
    def checkpoint(self) -> int:
        """Position up to which the saved counters include the log; 0 when none are saved."""
        return 0 if self._stored is None else self._stored.checkpoint

    @property
    def _where(self) -> str:
        return f"view {self._name} at position {self.checkpoint}"


class Differing(msgspec.Struct, frozen=True):
    """One counter that does not add up."""

    name: str
    """Its dotted path in the view."""
    saved: Any
    folded: Any


class Movers:
    """Which event moved each of a few counters last."""

    def __init__(self, names: Iterable[str], pruned: StatsView) -> None:
        self.last: dict[str, Event] = {}
        self._view = copy_of(pruned)
        empty = leaves(msgspec.to_builtins(self._view))
        self._values: dict[str, Any] = {name: empty.get(name) for name in names}

    def take(self, event: Event) -> None:
        """Fold *event*, which could be folded before."""
        self._view = fold_stats(self._view, event)
        now = leaves(msgspec.to_builtins(self._view))
        for name, before in self._values.items():
            value = now.get(name)
            if value != before:
                self._values[name] = value
                self.last[name] = event


def copy_of(view: StatsView) -> StatsView:
    """A view of one's own: folds change the object that they are given."""
    return msgspec.json.decode(msgspec.json.encode(view), type=StatsView)


def leaves(document: dict[str, Any]) -> dict[str, Any]:
    """Every counter by its dotted path."""
    return dict(_leaves(document, ""))


def _leaves(value: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _leaves(inner, f"{path}{name}.")  # pyright: ignore[reportUnknownArgumentType] — plain JSON
        else:
            yield f"{path}{name}", inner
