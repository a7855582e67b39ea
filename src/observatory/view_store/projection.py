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

    async def notice_rebuild(self) -> bool:
        """Load the view anew when the saved one is not the one in memory any more. True when it was. Costs one read."""
        stored = await self._store.load(self.name)
        if not self.checkpoint or (stored is not None and stored.generation == self.generation):
            return False
        await self.load()
        return True

    async def apply(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """
        Fold those of *events* that the view has not seen, then save it with its new checkpoint.

        Events come in order of position, and none that the view lacks is left out: what is missing before them is
        the consume loop's to read. Applying the same events again changes nothing.

        Args:
            after: *events* are the first that the log has after this position, at most the checkpoint. None means
                the position before the first of them, which have no gap.

        Returns:
            How many were new.

        Raises:
            ViewsUnavailable: The save failed or its outcome is unknown; the view was loaded again or
                will be at the next call.
            CheckpointMoved: Another writer was faster; the view was forgotten, the next call loads it.
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
