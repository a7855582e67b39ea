"""Does the tail of events in memory hold a run without a gap, within its bounds?"""

import msgspec
import pytest

from observatory.core import limits
from observatory.engine.recent_events import RecentEvents
from observatory.testing.factories import JobFactory

EVENT = JobFactory().pending().events[0]


def event(position):
    return msgspec.structs.replace(EVENT, position=position)


def filled(*positions, size=10):
    recent = RecentEvents()
    recent.offer((event(position), size) for position in positions)
    return recent


def after(recent, position, count_max=100):
    return [one.position for one in recent.after(position, count_max=count_max)]


def test_what_follows_a_position_comes_in_order():
    recent = filled(1, 2, 3, 4)

    assert after(recent, 1, count_max=2) == [2, 3]
    assert after(recent, 3) == [4]
    assert after(recent, 4) == []


def test_a_position_whose_next_event_is_not_here_gives_nothing():
    recent = filled(5, 6)

    assert after(recent, 3) == []
    assert after(recent, 4) == [5, 6]


def test_events_after_a_gap_begin_a_new_run():
    recent = filled(1, 2, 4, 5)

    assert after(recent, 0) == []
    assert after(recent, 3) == [4, 5]


@pytest.mark.parametrize(("bytes_max", "kept"), [(30, [1, 2, 3]), (29, [])])
def test_the_oldest_go_when_the_payloads_become_too_large(monkeypatch, bytes_max, kept):
    monkeypatch.setattr(limits, "READ_BYTES_MAX", bytes_max)

    assert after(filled(1, 2, 3), 0) == kept


def test_the_oldest_go_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr(limits, "RECENT_EVENTS_MAX", 2)
    recent = filled(1, 2, 3)

    assert after(recent, 1) == [2, 3]
    assert after(filled(1, 2, 3), 0) == []


def test_a_batch_ends_before_its_bytes_do_but_holds_one_event(monkeypatch):
    recent = filled(1, 2, 3)
    monkeypatch.setattr(limits, "READ_BYTES_MAX", 20)

    assert after(recent, 0) == [1, 2]

    monkeypatch.setattr(limits, "READ_BYTES_MAX", 1)
    assert after(recent, 1) == [2]
