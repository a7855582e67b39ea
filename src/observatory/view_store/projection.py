"""A fold with the view it maintains: load → skip what is seen → fold → save with the checkpoint."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from observatory.core.errors import CheckpointMoved
from observatory.core.event import Event
from observatory.core.sources import Ids
from observatory.view_store.port import StoredView, ViewStore

V = TypeVar("V")


class Projection(Generic[V]):
    """
    Maintains one view.

    Args:
        name: Of the view in the store.
        view_type: A msgspec Struct with defaults for every field: the empty view.
        fold: Pure but for changing the view it owns; gives the view after the event.
    """

    def __init__(
        self, name: str, view_type: type[V], fold: Callable[[V, Event], V], *, store: ViewStore, ids: Ids
    ) -> None:
        self.name = name
        self._view_type = view_type
        self._fold = fold
        self._store = store
        self._ids = ids
        self._view: V | None = None
        self.checkpoint = 0
        """Position up to which events were folded."""
        self._saved = 0
        """Position up to which the store has the view."""
        self.generation = ""

    @property
    def view(self) -> V:
        """The view at `checkpoint`. Not to be changed by its readers."""
        assert self._view is not None, "load the projection first"
        return self._view

    async def load(self) -> None:
        """Take the saved view, or begin an empty one with a new generation."""
        stored = await self._store.load(self.name)
        if stored is None:
            self._view, self.checkpoint, self.generation = self._view_type(), 0, self._ids.new_id()
        else:
            self._view = msgspec.json.decode(stored.document, type=self._view_type)
            self.checkpoint, self.generation = stored.checkpoint, stored.generation
        self._saved = self.checkpoint

    @property
    def is_saved(self) -> bool:
        """True when the store holds everything that was folded."""
        return self._view is None or self.checkpoint == self._saved

    async def apply(self, events: Sequence[Event]) -> int:
        """Fold those of *events* that the view has not seen, then save it; see `fold` and `save`. Returns how many."""
        count = await self.fold(events)
        await self.save()
        return count

    async def fold(self, events: Sequence[Event]) -> int:
        """
        Fold those of *events* that the view has not seen, in memory; returns how many.

        Events come in order of position and begin at most one past the checkpoint: a gap is the
        consume loop's to fill. Applying the same events again changes nothing. What is not saved when the
        process ends is folded again from the log.

        Raises:
            ViewsUnavailable: The view had to be loaded and was not.
        """
        if self._view is None:
            await self.load()
        new = [event for event in events if event.position is not None and event.position > self.checkpoint]
        if not new:
            return 0
        assert new[0].position == self.checkpoint + 1, f"a gap before position {new[0].position}"
        view, begun = self.view, self.checkpoint
        self._forget(self._saved)  # an event that cannot be folded leaves half a view behind
        for event in new:
            view = self._fold(view, event)
        last = new[-1].position
        assert last is not None, f"no position after {begun}"
        self._view, self.checkpoint = view, last
        return len(new)

    async def save(self) -> None:
        """
        Save the view with its checkpoint, if it has changed.

        Raises:
            ViewsUnavailable: The save failed or its outcome is unknown; the view was forgotten, the next fold loads it.
            CheckpointMoved: Another writer was faster; the view was forgotten as well.
        """
        if self.is_saved:
            return
        expected, view, checkpoint = self._saved, self.view, self.checkpoint
        self._forget(expected)  # until the save is certain, what is in memory is not the view
        stored = StoredView(msgspec.json.encode(view), checkpoint, self.generation)
        try:
            await self._store.save(self.name, stored, expected_checkpoint=expected)
        except CheckpointMoved:
            self._forget(0)
            raise
        self._view, self.checkpoint, self._saved = view, checkpoint, checkpoint

    def _forget(self, checkpoint: int) -> None:
        """The next fold loads the view; until then the consume loop goes on from *checkpoint*."""
        self._view = None
        self.checkpoint = self._saved = checkpoint
