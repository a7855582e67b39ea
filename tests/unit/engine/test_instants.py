"""Do instants survive as integers to the microsecond?"""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from observatory.engine.instants import from_us, from_us_or_none, to_us, to_us_or_none

instants = st.datetimes(timezones=st.just(UTC))


@given(instants)
def test_every_instant_comes_back(instant):
    assert from_us(to_us(instant)) == instant


@given(instants, instants)
def test_integers_sort_as_their_instants(one, other):
    assert (to_us(one) < to_us(other)) == (one < other)


def test_the_epoch_is_zero_in_any_zone():
    assert to_us(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == 0


def test_none_stays_none():
    assert to_us_or_none(None) is None
    assert from_us_or_none(None) is None
