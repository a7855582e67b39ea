"""Independent sources of chance: one more draw from one of them leaves the others as they were."""

import random

Stream = random.Random


class Streams:
    """What one seed decides. Strings seed the same in every process, whatever its hash seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.schedule = self.of("schedule")
        """Which callback runs next."""
        self.faults = self.of("faults")
        """What fails, where, when and for how long."""
        self.workload = self.of("workload")
        """What clients ask for."""
        self.chance = self.of("chance")
        """What the product asks `Randomness` for."""

    def of(self, purpose: str) -> Stream:
        """A stream of its own for *purpose*."""
        return random.Random(f"{self.seed}/{purpose}")
