"""Finds event ids that stand more than once, in eight bytes per event."""

from array import array
from collections.abc import Iterator

from observatory.core import limits


class EventIds:
    """Remembers a 64-bit hash of every id. A repetition that it finds is a suspicion until the ids are compared."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, event_id: str) -> None:
        self._hashes.append(hash(event_id))

    def suspects(self) -> set[int]:
        """Hashes that were added more than once."""
        repeated: set[int] = set()
        rounds = len(self._hashes) // limits.AUDIT_IDS_PER_ROUND + 1
        for number in range(rounds):
            seen: set[int] = set()
            for value in self._of_round(number, rounds):
                (repeated if value in seen else seen).add(value)
        return repeated

    def _of_round(self, number: int, rounds: int) -> Iterator[int]:
        """Each value belongs to one round: a set of all of them would need several times their memory."""
        return (value for value in self._hashes if value % rounds == number)
