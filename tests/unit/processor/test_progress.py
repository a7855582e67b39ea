"""What a handler may say about how far it is."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.job import Progress
from observatory.processor.progress import LatestProgress, progress_of


def said(fraction: Any = None, *, done: Any = None, total: Any = None, message: Any = None, data: Any = None) -> Any:
    return progress_of(fraction, done, total, message, data)


@pytest.mark.parametrize(
    ("values", "progress"),
    [
        ({"fraction": 0}, Progress(fraction=0.0)),
        ({"fraction": 1}, Progress(fraction=1.0)),
        ({"done": 5, "total": 10}, Progress(fraction=0.5, done=5, total=10)),
        ({"done": 11, "total": 10}, Progress(fraction=1.0, done=11, total=10)),
        ({"done": 7}, Progress(done=7)),
        ({"message": "reading"}, Progress(message="reading")),
        ({"fraction": 0.5, "data": {1: [None]}}, Progress(fraction=0.5, data={"1": [None]})),
    ],
)
def test_what_a_handler_says_becomes_its_progress(values: dict[str, Any], progress: Progress) -> None:
    assert said(**values) == progress


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "says nothing"),
        ({"fraction": math.nan}, "from 0 to 1"),
        ({"fraction": math.inf}, "from 0 to 1"),
        ({"fraction": -0.01}, "from 0 to 1"),
        ({"fraction": 1.01}, "from 0 to 1"),
        ({"fraction": "half"}, "it is a number"),
        ({"fraction": True}, "it is a number"),
        ({"fraction": 0.5, "done": 1}, "not both"),
        ({"total": 5}, "needs done"),
        ({"done": 1, "total": 0}, "above 0"),
        ({"done": 2**53}, "from 0 to"),
        ({"done": 10**400}, "from 0 to"),
        ({"message": 7}, "it is a text"),
        ({"message": "a\0b"}, "U\\+0000"),
        ({"message": "\ud800"}, "surrogate"),
        ({"data": [1]}, "it is a dict"),
        ({"data": {"a": math.nan}}, "data of progress"),
        ({"data": {"a": object()}}, "no JSON form"),
        ({"data": {"a": "\0"}}, "/a"),
    ],
)
def test_a_value_that_is_none_is_refused_in_words_for_its_author(values: dict[str, Any], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        said(**values)


def test_a_message_and_data_may_have_exactly_their_limits() -> None:
    said(message="x" * limits.PROGRESS_MESSAGE_BYTES_MAX)
    said(data={"a": "x" * (limits.PROGRESS_DATA_BYTES_MAX - 8)})

    with pytest.raises(ValueError, match="257 bytes"):
        said(message="x" * (limits.PROGRESS_MESSAGE_BYTES_MAX + 1))
    with pytest.raises(ValueError, match="4097 bytes"):
        said(data={"a": "x" * (limits.PROGRESS_DATA_BYTES_MAX - 7)})


def test_data_that_contains_itself_is_refused() -> None:
    data: dict[str, Any] = {}
    data["self"] = data

    with pytest.raises(ValueError, match="data of progress"):
        said(data=data)


def test_data_that_changes_later_was_said_as_it_was() -> None:
    data = {"rows": [1]}
    progress = said(data=data)

    data["rows"].append(2)

    assert progress.data == {"rows": [1]}


@given(st.lists(st.sampled_from(["put", "take", "take and record"]), max_size=30))
def test_the_newest_is_told_once_until_it_is_taken_and_never_lost(steps: list[str]) -> None:
    told: list[int] = []
    latest = LatestProgress(lambda: told.append(1))
    newest, untaken, number = None, False, 0
    for step in steps:
        before = len(told)
        if step == "put":
            number += 1
            newest = Progress(done=number)
            latest.put(newest)
            assert len(told) - before == (0 if untaken else 1)
            untaken = True
        else:
            untaken = False
            taken = latest.take()
            assert taken == (None if newest == latest.recorded else newest)
            if step == "take and record" and taken is not None:
                latest.recorded = taken

    assert latest.has_news == (newest is not None and newest != latest.recorded)
