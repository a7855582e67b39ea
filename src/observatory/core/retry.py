"""When to try again: exponential backoff with full jitter, and what a handler may ask for.

Full jitter (an even draw from nothing to the cap of this attempt) spreads the retries of jobs
that failed together; source: M. Brooker, "Exponential Backoff and Jitter", 2015.
"""

import msgspec

from observatory.core import limits


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait before the next attempt. All in seconds."""

    base_s: float = msgspec.field(default=limits.RETRY_BASE_S, name="baseSeconds")
    factor: float = limits.RETRY_FACTOR
    cap_s: float = msgspec.field(default=limits.RETRY_CAP_S, name="capSeconds")

    def __post_init__(self) -> None:
        if not (0 < self.base_s <= self.cap_s <= limits.SNOOZE_S_MAX):
            raise ValueError(f"0 < base_s <= cap_s <= {limits.SNOOZE_S_MAX} does not hold for {self}")
        if not 1.0 <= self.factor <= 10.0:
            raise ValueError(f"factor is {self.factor}; it must be from 1 to 10")

    def ceiling_s(self, attempt: int) -> float:
        """The longest wait after *attempt* (1, 2, …): never shrinks with it, never above `cap_s`."""
        assert attempt >= 1, "the first attempt is 1"
        exponent = min(attempt - 1, 1_000)
        try:
            return min(self.cap_s, self.base_s * self.factor**exponent)
        except OverflowError:
            return self.cap_s

    def delay_s(self, attempt: int, chance: float) -> float:
        """The wait after *attempt*: the share *chance* (uniform in [0, 1)) of its ceiling."""
        return self.ceiling_s(attempt) * chance


class Retry(Exception):
    """
    Raised by a handler: this attempt failed, try again.

    Args:
        reason: Why, for the person who reads the history.
        in_s: Seconds until the next attempt; None leaves it to the type's policy.
    """

    def __init__(self, reason: str = "", *, in_s: float | None = None) -> None:
        super().__init__(reason or "the handler asked for another attempt")
        if in_s is not None and not 0 <= in_s <= limits.SNOOZE_S_MAX:
            raise ValueError(f"in_s is {in_s}; it must be from 0 to {limits.SNOOZE_S_MAX} seconds")
        self.in_s = in_s


class Discard(Exception):
    """Raised by a handler: this job can never succeed; fail it now, whatever attempts are left."""


class Snooze(Exception):
    """
    Raised by a handler: not now. Runs again later and costs no attempt.

    Args:
        in_s: Seconds until then, at least `limits.SNOOZE_S_MIN`: each snooze leaves events for ever.
    """

    def __init__(self, in_s: float) -> None:
        super().__init__(f"snoozed for {in_s} s")
        if not limits.SNOOZE_S_MIN <= in_s <= limits.SNOOZE_S_MAX:
            raise ValueError(f"in_s is {in_s}; it must be from {limits.SNOOZE_S_MIN} to {limits.SNOOZE_S_MAX} seconds")
        self.in_s = in_s
