"""A clock that moves only when told, and identities and chance drawn from a seed."""

import random
import uuid
from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """Implements `core.sources.Clock`."""

    def __init__(self, now: datetime = BEGINNING) -> None:
        self._begin = now
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Let *seconds* (≥ 0) pass."""
        assert seconds >= 0, "time goes forward"
        self._elapsed_s += seconds

    def leap(self, seconds: float) -> None:
        """Set the wall clock by *seconds*, as at the end of a machine's sleep; the monotonic one does not notice."""
        self._begin += timedelta(seconds=seconds)


class SeededIds:
    """Implements `core.sources.Ids`: the same seed gives the same ids in the same order, later ones sort later."""

    def __init__(self, seed: str = "ids") -> None:
        self._random = random.Random(seed)
        self._count = 0

    def new_id(self) -> str:
        self._count += 1
        value = self._count << 80 | 0x7 << 76 | 0b10 << 62 | self._random.getrandbits(62)
        return str(uuid.UUID(int=value))


class SeededRandomness:
    """Implements `core.sources.Randomness`."""

    def __init__(self, seed: str = "chance") -> None:
        self._random = random.Random(seed)

    def random(self) -> float:
        return self._random.random()
