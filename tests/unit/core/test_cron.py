"""Does a cron expression fire when it should, also where local time is skipped or repeated?"""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.cron import CronTiming, normal_cron
from observatory.core.errors import InvalidSchedule
from tests.architecture.source_tree import ROOT

BERLIN, NEW_YORK, LORD_HOWE = (ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"))
HAVANA, SAO_PAULO = ZoneInfo("America/Havana"), ZoneInfo("America/Sao_Paulo")
MINUTE = timedelta(minutes=1)


def ticks(expression, zone, begin, end):
    """Local times with their offset of the ticks after *begin* until *end*, both local days in *zone*."""
    after, until = (datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=zone) for day in (begin, end))
    found = takewhile(lambda tick: tick <= until, CronTiming(normal_cron(expression), zone).after(after))
    return [f"{tick.astimezone(zone):%d %H:%M %z}" for tick in found]


def first(expression, zone, after, count=1):
    return list(islice(CronTiming(normal_cron(expression), zone).after(after), count))


class TestSkippedLocalTimes:
    """Berlin 2026-03-29 and New York 2026-03-08: no 02:00 to 02:59. Lord Howe 2026-10-04: no 02:00 to 02:29."""

    @pytest.mark.parametrize(
        ("expression", "zone", "begin", "expected"),
        [
            ("30 2 * * *", BERLIN, "2026-03-29", ["29 03:00 +0200"]),
            ("30 2 * * *", NEW_YORK, "2026-03-08", ["08 03:00 -0400"]),
            ("15 2 * * *", LORD_HOWE, "2026-10-04", ["04 02:30 +1100"]),
            ("45 2 * * *", LORD_HOWE, "2026-10-04", ["04 02:45 +1100"]),
        ],
    )
    def test_a_fixed_time_fires_at_the_end_of_the_gap(self, expression, zone, begin, expected):
        assert ticks(expression, zone, begin, begin[:-2] + f"{int(begin[-2:]) + 1:02}") == expected

    def test_fixed_times_that_fall_together_are_one_tick(self):
        assert ticks("0,30 2 * * *", BERLIN, "2026-03-29", "2026-03-30") == ["29 03:00 +0200"]
        assert ticks("0 2,3 * * *", BERLIN, "2026-03-29", "2026-03-30") == ["29 03:00 +0200"]

    def test_every_so_often_fires_not_at_all_in_the_gap(self):
        assert ticks("*/30 2 * * *", BERLIN, "2026-03-29", "2026-03-30") == []
        assert ticks("30 * * * *", BERLIN, "2026-03-29", "2026-03-30")[:3] == [
            "29 00:30 +0100",
            "29 01:30 +0100",
            "29 03:30 +0200",
        ]
        assert ticks("*/10 2 * * *", LORD_HOWE, "2026-10-04", "2026-10-05") == [
            "04 02:30 +1100",
            "04 02:40 +1100",
            "04 02:50 +1100",
        ]

    def test_a_midnight_that_does_not_exist(self):
        """Sao Paulo 2018-11-04: 00:00 to 00:59 do not exist."""
        after = datetime(2018, 11, 3, 12, tzinfo=UTC)

        assert first("0 0 * * *", SAO_PAULO, after) == [datetime(2018, 11, 4, 3, tzinfo=UTC)]
        assert first("*/30 0 * * *", SAO_PAULO, after) == [datetime(2018, 11, 5, 2, tzinfo=UTC)]
        assert first("*/30 0 4 * *", SAO_PAULO, after) == [datetime(2018, 12, 4, 2, tzinfo=UTC)]


class TestRepeatedLocalTimes:
    """
    What comes twice: Berlin 2026-10-25 02:00 to 02:59, New York 2026-11-01 01:00 to 01:59, Lord Howe 2026-04-05
    01:30 to 01:59.
    """

    @pytest.mark.parametrize(
        ("expression", "zone", "begin", "end", "expected"),
        [
            ("30 2 * * *", BERLIN, "2026-10-25", "2026-10-26", ["25 02:30 +0200"]),
            ("30 1 * * *", NEW_YORK, "2026-11-01", "2026-11-02", ["01 01:30 -0400"]),
            ("45 1 * * *", LORD_HOWE, "2026-04-05", "2026-04-06", ["05 01:45 +1100"]),
            ("0 0,1 * * *", HAVANA, "2026-10-31", "2026-11-01", ["31 01:00 -0400", "01 00:00 -0400"]),
        ],
    )
    def test_a_fixed_time_fires_the_first_time_only(self, expression, zone, begin, end, expected):
        assert ticks(expression, zone, begin, end) == expected

    def test_every_so_often_fires_both_times_in_the_order_of_the_instants(self):
        assert ticks("*/30 2 * * *", BERLIN, "2026-10-25", "2026-10-26") == [
            "25 02:00 +0200",
            "25 02:30 +0200",
            "25 02:00 +0100",
            "25 02:30 +0100",
        ]
        assert ticks("*/10 1 * * *", LORD_HOWE, "2026-04-05", "2026-04-06")[3:] == [
            "05 01:30 +1100",
            "05 01:40 +1100",
            "05 01:50 +1100",
            "05 01:30 +1030",
            "05 01:40 +1030",
            "05 01:50 +1030",
        ]

    def test_a_fixed_time_does_not_fire_again_when_asked_during_the_second_pass(self):
        second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 +01:00

        assert first("30 2 * * *", BERLIN, second_pass) == [datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]


