"""What happened, line by line, and its digest: equal digests mean equal runs."""

import hashlib
from collections import deque

LINES_SHOWN = 50


class Trace:
    """Keeps the newest lines and a digest over all of them. A line holds no address and no hash."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._newest: deque[str] = deque(maxlen=LINES_SHOWN)
        self.lines = 0

    def add(self, at_s: float, node: str, step: str, effect: str) -> None:
        line = f"{at_s:12.6f}  {node:12} {step:28} {effect}"
        self._digest.update(line.encode())
        self._digest.update(b"\n")
        self._newest.append(line)
        self.lines += 1

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    @property
    def newest(self) -> list[str]:
        """The last lines, oldest first."""
        return list(self._newest)
