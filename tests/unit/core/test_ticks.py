"""Does every tick get exactly one fate, and the one that the words in `docs/schedules.md` promise?"""

from datetime import UTC, datetime, timedelta
from itertools import takewhile

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.errors import InvalidSchedule
from observatory.core.schedule import Fate, Missed, Reason, ScheduleDefinition, checked, timing_of
from observatory.core.ticks import settle, skip_rest
from observatory.testing.factories import new_schedule

START = datetime(2026, 1, 1, tzinfo=UTC)
replace = msgspec.structs.replace


def at(seconds):
    return START + timedelta(seconds=seconds)


def told(settlement):
    """The ticks of a settlement: seconds of the first one after START, how many, fate, reason."""
    return [
        ((tick.tick_at - START).total_seconds(), tick.count, str(tick.fate), tick.reason and str(tick.reason))
        for tick in (settlement.ticks if settlement else ())
    ]


def hourly(**definition):
    return new_schedule("s", START, every="1h", **definition)


class TestFates:
    def test_before_its_time_a_tick_has_no_fate(self):
        assert settle(hourly(), at(3_599.999999)) is None

    @pytest.mark.parametrize("late_s", [0, limits.SCHEDULE_LATE_S])
    def test_within_the_bound_it_is_fired(self, late_s):
        assert told(settle(hourly(), at(3_600 + late_s))) == [(3_600, 1, "fired", None)]

    def test_past_the_bound_it_is_late(self):
        assert told(settle(hourly(), at(3_600.000001 + limits.SCHEDULE_LATE_S))) == [(3_600, 1, "late", None)]

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ({"missed": Missed.SKIP}, [(3_600, 5, "missed", "policy_skip")]),
            ({"missed": Missed.LAST}, [(3_600, 4, "missed", "policy_last"), (18_000, 1, "late", None)]),
            (
                {"missed": Missed.ALL, "missed_max": 2},
                [(3_600, 3, "missed", "policy_all"), (14_400, 1, "late", None), (18_000, 1, "late", None)],
            ),
            ({"missed": Missed.ALL, "missed_max": 9}, [(3_600 * n, 1, "late", None) for n in range(1, 6)]),
        ],
    )
    def test_what_nobody_fired_in_time_follows_the_policy(self, policy, expected):
        settlement = settle(hourly(**policy), at(5 * 3_600 + 1_800))

        assert told(settlement) == expected
        assert settlement.schedule.covered_until == at(18_000)
        assert settlement.schedule.next_tick_at == at(21_600)

    def test_all_without_a_number_fires_the_newest_ten(self):
        assert told(settle(hourly(missed=Missed.ALL), at(15 * 3_600 + 1_800))) == [
            (3_600, 5, "missed", "policy_all"),
            *[(3_600 * n, 1, "late", None) for n in range(6, 16)],
        ]

    def test_last_does_not_fire_beside_a_tick_that_fires_in_time(self):
        assert told(settle(hourly(), at(3 * 3_600 + 1))) == [
            (3_600, 2, "missed", "policy_last"),
            (10_800, 1, "fired", None),
        ]

    def test_while_paused_every_tick_is_skipped(self):
        paused = hourly().paused(START, by="ann")

        assert told(settle(paused, at(3 * 3_600))) == [(3_600, 3, "skipped", "paused")]

    def test_what_passed_during_a_pause_is_skipped_after_it(self):
        resumed = hourly(missed=Missed.SKIP).paused(START, by="ann").resumed(at(7_300))

        first = settle(resumed, at(10_800))
        assert told(first) == [(3_600, 2, "skipped", "paused")]
        assert told(settle(first.schedule, at(10_800))) == [(10_800, 1, "fired", None)]

    def test_a_second_pause_keeps_the_first_and_changes_nothing(self):
        paused = hourly().paused(at(5), by="ann")

        assert paused.paused(at(9), by="bob") is paused
        assert (paused.version, paused.updated_at, paused.paused_by) == (2, at(5), "ann")

    def test_a_resume_of_what_is_not_paused_changes_nothing(self):
        schedule = hourly()

        assert schedule.resumed(at(7_300)) is schedule

    def test_a_new_definition_fires_after_what_has_its_fate_also_when_the_clock_stepped_back(self):
        settled = settle(hourly(), at(3_600)).schedule
        definition = replace(settled.definition, every="10m")

        replaced = settled.replaced(definition, at(60))

        assert (replaced.covered_until, replaced.next_tick_at) == (at(3_600), at(4_200))
        assert (replaced.generation, replaced.version) == (settled.generation + 1, settled.version + 1)

    def test_what_is_left_of_a_replaced_definition_is_skipped(self):
        assert told(skip_rest(hourly(), at(7_200))) == [(3_600, 2, "skipped", "replaced")]

    def test_a_zone_that_vanished_is_said_and_settles_nothing(self):
        schedule = new_schedule("s", START, cron="* * * * *")
        gone = replace(schedule, definition=replace(schedule.definition, timezone="Europe/Nowhere"))

        with pytest.raises(InvalidSchedule, match="no time zone"):
            settle(gone, at(60))

    def test_counts_add_up(self):
        settlement = settle(hourly(missed=Missed.ALL, missed_max=2), at(5 * 3_600))

        counts = settlement.schedule.counts
        assert (counts.fired, counts.late, counts.skipped, counts.missed) == (1, 2, 0, 2)
        assert settlement.schedule.version == 2