def examples_of_the_page():
    """Zone, day, expression and what it fires on that day, of every row of the table in `docs/schedules.md`."""
    page = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")
    rows = page.partition("| zone | expression | fires |\n|---|---|---|\n")[2].partition("\n\n")[0]
    where = ""
    for row in rows.splitlines():
        place, expression, fires = (cell.strip() for cell in row.strip("|").split("|"))
        where = place or where
        zone, day = where.split(", ")[:2]
        yield zone, day, expression.strip("`"), [] if fires == "not on this day" else fires.split(", ")


@pytest.mark.parametrize(("zone", "day", "expression", "fires"), list(examples_of_the_page()))
def test_the_page_tells_what_happens_on_the_day_of_a_change(zone, day, expression, fires):
    following = f"{datetime.fromisoformat(day) + timedelta(days=1):%Y-%m-%d}"

    found = ticks(expression, ZoneInfo(zone), day, following)

    assert [f"{tick[3:8]} {tick[9:12]}:{tick[12:]}" for tick in found] == fires


def test_the_page_has_an_example_of_every_kind():
    found = list(examples_of_the_page())

    assert {zone for zone, *_ in found} == {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}
    assert {(expression[0] == "*", len(fires)) for _, _, expression, fires in found} == {
        (False, 1),
        (True, 0),
        (True, 4),
    }


def test_utc_has_every_minute_once():
    found = first("* * * * *", UTC, datetime(2026, 3, 28, 23, 59, 59, 999999, tzinfo=UTC), 3 * 1440)

    assert found == [datetime(2026, 3, 29, tzinfo=UTC) + number * MINUTE for number in range(3 * 1440)]


# --- against an oracle that walks every minute ----------------------------------------------------


def _field(low, high):
    """The text of a field, and the values that it stands for."""
    everything = frozenset(range(low, high + 1))
    steps = st.integers(1, 30).map(lambda step: (f"*/{step}", frozenset(sorted(everything)[::step])))
    listed = st.lists(st.integers(low, high), min_size=1, max_size=4, unique=True).map(
        lambda values: (",".join(map(str, values)), frozenset(values))
    )
    spans = st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda ends: (f"{min(ends)}-{max(ends)}", frozenset(range(min(ends), max(ends) + 1)))
    )
    return st.one_of(st.just(("*", everything)), listed, listed, spans, steps)


