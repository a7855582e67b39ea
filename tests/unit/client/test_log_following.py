"""Following a log: every line once, whatever was dropped between two looks."""

from typing import Any

import pytest

from observatory.client.log_following import LogFollower, News

ID = "01a20000-0000-7000-8000-000000000000"


class Answers:
    """Gives its looks in turn: (status, log)."""

    def __init__(self, *looks: tuple[str, dict[str, Any]]) -> None:
        self._looks = list(looks)

    def job(self, job_id: str) -> dict[str, Any]:
        return {"id": job_id, "status": self._looks[0][0]}

    def attempt_log(self, job_id: str, *, attempt: int | None = None) -> dict[str, Any]:
        return self._looks.pop(0)[1]


def log(attempt: int, *texts: str, dropped: int = 0, is_complete: bool = False) -> dict[str, Any]:
    lines = [{"at": "2026-01-31T12:00:00Z", "text": text} for text in texts]
    return {"attempt": attempt, "lines": lines, "droppedLines": dropped, "isComplete": is_complete}


def seen(*looks: tuple[str, dict[str, Any]], attempt: int | None = None) -> list[tuple[int, list[str], int]]:
    pauses: list[float] = []
    found: list[News] = list(LogFollower(Answers(*looks), ID, attempt, pause=pauses.append).news())
    assert len(pauses) == len(looks) - 1
    return [(news.attempt, [line["text"] for line in news.lines], news.missed) for news in found]


@pytest.mark.parametrize(
    ("looks", "news"),
    [
        ([("EXECUTING", log(1, "a")), ("COMPLETED", log(1, "a", "b"))], [(1, ["a"], 0), (1, ["b"], 0)]),
        ([("EXECUTING", log(1, "a")), ("COMPLETED", log(1, "a"))], [(1, ["a"], 0)]),
        (
            [("EXECUTING", log(1, "a", "b")), ("COMPLETED", log(1, "b", "c", dropped=1))],
            [(1, ["a", "b"], 0), (1, ["c"], 0)],
        ),
        ([("EXECUTING", log(1, "a")), ("COMPLETED", log(1, "e", "f", dropped=4))], [(1, ["a"], 0), (1, ["e", "f"], 3)]),
        ([("EXECUTING", log(1, "a", "b")), ("COMPLETED", log(1, "a", "bc"))], [(1, ["a", "b"], 0), (1, ["bc"], 0)]),
        ([("RETRYING", log(1, "a")), ("COMPLETED", log(2, "a"))], [(1, ["a"], 0), (2, ["a"], 0)]),
        ([("COMPLETED", log(1))], []),
    ],
)
def test_each_line_is_new_once(looks: list[Any], news: list[Any]) -> None:
    assert seen(*looks) == news


def test_one_attempt_is_followed_to_its_end_and_not_to_that_of_the_job() -> None:
    looks = [("EXECUTING", log(1, "a")), ("RETRYING", log(1, "a", "b", is_complete=True))]

    assert seen(*looks, attempt=1) == [(1, ["a"], 0), (1, ["b"], 0)]
