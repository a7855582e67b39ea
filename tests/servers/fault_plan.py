"""Which exchanges between a client and a server go wrong, and how."""

import random
import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What the network does to one exchange. In each case but the last the client loses its connection."""

    CUT_REQUEST = "cut request"
    """The server gets the first bytes of the request and never the rest: it has not done what was asked."""
    CUT_AFTER_REQUEST = "cut after request"
    """The client is cut off when the server has the whole request and is still at work on it, undisturbed."""
    CUT_REPLY = "cut reply"
    """The server has answered in full, so what was asked is done; the client gets the first bytes of the reply."""
    HOLD_REPLY = "hold reply"
    """As a cut reply, of which nothing arrives; but the connection stays, and the client waits as long as it will."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """
    Args:
        fault: What happens.
        match: A regular expression; searched in the label of an exchange, whatever the case.
        first_bytes: So many bytes of the request or the reply, whichever is cut, get through; never all of them.
        is_reset: The client sees a reset (RST) instead of an orderly end.
        skip: So many matching exchanges pass before the first that fails.
        count: So many fail; all of them if None.
        probability: Of each that matches, drawn from the seed of the plan.
    """  # fmt: skip

    fault: Fault
    match: str = ""
    first_bytes: int = 0
    is_reset: bool = False
    skip: int = 0
    count: int | None = 1
    probability: float = 1.0


class Plan:
    """
    Rules in order: of those that fit an exchange the first happens. Each counts the exchanges that it saw for itself.

    The same seed and the same order of exchanges give the same faults. May be used from several threads.
    """

    def __init__(self, rules: Iterable[Rule] = (), *, seed: int = 0) -> None:
        self._rules = list(rules)
        self._seen: Counter[int] = Counter()
        self._chosen: Counter[int] = Counter()
        self._chance = random.Random(seed)
        self._lock = threading.Lock()

    def add(self, rule: Rule) -> None:
        with self._lock:
            self._rules.append(rule)

    def clear(self) -> None:
        """No further exchange fails; the counts of the proxy stay."""
        with self._lock:
            self._rules.clear()
            self._seen.clear()
            self._chosen.clear()

    @property
    def is_done(self) -> bool:
        """Every rule that has a count has chosen as many exchanges. They may still be under way."""
        with self._lock:
            wanted = [(number, rule.count) for number, rule in enumerate(self._rules) if rule.count is not None]
            return all(self._chosen[number] >= count for number, count in wanted)

    def choose(self, label: str) -> Rule | None:
        """Called once for each exchange."""
        with self._lock:
            for number, rule in enumerate(self._rules):
                if self._applies(number, rule, label):
                    self._chosen[number] += 1
                    return rule
            return None

    def _applies(self, number: int, rule: Rule, label: str) -> bool:
        if rule.count is not None and self._chosen[number] >= rule.count:
            return False
        if not re.search(rule.match, label, re.IGNORECASE):
            return False
        self._seen[number] += 1
        return self._seen[number] > rule.skip and self._chance.random() < rule.probability
