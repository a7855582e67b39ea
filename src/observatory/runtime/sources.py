"""The system's own clock, identities and chance."""

import os
import random
import secrets
import time
from datetime import UTC, datetime


class SystemClock:
    """Implements `core.sources.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class SystemIds:
    """
    Implements `core.sources.Ids`: UUID version 7 (RFC 9562 §5.7): 48 bits of Unix milliseconds,
    then 74 random bits. Ids of one millisecond are in no particular order.

    Chance is asked from the system for many ids at once. Safe in threads; a forked child asks anew.
    """

    def __init__(self) -> None:
        self._chances: list[bytes] = []
        """Each for one id. Taken by `pop`, which gives none to two threads."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._chances.clear)

    def new_id(self) -> str:
        ms = time.time_ns() // 1_000_000
        chance = int.from_bytes(self._chance(), "big")
        value = (
            (ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (chance >> 68 & 0xFFF) << 64 | 0b10 << 62 | chance & (2**62 - 1)
        )
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _chance(self) -> bytes:
        while True:
            try:
                return self._chances.pop()
            except IndexError:
                drawn = os.urandom(_CHANCE_BYTES * _IDS_AT_ONCE)
                self._chances += [drawn[at : at + _CHANCE_BYTES] for at in range(0, len(drawn), _CHANCE_BYTES)]


_CHANCE_BYTES = 10
_IDS_AT_ONCE = 256


class SystemRandomness:
    """Implements `core.sources.Randomness`."""

    def __init__(self) -> None:
        self._random = random.Random()

    def random(self) -> float:
        return self._random.random()


def new_token() -> str:
    """A secret of 256 random bits, in URL-safe characters."""
    return secrets.token_urlsafe(32)
