"""What the picture of `watch` says of what was heard."""

from typing import Any

from observatory.cli.live_view import ROWS_MAX, Watched
from observatory.client.following import Heard

CONNECTED = Heard(kind="connected", position=None)


def job(position: int, **fields: Any) -> Heard:
    event = {"position": position, "occurredAt": "2026-01-01T12:00:00Z", "eventType": "job.completed", "jobId": "j"}
    return Heard(
        kind="job", position=position, event=event | {"payload": {"type": "t", "status": "COMPLETED"}} | fields
    )


def picture(watched: Watched, now_s: float = 0.0, height: int = 40) -> list[str]:
    return [line.plain for line in watched.lines(now_s, height=height)]


def test_before_the_first_word_it_says_that_it_is_connecting() -> None:
    assert picture(Watched("all events", 0.0))[:2] == ["watching all events  connecting", "no counts yet"]


def test_the_newest_events_are_shown_as_far_as_there_is_room() -> None:
    watched = Watched("all events", 0.0)
    for position in range(1, ROWS_MAX + 10):
        watched.hear(job(position), 0.0)

    assert [line.split()[0] for line in picture(watched) if "job.completed" in line] == [str(n) for n in range(10, 30)]
    assert [line.split()[0] for line in picture(watched, height=10) if "job.completed" in line] == ["27", "28", "29"]
    assert len(picture(watched, height=10)) < 10


def test_a_lost_connection_is_said_with_its_age_and_reason_until_it_is_back() -> None:
    watched = Watched("all events", 0.0)
    watched.hear(CONNECTED, 0.0)
    watched.hear(job(7), 0.0)
    watched.count({"totalJobs": 3, "byStatus": {"COMPLETED": 3, "FAILED": 0}}, 1.0)
    assert picture(watched, 1.0)[:2] == ["watching all events  live  position 7", "3 jobs  COMPLETED 3"]

    watched.hear(Heard(kind="lost", position=7, reason="it broke"), 2.0)
    watched.hear(Heard(kind="lost", position=7, reason="refused"), 12.0)
    assert picture(watched, 14.0)[:2] == [
        "watching all events  connection lost 12 s ago  position 7  refused",
        "3 jobs  COMPLETED 3   as of 13 s ago",
    ]

    watched.hear(CONNECTED, 15.0)
    assert picture(watched, 15.0)[0] == "watching all events  live"


def test_a_resync_stays_visible() -> None:
    watched = Watched("all events", 0.0)

    watched.hear(Heard(kind="resync", position=9, reason="beyond_head"), 0.0)

    assert "events before position 9 were left out (beyond_head)" in picture(watched)


def test_counts_that_are_behind_say_so() -> None:
    watched = Watched("all events", 0.0)

    watched.count({"totalJobs": 1, "byStatus": {}, "lag": 5}, 0.0)

    assert picture(watched)[1] == "1 jobs   5 events behind"


def test_text_from_outside_moves_no_cursor() -> None:
    watched = Watched("\x1b[2J", 0.0)

    watched.hear(job(1, eventType="\x1b]0;x\x07", payload={"type": "\x1b[1A", "status": "\r\n"}), 0.0)
    watched.hear(Heard(kind="lost", position=1, reason="\x1b[0m\n"), 0.0)

    assert not any(char in line for line in picture(watched) for char in "\x1b\x07\r\n")
