"""The system's own clock, identities and chance."""

import os
import random
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from observatory.core.event import Producer
from observatory.core.sources import Clock, Ids, Randomness
from observatory.runtime.build_info import build_info


@dataclass(frozen=True)
class Sources:
    """Time, identity and chance of one process."""

    clock: Clock
    ids: Ids
    randomness: Randomness
    instance_id: str
    """New at every process start."""

    def producer(self, service: str) -> Producer:
        """As whom *service* writes its events in this process."""
        return Producer(service=service, instance_id=self.instance_id, version=build_info().version)


def system_sources() -> Sources:
    """Those of a process that begins now."""
    ids = SystemIds()
    return Sources(clock=SystemClock(), ids=ids, randomness=SystemRandomness(), instance_id=ids.new_id())


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
        self._chances: list[str] = []
        """Each the second half of one id. Taken by `pop`, which gives none to two threads."""
        self._first_half = (-1, "")
        """A millisecond, and how ids of it begin. Replaced as a whole, so that threads need no lock."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._chances.clear)

    def new_id(self) -> str:
        ms = time.time_ns() // 1_000_000
        first_half = self._first_half
        if first_half[0] != ms:
            digits = f"{ms:012x}"
            self._first_half = first_half = ms, f"{digits[:8]}-{digits[8:]}-"
        return first_half[1] + self._chance()

    def _chance(self) -> str:
        while True:
            try:
                return self._chances.pop()
            except IndexError:
                digits = os.urandom(_DIGITS * _IDS_AT_ONCE // 2).hex()
                self._chances += [_second_half(digits[at : at + _DIGITS]) for at in range(0, len(digits), _DIGITS)]


def _second_half(digits: str) -> str:
    """What follows the time in an id: the version, the variant, and 74 bits of the chance in *digits*."""
    return f"7{digits[:3]}-{_VARIANTS[int(digits[3], 16) % 4]}{digits[4:7]}-{digits[7:]}"


_DIGITS = 19
"""Hexadecimal ones of chance in one id."""
_VARIANTS = "89ab"
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
