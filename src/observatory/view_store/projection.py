"""A fold with the view it maintains: load → skip what is seen → fold → save with the checkpoint."""

from collections.abc import Awaitable, Callable, Sequence
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
        begin: Gives the view before the first event: what pruned events have added to it. None means the empty view.
    """

    def __init__(
        self,
        name: str,
        view_type: type[V],
        fold: Callable[[V, Event], V],
        *,
        store: ViewStore,
        ids: Ids,
        begin: Callable[[], Awaitable[V]] | None = None,
    ) -> None:
        self.name = name
        self._view_type = view_type
        self._fold = fold
        self._store = store
        self._ids = ids
        self._begin = begin
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
        """
        Take the saved view, or begin one with a new generation.

        While no view is saved nothing is pruned, so what `begin` gives stays true until the first save.
        """
        stored = await self._store.load(self.name)
        if stored is None:
            view = self._view_type() if self._begin is None else await self._begin()
            self._view, self.checkpoint, self.generation = view, 0, self._ids.new_id()
        else:
            self._view = msgspec.json.decode(stored.document, type=self._view_type)
            self.checkpoint, self.generation = stored.checkpoint, stored.generation
        self._saved = self.checkpoint

    async def notice_rebuild(self) -> bool:
        """Load the view anew when the saved one is not the one in memory any more. True when it was. Costs one read."""
        stored = await self._store.load(self.name)
        if not self.checkpoint or (stored is not None and stored.generation == self.generation):
            return False
        await self.load()
        return True

    @property
    def is_saved(self) -> bool:
        """True when the store holds everything that was folded."""
        return self._view is None or self.checkpoint == self._saved

    async def apply(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """Fold those of *events* that the view has not seen, then save it; see `fold` and `save`. Returns how many."""
        count = await self.fold(events, after=after)
        await self.save()
        return count

    async def fold(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """
        Fold those of *events* that the view has not seen, in memory; returns how many.

        Events come in order of position, and none that the view lacks is left out: what is missing before them is
        the consume loop's to read. Applying the same events again changes nothing. What is not saved when the
        process ends is folded again from the log.

        Args:
            after: *events* are the first that the log has after this position, at most the checkpoint. None means
                the position before the first of them, which have no gap.

        Raises:
            ViewsUnavailable: The view had to be loaded and was not.
        """
        if not events:
            return 0
        first = events[0].position
        since = first - 1 if after is None and first is not None else after
        assert since is not None, "an event without a position"
        if self._view is None:
            await self.load()
            if since > self.checkpoint:
                return 0  # the saved view is another one than before: the consume loop goes on from its checkpoint
        new = [event for event in events if event.position is not None and event.position > self.checkpoint]
        if not new:
            return 0
        assert since <= self.checkpoint, f"a gap before position {first}"
        view = self.view
        self._forget(self._saved)  # an event that cannot be folded leaves half a view behind
        for event in new:
            view = self._fold(view, event)
        last = new[-1].position
        assert last is not None, "an event without a position"
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
