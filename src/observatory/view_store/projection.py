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

    async def apply(self, events: Sequence[Event]) -> int:
        """
        Fold those of *events* that the view has not seen, then save it with its new checkpoint.

        Events come in order of position and begin at most one past the checkpoint: a gap is the
        consume loop's to fill. Applying the same events again changes nothing.

        Returns:
            How many were new.

        Raises:
            ViewsUnavailable: The save failed or its outcome is unknown; the view was loaded again or
                will be at the next call.
            CheckpointMoved: Another writer was faster; the view was forgotten, the next call loads it.
        """
        if self._view is None:
            await self.load()
        new = [event for event in events if event.position is not None and event.position > self.checkpoint]
        if not new:
            return 0
        assert new[0].position == self.checkpoint + 1, f"a gap before position {new[0].position}"
        expected, view = self.checkpoint, self.view
        self._view = None  # until the save is certain, what is in memory is not the view
        for event in new:
            view = self._fold(view, event)
        last = new[-1].position
        assert last is not None
        stored = StoredView(msgspec.json.encode(view), last, self.generation)
        try:
            await self._store.save(self.name, stored, expected_checkpoint=expected)
        except CheckpointMoved:
            self.checkpoint = 0
            raise
        self._view, self.checkpoint = view, last
        return len(new)
