"""The contract of the views: derived, disposable, rebuildable."""

from typing import Protocol

import msgspec


class StoredView(msgspec.Struct, frozen=True):
    """A view as it was saved."""

    document: bytes
    checkpoint: int
    """Position up to which the view includes the log; 0 for none of it."""
    generation: str
    """New whenever the view was begun again. A store that lost its data cannot know the old one."""


class ViewStore(Protocol):
    """
    Documents by name.

    Errors of every method: `ViewsUnavailable`; it is then not known whether a save took effect.
    """

    async def load(self, name: str) -> StoredView | None:
        """The newest save, or None when the view does not exist."""
        ...

    async def save(self, name: str, view: StoredView, *, expected_checkpoint: int) -> None:
        """
        Replace the view: document, checkpoint and generation move together, or not at all.

        Args:
            expected_checkpoint: The checkpoint of the view that was loaded; 0 also when none existed.

        Raises:
            CheckpointMoved: Another writer saved in between, or the saved view has another generation
                (unless *expected_checkpoint* is 0). Nothing changed.
        """
        ...

    async def drop(self, name: str) -> None:
        """Forget the view; the next load gives None. May be repeated."""
        ...