EXPRESSIONS = st.tuples(
    _field(0, 59),
    _field(0, 23) | st.sampled_from([("1", {1}), ("2", {2}), ("0-3", {0, 1, 2, 3}), ("*", set(range(24)))]),
    _field(1, 31),
    _field(1, 12) | st.just(("*", set(range(1, 13)))),
    _field(0, 6),
)
CHANGES = [
    (BERLIN, datetime(2026, 3, 29, 1, tzinfo=UTC)),
    (BERLIN, datetime(2026, 10, 25, 1, tzinfo=UTC)),
    (NEW_YORK, datetime(2026, 3, 8, 7, tzinfo=UTC)),
    (NEW_YORK, datetime(2026, 11, 1, 6, tzinfo=UTC)),
    (LORD_HOWE, datetime(2026, 4, 4, 15, tzinfo=UTC)),
    (LORD_HOWE, datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    (HAVANA, datetime(2026, 3, 8, 5, tzinfo=UTC)),
    (HAVANA, datetime(2026, 11, 1, 5, tzinfo=UTC)),
    (UTC, datetime(2026, 2, 28, 23, tzinfo=UTC)),
]


def _matches(fields, local):
    (_, minutes), (_, hours), (day_text, days), (_, months), (weekday_text, weekdays) = fields
    is_day, is_weekday = local.day in days, local.isoweekday() % 7 in weekdays
    is_narrowed = day_text.startswith("*") or weekday_text.startswith("*")
    is_date = (is_day and is_weekday) if is_narrowed else (is_day or is_weekday)
    return local.minute in minutes and local.hour in hours and local.month in months and is_date


def _walked(fields, zone, begin, end):
    """Every tick after *begin* until *end*, found by looking at each minute."""
    is_every_so_often = fields[0][0].startswith("*") or fields[1][0].startswith("*")
    found = []
    at = begin.replace(second=0, microsecond=0)
    before = at.astimezone(zone).replace(tzinfo=None)
    while (at := at + MINUTE) <= end:
        there = at.astimezone(zone)
        local = there.replace(tzinfo=None, fold=0)
        if is_every_so_often:
            is_tick = _matches(fields, local)
        else:
            skipped, step = [], before + MINUTE
            while step < local:
                skipped.append(step)
                step += MINUTE
            is_tick = any(_matches(fields, one) for one in skipped) or (there.fold == 0 and _matches(fields, local))
        if is_tick:
            found.append(at)
        before = local
    return found


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, st.sampled_from(CHANGES), st.integers(1, 26 * 60), st.floats(0, 59.9))
@example(
    (("30", {30}), ("2", {2}), ("*", set(range(1, 32))), ("*", set(range(1, 13))), ("*", set(range(7)))),
    CHANGES[1],
    30,
    1.5,
)
def test_the_ticks_are_those_that_a_walk_through_every_minute_finds(fields, change, minutes_before, seconds):
    zone, moment = change
    begin = moment - timedelta(minutes=minutes_before) + timedelta(seconds=seconds)
    end = moment + timedelta(hours=6)
    try:
        timing = CronTiming(" ".join(text for text, _ in fields), zone)
    except InvalidSchedule:  # such as the 31st of February
        assume(condition=False)

    found = list(takewhile(lambda tick: tick <= end, timing.after(begin)))

    assert found == _walked(fields, zone, begin, end)
    if found:  # from any place the same ticks follow: a restart neither adds nor loses one
        middle = found[len(found) // 2]
        assert list(takewhile(lambda tick: tick <= end, timing.after(middle))) == found[len(found) // 2 + 1 :]


# --- what is no expression ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_cron"),
        (" ", "bad_cron"),
        ("* * * *", "bad_cron"),
        ("* * * * * *", "bad_cron"),
        ("* * * * * * *", "bad_cron"),
        ("@daily", "bad_cron"),
        ("@reboot", "bad_cron"),
        ("*/0 * * * *", "bad_cron"),
        ("*/61 * * * *", "bad_cron"),
        ("5/90 * * * *", "bad_cron"),
        ("0 */25 * * *", "bad_cron"),
        ("0 0 */32 * *", "bad_cron"),
        ("0 0 1 1-12/13 *", "bad_cron"),
        ("0 0 * * 1,*/8", "bad_cron"),
        ("60 * * * *", "bad_cron"),
        ("* 24 * * *", "bad_cron"),
        ("* * 0 * *", "bad_cron"),
        ("* * 32 * *", "bad_cron"),
        ("* * * 13 *", "bad_cron"),
        ("* * * * 8", "bad_cron"),
        ("5-1 * * * *", "bad_cron"),
        ("-5 * * * *", "bad_cron"),
        ("1.5 * * * *", "bad_cron"),
        ("? * * * *", "bad_cron"),
        ("* * * * MOND", "bad_cron"),
        ("* * * * *\n", "bad_cron"),
        ("*\n* * * *", "bad_cron"),
        ("*\u00a0* * * *", "bad_cron"),
        ("٣ * * * *", "bad_cron"),
        ("* * * * ²L", "bad_cron"),
        ("9" * 5_000 + " * * * *", "bad_cron"),
        ("* " * 10**5, "bad_cron"),
        ("0 0 30 2 *", "never_fires"),
        ("0 0 31 4,6,9,11 *", "never_fires"),
        ("0 0 */30 2 1#5", "never_fires"),
    ],
)
def test_what_is_no_expression_or_never_fires_is_refused(text, code):
    with pytest.raises(InvalidSchedule) as refused:
        normal_cron(text)

    assert (refused.value.code, refused.value.pointer) == (code, "/cron")
    assert len(refused.value.detail) < 2 * limits.CRON_CHARS_MAX


@pytest.mark.parametrize("text", ["*/60 * * * *", "0 */24 * * *", "0 0 */31 * *", "0 0 1 */12 *", "0 0 * * */7"])
def test_a_step_as_long_as_its_field_is_an_expression(text):
    assert normal_cron(text) == text


@settings(max_examples=400, deadline=None)
@given(
    st.text(max_size=220)
    | st.text("0123456789*/,-# LWMONFRIabc\t", max_size=80)
    | st.lists(st.text("0123456789*/,-#LW", min_size=1, max_size=6), min_size=5, max_size=5).map(" ".join)
)
def test_any_text_is_an_expression_that_fires_or_is_refused(text):
    try:
        expression = normal_cron(text)
    except InvalidSchedule:
        return

    assert normal_cron(expression) == expression
    assert first(expression, BERLIN, datetime(2026, 1, 1, tzinfo=UTC)) != []


def test_an_expression_is_kept_in_one_form():
    assert normal_cron("  0\t3   * jan  mon-fri ") == "0 3 * JAN MON-FRI"


@pytest.mark.parametrize(("length", "is_taken"), [(limits.CRON_CHARS_MAX, True), (limits.CRON_CHARS_MAX + 1, False)])
def test_an_expression_has_at_most_so_many_characters(length, is_taken):
    text = "0 3 * * *".ljust(length)
    if is_taken:
        assert normal_cron(text) == "0 3 * * *"
    else:
        with pytest.raises(InvalidSchedule, match="at most 200 characters"):
            normal_cron(text)


def test_a_leap_day_and_the_last_day_of_a_month_fire():
    begin = datetime(2026, 1, 1, tzinfo=UTC)

    assert first("0 0 29 2 *", UTC, begin) == [datetime(2028, 2, 29, tzinfo=UTC)]
    assert first("0 0 L * *", UTC, begin, 2) == [datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC)]
