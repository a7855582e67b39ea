"""When to try again: exponential backoff with full jitter, and what a handler may ask for.

Full jitter (an even draw from nothing to the cap of this attempt) spreads the retries of jobs
that failed together; source: M. Brooker, "Exponential Backoff and Jitter", 2015.
"""

import msgspec

from observatory.core import limits

ExceptionClasses = tuple[type[BaseException], ...]


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait before the next attempt. All in seconds."""

    base_s: float = msgspec.field(default=limits.RETRY_BASE_S, name="baseSeconds")
    factor: float = limits.RETRY_FACTOR
    cap_s: float = msgspec.field(default=limits.RETRY_CAP_S, name="capSeconds")
    jitter: float = 1.0
    """The share of the wait that is drawn: 1 is full jitter, 0 waits the full time each time."""

    def __post_init__(self) -> None:
        for name in ("base_s", "factor", "cap_s", "jitter"):
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name} of a RetryPolicy is {value!r:.40}; it is a number")
        if not (0 < self.base_s <= self.cap_s <= limits.SNOOZE_S_MAX):
            raise ValueError(f"0 < base_s <= cap_s <= {limits.SNOOZE_S_MAX} does not hold for {self}")
        if not 1.0 <= self.factor <= 10.0:
            raise ValueError(f"factor is {self.factor}; it must be from 1 to 10")
        if not 0.0 <= self.jitter <= 1.0:
            raise ValueError(f"jitter is {self.jitter}; it must be from 0 to 1")

    def ceiling_s(self, attempt: int) -> float:
        """The longest wait after *attempt* (1, 2, …): never shrinks with it, never above `cap_s`."""
        assert attempt >= 1, "the first attempt is 1"
        exponent = min(attempt - 1, 1_000)
        try:
            return min(self.cap_s, self.base_s * self.factor**exponent)
        except OverflowError:
            return self.cap_s

    def delay_s(self, attempt: int, chance: float) -> float:
        """The wait after *attempt*: its ceiling, less a share of it by *chance* (uniform in [0, 1)) and the jitter."""
        return self.ceiling_s(attempt) * (1.0 - self.jitter + self.jitter * chance)


def is_tried_again(
    kind: type[BaseException],
    retry_on: ExceptionClasses | None,
    discard_on: ExceptionClasses,
) -> bool:
    """
    Whether an attempt that raised an exception of *kind* is followed by another one, as long as any is left.

    The nearest class decides: of *kind* and its bases, in their order, the first that either names. If none
    is named, the exception is tried again unless *retry_on* names what is.
    """
    for base in type.mro(kind):
        if base in discard_on:
            return False
        if retry_on is not None and base in retry_on:
            return True
    return retry_on is None


class Retry(Exception):
    """
    Raised by a handler: this attempt failed, try again.

    Args:
        reason: Why, for the person who reads the history.
        in_s: Seconds until the next attempt; None leaves it to the type's policy.

    Raises:
        TypeError, ValueError: *in_s* is no number of seconds, or out of its bounds.
    """

    def __init__(self, reason: str = "", *, in_s: float | None = None) -> None:
        super().__init__(reason or "the handler asked for another attempt")
        self.in_s = None if in_s is None else _wait_s("Retry", in_s, least=0)


class Discard(Exception):
    """Raised by a handler: this job can never succeed; fail it now, whatever attempts are left."""


class Snooze(Exception):
    """
    Raised by a handler: not now. Runs again later and costs no attempt.

    Args:
        in_s: Seconds until then, at least `limits.SNOOZE_S_MIN`: each snooze leaves events for ever.

    Raises:
        TypeError, ValueError: As of `Retry`.
    """

    def __init__(self, in_s: float) -> None:
        super().__init__(f"snoozed for {in_s} s")
        self.in_s = _wait_s("Snooze", in_s, least=limits.SNOOZE_S_MIN)


def _wait_s(asked_by: str, in_s: object, *, least: float) -> float:
    if isinstance(in_s, bool) or not isinstance(in_s, int | float):
        raise TypeError(f"in_s of a {asked_by} is {in_s!r:.40}; it is a number of seconds")
    if not least <= in_s <= limits.SNOOZE_S_MAX:
        raise ValueError(f"in_s of a {asked_by} is {in_s}; it must be from {least} to {limits.SNOOZE_S_MAX} seconds")
    return in_s
