"""Following the stream over connections that break, with both clients and without a network."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
import pytest

from observatory.client.address import Address
from observatory.client.api import Api
from observatory.client.async_api import AsyncApi
from observatory.client.errors import BadAnswer, NotReachable, RequestRefused, ServiceFailed
from observatory.client.following import FollowAsked, Heard
from observatory.core import limits
from observatory.testing.manual_sources import ManualClock

ADDRESS = Address(gateway="http://127.0.0.1:1", read_model="http://127.0.0.1:2")
BROKEN = httpx2.ReadError("the connection broke")

Answer = Callable[[], httpx2.Response]


def said(name: str, position: int, **fields: Any) -> bytes:
    return f"id: {position}\nevent: {name}\ndata: {json.dumps({'position': position} | fields)}\n\n".encode()


def job(position: int) -> bytes:
    return said("job", position, eventType="job.created")


class Pieces(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The body of an answer; an exception in it breaks the connection."""

    def __init__(self, pieces: tuple[bytes | Exception, ...]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def stream(*pieces: bytes | Exception, media_type: str = "text/event-stream; charset=utf-8") -> Answer:
    return lambda: httpx2.Response(200, headers={"content-type": media_type}, stream=Pieces(pieces))


def problem(status: int, code: str) -> Answer:
    body = {"code": code, "detail": code}
    return lambda: httpx2.Response(status, json=body, headers={"content-type": "application/problem+json"})


def silence() -> httpx2.Response:
    raise httpx2.ConnectError("refused")


class Chance:
    """Always draws the same."""

    def random(self) -> float:
        return 0.9


class Service:
    """A read model that gives *answers* in turn, and what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[httpx2.Request] = []
        self.pauses: list[float] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return self._answers.pop(0)()

    @property
    def last_ids(self) -> list[str | None]:
        return [request.headers.get("last-event-id") for request in self.asked]

    async def hear(self, kind: str, count: int, **asked: Any) -> list[Heard]:
        """The first *count* things that the client of *kind* hears."""
        http = httpx2.MockTransport(self.answer)
        given, heard = FollowAsked(**asked), list[Heard]()
        if kind == "blocking":
            with Api(ADDRESS, clock=ManualClock(), randomness=Chance(), http=http, pause=self.pauses.append) as api:
                for one in api.follow(**given):
                    heard.append(one)
                    if len(heard) == count:
                        break
        else:

            async def pause(seconds: float) -> None:
                self.pauses.append(seconds)

            async with AsyncApi(ADDRESS, clock=ManualClock(), randomness=Chance(), http=http, pause=pause) as api:
                async for one in api.follow(**given):
                    heard.append(one)
                    if len(heard) == count:
                        break
        return heard


@pytest.fixture(params=["blocking", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def kinds(heard: list[Heard]) -> list[tuple[str, int | None]]:
    return [(one.kind, one.position) for one in heard]


async def test_a_broken_connection_is_replaced_and_goes_on_behind_the_last_event(kind: str) -> None:
    service = Service(
        stream(b"retry: 1000\n\n", said("checkpoint", 4), job(5), BROKEN),
        silence,
        stream(said("checkpoint", 5), job(6)),
    )

    heard = await service.hear(kind, 8)

    assert kinds(heard) == [
        ("connected", None),
        ("checkpoint", 4),
        ("job", 5),
        ("lost", 5),
        ("lost", 5),
        ("connected", 5),
        ("checkpoint", 5),
        ("job", 6),
    ]
    assert service.last_ids == [None, "5", "5"]
    assert service.pauses == pytest.approx([0.9, 1.8])


async def test_pauses_grow_to_their_bound_and_begin_anew_after_a_word(kind: str) -> None:
    service = Service(stream(said("checkpoint", 1)), *[silence] * 8, stream(job(2)), stream())

    await service.hear(kind, 15)

    assert service.pauses[8] == pytest.approx(limits.STREAM_PAUSE_S_MAX * 0.9)
    assert service.pauses[9] == pytest.approx(limits.STREAM_RETRY_S * 0.9)


async def test_filters_and_the_beginning_are_asked_for(kind: str) -> None:
    service = Service(stream(said("checkpoint", 3)))

    await service.hear(kind, 2, after=3, job_id="j", event_type="job.failed", job_type="thumbnail")

    assert dict(service.asked[0].url.params) == {"jobId": "j", "type": "job.failed", "jobType": "thumbnail"}
    assert (service.last_ids, service.asked[0].headers["accept"]) == (["3"], "text/event-stream")


async def test_the_first_connection_that_fails_is_an_error(kind: str) -> None:
    with pytest.raises(NotReachable):
        await Service(silence).hear(kind, 1)
    with pytest.raises(ServiceFailed) as failed:
        await Service(problem(503, "too_many_streams")).hear(kind, 1)
    assert failed.value.code == "too_many_streams"


async def test_a_service_that_has_no_room_later_is_asked_again(kind: str) -> None:
    service = Service(stream(job(1)), problem(503, "too_many_streams"), stream(job(2)))

    heard = await service.hear(kind, 6)

    assert [one.reason for one in heard if one.kind == "lost"] == ["the stream ended", "too_many_streams"]
    assert kinds(heard)[-1] == ("job", 2)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(400, "bad_query"), RequestRefused),
        (problem(401, "unauthenticated"), RequestRefused),
        (stream(job(1), media_type="text/html"), BadAnswer),
        (stream(b"event: job\ndata: {\n\n"), BadAnswer),
        (stream(b"event: job\ndata: []\n\n"), BadAnswer),
        (stream(b'event: job\ndata: {"position": true}\n\n'), BadAnswer),
        (stream(b'event: bye\ndata: {"position": -1}\n\n'), BadAnswer),
        (lambda: httpx2.Response(204), BadAnswer),
        (lambda: httpx2.Response(302, headers={"location": "http://elsewhere"}), BadAnswer),
    ],
)
async def test_what_is_no_stream_of_ours_ends_with_an_error(answer: Answer, error: type, kind: str) -> None:
    with pytest.raises(error):
        await Service(answer).hear(kind, 2)


async def test_what_a_later_release_may_say_is_passed_over(kind: str) -> None:
    service = Service(
        stream(b": hello\n\n", said("weather", 9), b"data: plain\n\n", said("checkpoint", 1, mood=1), job(2))
    )

    heard = await service.hear(kind, 3)

    assert kinds(heard) == [("connected", None), ("checkpoint", 1), ("job", 2)]


async def test_resync_and_bye_are_heard_with_their_reasons_and_the_place_to_go_on_from(kind: str) -> None:
    service = Service(
        stream(said("resync", 2, reason="beyond_head"), said("bye", 2, reason="shutdown")), stream(job(3))
    )

    heard = await service.hear(kind, 6, after=9)

    assert kinds(heard) == [("connected", 9), ("resync", 2), ("bye", 2), ("lost", 2), ("connected", 2), ("job", 3)]
    assert [one.reason for one in heard[1:3]] == ["beyond_head", "shutdown"]
    assert service.last_ids == ["9", "2"]


async def test_the_generation_of_the_history_goes_along_with_the_place(kind: str) -> None:
    service = Service(
        stream(said("checkpoint", 4, generation="g1"), job(5), BROKEN),
        stream(said("resync", 3, reason="other_history", generation="g2"), job(4)),
    )

    heard = await service.hear(kind, 6, after=4)

    assert [(one.position, one.generation) for one in heard] == [
        (4, None), (4, "g1"), (5, "g1"), (5, "g1"), (5, "g1"), (3, "g2"),
    ]  # fmt: skip
    assert [request.url.params.get("generation") for request in service.asked] == [None, "g1"]


async def test_a_generation_that_is_known_from_before_is_sent_at_once(kind: str) -> None:
    service = Service(stream(job(5)))

    await service.hear(kind, 2, after=4, generation="g1")

    assert service.asked[0].url.params.get("generation") == "g1"


async def test_an_event_that_comes_a_second_time_is_heard_once(kind: str) -> None:
    service = Service(stream(job(1), job(1), job(2), job(1), job(3)))

    assert kinds(await service.hear(kind, 4))[1:] == [("job", 1), ("job", 2), ("job", 3)]


async def test_a_silence_longer_than_three_keep_alives_breaks_the_connection(kind: str) -> None:
    service = Service(stream(httpx2.ReadTimeout("silent")), stream(job(1)))

    heard = await service.hear(kind, 4)

    assert service.asked[0].extensions["timeout"]["read"] == limits.STREAM_IDLE_S >= 3 * limits.STREAM_KEEP_ALIVE_S
    assert [one.kind for one in heard] == ["connected", "lost", "connected", "job"]