class TestBounds:
    def test_a_year_of_seconds_is_settled_at_once_in_few_rows(self):
        schedule = new_schedule("s", START, every="1s")

        settlement = settle(schedule, at(365 * 86_400))

        assert len(settlement.ticks) <= 2 + limits.SCHEDULE_LATE_S
        assert sum(tick.count for tick in settlement.ticks) == 365 * 86_400

    def test_months_of_minutes_are_settled_in_pieces_that_add_up(self):
        schedule, rows, pieces = new_schedule("s", START, missed=Missed.ALL, missed_max=3), [], 0

        while (settlement := settle(schedule, at(60 * 86_400))) is not None:
            assert sum(tick.count for tick in settlement.ticks) <= limits.SCHEDULE_TICKS_MAX + limits.SCHEDULE_LATE_S
            schedule, pieces = settlement.schedule, pieces + 1
            rows += settlement.ticks

        assert pieces > 10
        assert sum(tick.count for tick in rows) == 60 * 1_440
        assert [str(tick.fate) for tick in rows[-4:]] == ["late", "late", "late", "fired"]
        assert {tick.fate for tick in rows[:-4]} == {Fate.MISSED}

    @pytest.mark.parametrize("more", [-1, 0, 1])
    def test_around_the_bound_of_a_piece_no_tick_is_lost(self, more, monkeypatch):
        monkeypatch.setattr(limits, "SCHEDULE_TICKS_MAX", 20)
        schedule, rows = new_schedule("s", START, missed=Missed.ALL, missed_max=3), []
        now = at((20 + more) * 60 + 30)

        while (settlement := settle(schedule, now)) is not None:
            schedule = settlement.schedule
            rows += settlement.ticks

        assert sum(tick.count for tick in rows) == 20 + more
        assert [str(tick.fate) for tick in rows[-3:]] == ["late"] * 3

    def test_what_may_not_fire_at_once_fires_in_the_next_rounds(self):
        schedule, rows = hourly(missed=Missed.ALL, missed_max=5), []

        while (settlement := settle(schedule, at(9 * 3_600), fire_max=2)) is not None:
            assert sum(tick.reason is None for tick in settlement.ticks) <= 2
            schedule = settlement.schedule
            rows += settlement.ticks

        assert [(str(row.fate), row.count) for row in rows] == [("missed", 3), *[("late", 1)] * 5, ("fired", 1)]

    def test_as_many_ticks_as_the_bound_allows_fire_in_one_go(self):
        most = new_schedule("s", START, every="1m", missed=Missed.ALL, missed_max=limits.SCHEDULE_CATCH_UP_MAX)

        settlement = settle(most, at(86_430))

        assert sum(tick.fate is Fate.LATE for tick in settlement.ticks) == limits.SCHEDULE_CATCH_UP_MAX


TIMINGS = st.sampled_from(
    [
        *({"every": "1s"}, {"every": "7s"}, {"every": "1h"}, {"cron": "* * * * *"}, {"cron": "*/7 * * * *"}),
        *({"cron": "30 2 * * *", "timezone": "Europe/Berlin"}, {"cron": "0 0 29 2 *"}),
    ]
)
POLICIES = st.sampled_from(
    [{"missed": Missed.SKIP}, {"missed": Missed.LAST}, {"missed": Missed.ALL}, {"missed": Missed.ALL, "missed_max": 1}]
)
STEPS = st.lists(
    st.sampled_from([0.5, 1.0, 9.0, 11.0, 60.0, 3_600.0, 90_000.0, -5.0, -7_200.0, "pause", "resume"]), max_size=25
)


@settings(max_examples=200, deadline=None)
@given(TIMINGS, POLICIES, STEPS)
def test_whatever_the_clock_does_each_tick_has_one_fate_and_none_is_invented(timing, policy, steps):
    limit, limits.SCHEDULE_TICKS_MAX = limits.SCHEDULE_TICKS_MAX, 1_000
    schedule, now, highest, rows = new_schedule("s", START, **timing, **policy), START, START, []
    try:
        for step in steps:
            if step == "pause":
                schedule = schedule.paused(now, by="ann")
            elif step == "resume":
                schedule = schedule.resumed(now)
            elif isinstance(step, float):
                now += timedelta(seconds=step)
            while (settlement := settle(schedule, now)) is not None:
                schedule = settlement.schedule
                rows += settlement.ticks
            highest = max(highest, now)
    finally:
        limits.SCHEDULE_TICKS_MAX = limit

    expected = list(takewhile(lambda tick: tick <= highest, timing_of(schedule.definition).after(START)))
    assert sum(tick.count for tick in rows) == len(expected)
    place = 0
    for row in rows:
        assert (row.tick_at, row.until) == (expected[place], expected[place + row.count - 1])
        assert (row.reason is None) == (row.fate in {Fate.FIRED, Fate.LATE})
        place += row.count


@pytest.mark.parametrize(
    ("definition", "code", "pointer"),
    [
        ({}, "bad_timing", "/cron"),
        ({"cron": "* * * * *", "every": "1s"}, "bad_timing", "/cron"),
        ({"every": "1s", "timezone": "UTC"}, "bad_timing", "/timezone"),
        ({"cron": "* * * * *", "anchor": START}, "bad_timing", "/anchor"),
        ({"every": "1s", "missed_max": 3}, "invalid_schedule", "/missedMax"),
        ({"cron": "* * * * *", "timezone": "Mars/Base"}, "unknown_timezone", "/timezone"),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(definition, code, pointer):
    with pytest.raises(InvalidSchedule) as refused:
        checked(ScheduleDefinition(type="example", **definition))

    assert (refused.value.code, refused.value.pointer) == (code, pointer)


def test_reasons_exist_for_every_policy():
    assert {f"policy_{policy}" for policy in Missed} <= set(Reason)
