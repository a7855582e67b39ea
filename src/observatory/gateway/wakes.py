"""Tells processors that there is something for them; when the bus does not take it, they look by themselves."""

import contextlib
from collections.abc import Sequence

from observatory.core.errors import BusUnavailable, ObservatoryError
from observatory.event_bus.port import EventBus, Hint
from observatory.job_store.port import Applied


class Wakes:
    """Sends hints about what was stored. No method fails for the bus: what it is about is done already."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    async def ready(self) -> None:
        """Jobs became ready."""
        await self._hint(Hint.READY)

    async def after(self, answers: Sequence[Applied | ObservatoryError]) -> None:
        """Of what was applied, some made room in a queue, or asks a running attempt to stop."""
        applied = [answer for answer in answers if isinstance(answer, Applied)]
        if any(one.makes_room for one in applied):
            await self._hint(Hint.READY)
        if any(one.asks_to_stop for one in applied):
            await self._hint(Hint.CANCEL)

    async def _hint(self, about: Hint) -> None:
        with contextlib.suppress(BusUnavailable):
            await self._bus.hint(about)
