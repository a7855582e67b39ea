"""Instants as integers, for engines without a type for them: microseconds since 1970-01-01T00:00:00Z."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(instant: datetime) -> int:
    """*instant* (aware) in microseconds."""
    return (instant - _EPOCH) // _MICROSECOND


def to_us_or_none(instant: datetime | None) -> int | None:
    """As `to_us`; None stays None."""
    return None if instant is None else (instant - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The aware UTC instant of *us*."""
    return _EPOCH + timedelta(microseconds=us)


def from_us_or_none(us: int | None) -> datetime | None:
    """As `from_us`; None stays None."""
    return None if us is None else _EPOCH + timedelta(microseconds=us)
