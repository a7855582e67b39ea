"""What the demo works on: files and numbers drawn from a seed; and what has to come out, made without jobs."""

import hashlib
import json
from pathlib import Path

from observatory.builtin_jobs.demo import next_frame

ARTICLES = ("tea", "coffee", "cocoa", "sugar", "honey", "saffron")
MISSING = "saffron"
"""Its price is what the poison job lacks."""
FILE_BYTES_MIN, FILE_BYTES_MAX = 20_000, 200_000
PRICE_CENTS_MAX = 900


class Inputs:
    """
    Files in *folder*.

    Args:
        seed: Equal seeds give equal files.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self._seed = seed
        self.order = folder / "order.json"
        self.prices = folder / "prices.json"

    def write_files(self, count: int) -> dict[str, str]:
        """Write *count* files; the SHA-256 that `hashlib` finds for each, by its path."""
        digests: dict[str, str] = {}
        for number in range(count):
            path = self.folder / f"photo-{number:03}.raw"
            size = FILE_BYTES_MIN + self._draw(f"size {number}", FILE_BYTES_MAX - FILE_BYTES_MIN)
            content = self._bytes(f"file {number}", size)
            path.write_bytes(content)
            digests[str(path)] = hashlib.sha256(content).hexdigest()
        return digests

    def numbers(self, count: int) -> list[int]:
        return [self._draw(f"number {each}", 10_000) for each in range(count)]

    def write_order(self) -> None:
        """An order, and a list of prices that lacks one of its articles."""
        articles = {article: 1 + self._draw(f"count {article}", 9) for article in ARTICLES}
        self.order.write_text(json.dumps(articles), encoding="utf-8")
        self._write_prices({article: cents for article, cents in self._prices().items() if article != MISSING})

    def mend_prices(self) -> int:
        """Add the price that was missing; what the order costs then, in cents."""
        prices = self._prices()
        self._write_prices(prices)
        order: dict[str, int] = json.loads(self.order.read_text(encoding="utf-8"))
        return sum(count * prices[article] for article, count in order.items())

    def film(self, frames: int) -> tuple[str, str]:
        """The seed of a film and the digest of all its frames."""
        seed = self._bytes("film", 16).hex()
        digest = seed
        for _ in range(frames):
            digest = next_frame(digest)
        return seed, digest

    def _prices(self) -> dict[str, int]:
        return {article: 1 + self._draw(f"price {article}", PRICE_CENTS_MAX) for article in ARTICLES}

    def _write_prices(self, prices: dict[str, int]) -> None:
        """Complete or not at all: a job may read it at any time."""
        written = self.prices.with_suffix(".part")
        written.write_text(json.dumps(prices), encoding="utf-8")
        written.replace(self.prices)

    def _draw(self, purpose: str, below: int) -> int:
        return int.from_bytes(self._bytes(purpose, 8), "big") % below

    def _bytes(self, purpose: str, count: int) -> bytes:
        return hashlib.shake_256(f"{self._seed} {purpose}".encode()).digest(count)
