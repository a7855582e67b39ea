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
    """

    def new_id(self) -> str:
        ms = time.time_ns() // 1_000_000
        chance = int.from_bytes(os.urandom(10), "big")
        value = (
            (ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (chance >> 68 & 0xFFF) << 64 | 0b10 << 62 | chance & (2**62 - 1)
        )
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class SystemRandomness:
    """Implements `core.sources.Randomness`."""

    def __init__(self) -> None:
        self._random = random.Random()

    def random(self) -> float:
        return self._random.random()


def new_token() -> str:
    """A secret of 256 random bits, in URL-safe characters."""
    return secrets.token_urlsafe(32)
