from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core.errors import InvalidSchedule
from observatory.core.interval import IntervalTiming, interval_s

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("10s", 10),
        ("5m", 300),
        ("2h", 7_200),
        ("1d", 86_400),
        ("366d", 31_622_400),
        ("31622400s", 31_622_400),
    ],
)
def test_an_interval_is_a_whole_number_and_a_unit(text, seconds):
    assert interval_s(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "0s", "s", "10", "10 s", " 10s", "10s\n", "-1s", "+1s", "1.5s", "1w", "1S", "01s", "367d", "31622401s"),
        *("99999999d", "999999999s", "٣s", "1e3s", "PT1H", "9" * 100_000 + "s"),
    ],
)
def test_everything_else_is_refused(text):
    with pytest.raises(InvalidSchedule) as refused:
        interval_s(text)

    assert (refused.value.code, refused.value.pointer) == ("bad_interval", "/every")


def test_an_interval_counts_from_its_anchor_not_from_a_start():
    anchored = IntervalTiming(3_600, START + timedelta(minutes=20))

    for minutes in (0, 7, 19):
        following = next(anchored.after(START + timedelta(minutes=minutes)))
        assert following == START + timedelta(minutes=20)
    assert next(IntervalTiming(3_600).after(START)) == START + timedelta(hours=1)


@given(
    st.integers(1, 5_000),
    st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.timedeltas(timedelta(0), timedelta(days=1)),
)
def test_counting_gives_what_listing_gives(every_s, anchor, span):
    timing = IntervalTiming(every_s, anchor)

    listed = list(islice(takewhile(lambda tick: tick <= START + span, timing.after(START)), 100_000))

    assert timing.count_between(START, START + span) == len(listed)
    assert all((tick - anchor).total_seconds() % every_s == 0 for tick in listed[:5])
    assert all(tick > START for tick in listed)
