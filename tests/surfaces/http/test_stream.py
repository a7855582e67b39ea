"""`GET /stream` on the server that really runs."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from observatory.client.sse import Message, SseParser
from observatory.contracts import validate
from observatory.core import limits
from observatory.job_store.sqlite import SqliteOutbox
from observatory.maintenance.relay import Relay
from observatory.read_model.stream import Streams
from observatory.runtime.sources import SystemClock
from observatory.testing.factories import new_job
from tests.surfaces.http.services import AUTHORIZATION, DASHBOARD, World, problem
from tests.surfaces.http.test_framing import listening

WAIT_S_MAX = 30.0
A_LOT = 4 * 1024 * 1024
"""Bytes: more than the buffers of a connection on one machine hold."""


class Place:
    """A read model that listens, with the relay and the loop of live events behind it."""

    def __init__(self, world: World, streams: Streams, url: str) -> None:
        self.world = world
        self.streams = streams
        self.url = url
        self.http = httpx2.AsyncClient(base_url=url, timeout=WAIT_S_MAX, headers=AUTHORIZATION, trust_env=False)

    async def commit(self, count: int = 1, **fields: Any) -> None:
        """That many jobs, each with one event."""
        for begin in range(0, count, 500):
            some = range(begin, min(begin + 500, count))
            await self.world.store.submit([new_job(self.world.ids, **fields) for _ in some])

    @asynccontextmanager
    async def reading(self, **asked: Any) -> AsyncIterator["Reading"]:
        headers = asked.pop("headers", {})
        async with self.http.stream("GET", "/stream", params=asked, headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield Reading(answer)

    async def until_open(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            while self.streams.open_count != count:  # noqa: ASYNC110 — nothing tells of it
                await asyncio.sleep(0.01)


class Reading:
    """What one client reads."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._parser = SseParser()
        self._chunks = answer.aiter_bytes()
        self.heard: list[Message] = []

    async def until(self, position: int) -> list[Message]:
        async with asyncio.timeout(WAIT_S_MAX):
            while not self.heard or int(self.heard[-1].id) < position:
                self.heard += self._parser.feed(await anext(self._chunks))
        return self.heard

    async def to_the_end(self) -> list[Message]:
        async with asyncio.timeout(WAIT_S_MAX):
            async for chunk in self._chunks:
                self.heard += self._parser.feed(chunk)
        return self.heard

    @property
    def jobs(self) -> list[int]:
        return [int(one.id) for one in self.heard if one.name == "job"]


@asynccontextmanager
async def a_place(world: World, **settings: Any) -> AsyncIterator[Place]:
    streams = world.streams()
    relay = Relay(outbox=SqliteOutbox(world.file), bus=world.bus, clock=SystemClock())

    async def run(loop: Any) -> None:
        while True:
            if not await loop.run_once():
                await loop.wait()

    async with listening(world.read_model(streams=streams, **settings)) as port:
        running = [asyncio.create_task(run(loop)) for loop in (relay, streams.live)]
        place = Place(world, streams, f"http://127.0.0.1:{port}")
        try:
            yield place
        finally:
            await streams.stop()
            await place.http.aclose()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


@pytest_asyncio.fixture
async def place(world: World) -> AsyncIterator[Place]:
    async with a_place(world) as opened:
        yield opened


# --- what it says ---------------------------------------------------------------------------------


async def test_an_event_is_the_envelope_that_events_shows_with_its_position_as_id(place: Place) -> None:
    await place.commit(2)
    async with place.reading(after=0) as reading:
        heard = await reading.until(2)
    listed = (await place.http.get("/events")).json()["items"]

    assert [json.loads(one.data) for one in heard if one.name == "job"] == listed
    assert [(one.name, one.id) for one in heard] == [("checkpoint", "0"), ("job", "1"), ("job", "2")]
    assert validate("stream-notice", json.loads(heard[0].data)) == []


async def test_it_tells_proxies_and_caches_to_hand_it_on_at_once(place: Place) -> None:
    async with place.reading() as reading:
        headers = reading.answer.headers

    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")


async def test_the_page_of_the_dashboard_may_read_it(place: Place) -> None:
    async with place.reading(headers={"Origin": DASHBOARD}) as reading:
        assert reading.answer.headers["access-control-allow-origin"] == DASHBOARD


async def test_where_reads_need_the_token_so_does_the_stream(world: World) -> None:
    async with a_place(world, reads_need_token=True) as place, httpx2.AsyncClient(trust_env=False) as anybody:
        assert (await anybody.get(f"{place.url}/stream")).status_code == 401
        async with place.reading() as reading:
            await reading.until(0)


async def test_filters_are_those_of_events_and_the_job_type(place: Place) -> None:
    await place.commit(2, type="first")
    await place.commit(2, type="second")
    job_id = (await place.http.get("/events")).json()["items"][2]["jobId"]
    for asked, positions in (
        ({"jobType": "first"}, [1, 2]),
        ({"jobId": job_id}, [3]),
        ({"type": "job.created", "jobType": "second"}, [3, 4]),
    ):
        async with place.reading(after=0, **asked) as reading:
            await reading.until(positions[-1])
            assert reading.jobs == positions


# --- where it begins ------------------------------------------------------------------------------


async def test_who_comes_again_goes_on_behind_its_last_id_whatever_its_address_says(place: Place) -> None:
    await place.commit(4)

    async with place.reading(after=1, headers={"Last-Event-ID": "3"}) as reading:
        await reading.until(4)

    assert reading.jobs == [4]


@pytest.mark.parametrize(
    "given",
    [
        "",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "0x10",
        "1 1",
        "abc",
        "1,2",
        "\u0661".encode(),
        "9" * 17,
        str(limits.JSON_INTEGER_MAX + 1),
    ],
)
async def test_a_last_event_id_that_is_no_position_is_refused(place: Place, given: str | bytes) -> None:
    answer = await place.http.get("/stream", headers=[("Last-Event-ID", given)])

    assert (answer.status_code, problem(answer)["code"]) == (400, "bad_last_event_id")


async def test_two_last_event_ids_are_refused(place: Place) -> None:
    answer = await place.http.get("/stream", headers=[("Last-Event-ID", "1"), ("Last-Event-ID", "1")])

    assert problem(answer)["code"] == "bad_last_event_id"


@pytest.mark.parametrize("given", ["-1", "1.5", "x", "", str(limits.JSON_INTEGER_MAX + 1)])
async def test_a_beginning_that_is_no_position_is_refused(place: Place, given: str) -> None:
    answer = await place.http.get("/stream", params={"after": given})

    assert (answer.status_code, problem(answer)["code"]) == (400, "bad_query")


@pytest.mark.parametrize("query", ["jobId=1", "queue=a", "after=1&after=2", f"jobType={'a' * 51}"])
async def test_a_filter_that_it_does_not_know_is_refused(place: Place, query: str) -> None:
    assert problem(await place.http.get(f"/stream?{query}"))["status"] == 400


async def test_the_largest_position_is_beyond_the_head_and_says_where_to_go_on(place: Place) -> None:
    await place.commit(2)
    async with place.reading(headers={"Last-Event-ID": str(limits.JSON_INTEGER_MAX)}) as reading:
        await reading.until(2)
        await place.commit()
        heard = await reading.until(3)

    assert [(one.name, json.loads(one.data).get("reason")) for one in heard[:2]] == [
        ("resync", "beyond_head"),
        ("job", None),
    ]
    assert reading.jobs == [3]


async def test_a_position_of_another_history_is_told_by_its_generation(place: Place) -> None:
    await place.commit(2)
    async with place.reading(after=1) as reading:
        first, *_ = await reading.until(1)
    said = json.loads(first.data)

    async with place.reading(after=1, generation=said["generation"]) as reading:
        same = await reading.until(2)
    async with place.reading(after=1, generation="of-before-the-restore") as reading:
        other = await reading.until(2)

    assert [one.name for one in same] == ["checkpoint", "job"]
    assert [json.loads(one.data) for one in other] == [said | {"position": 2, "reason": "other_history"}]


@pytest.mark.parametrize("given", ["", "a b", "g" * 65, "ü"])
async def test_a_generation_that_is_none_is_refused(place: Place, given: str) -> None:
    answer = await place.http.get("/stream", params={"after": 1, "generation": given})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_query")


# --- how many, how slow ---------------------------------------------------------------------------


async def test_one_stream_too_many_is_told_to_come_back_and_a_place_becomes_free(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAMS_MAX", 2)
    async with place.reading(), place.reading():
        await place.until_open(2)
        answer = await place.http.get("/stream")
        metrics = (await place.http.get("/metrics")).text

    assert (answer.status_code, problem(answer)["code"]) == (503, "too_many_streams")
    assert answer.headers["retry-after"] == str(limits.RETRY_AFTER_S)
    assert "odd_streams_open 2.0" in metrics
    assert "odd_streams_refused_total 1.0" in metrics
    await place.until_open(0)
    async with place.reading():
        pass


async def test_head_opens_nothing(place: Place) -> None:
    answer = await place.http.head("/stream")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert place.streams.open_count == 0


async def test_other_methods_are_refused(place: Place) -> None:
    answer = await place.http.post("/stream")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_a_reader_that_takes_nothing_is_dropped_and_costs_the_others_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "STREAM_STALL_S", 0.5)
    _, deaf = await asyncio.open_connection(*place.url.removeprefix("http://").split(":"), limit=1)
    deaf.write(b"GET /stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await place.until_open(1)
    count = A_LOT // 20_000

    async with place.reading(after=0) as reading:
        await place.commit(count, payload={"text": "a" * 20_000})
        await reading.until(count)
        assert reading.jobs == list(range(1, count + 1))
        await place.until_open(1)
        metrics = (await place.http.get("/metrics")).text

    assert 'odd_streams_ended_total{reason="stalled"} 1.0' in metrics
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    deaf.close()


async def test_a_client_that_goes_away_frees_its_place(place: Place) -> None:
    async with place.reading():
        await place.until_open(1)

    await place.until_open(0)
    assert place.streams.counts.ended["disconnected"] == 1


async def test_a_client_that_sends_a_body_is_read_and_not_believed(place: Place) -> None:
    async with place.http.stream("GET", "/stream", content=b"a" * 1_000_000) as answer:
        assert answer.status_code == 200
        await Reading(answer).until(0)


# --- the end --------------------------------------------------------------------------------------


async def test_a_stop_says_bye_to_who_listens_and_waits_for_nobody(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_place(world) as place:
        deaf = [await asyncio.open_connection(*place.url.removeprefix("http://").split(":"), limit=1) for _ in range(3)]
        for _, writer in deaf:
            writer.write(b"GET /stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with place.reading() as reading:
            await place.until_open(4)
            await place.commit(A_LOT // 20_000, payload={"text": "a" * 20_000})
            await reading.until(A_LOT // 20_000)

            await place.streams.stop()
            heard = await reading.to_the_end()
        await place.until_open(0)

    assert (heard[-1].name, json.loads(heard[-1].data)["reason"]) == ("bye", "shutdown")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    for _, writer in deaf:
        writer.close()


# --- the proof ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
async def test_no_event_is_missed_or_repeated_while_clients_come_and_go(
    place: Place, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six clients over many connections each, beside a writer, with a ring so small that most fall out of it."""
    monkeypatch.setattr(limits, "STREAM_RING_EVENTS_MAX", 8)
    chance, total = random.Random(seed), 600

    async def write() -> None:
        left = total
        while left:
            count = min(left, chance.randint(1, 8))
            await place.commit(count)
            left -= count
            await asyncio.sleep(chance.random() * 0.005)

    async def follow() -> list[int]:
        heard: list[int] = []
        last: str | None = None
        while last is None or int(last) < total:
            headers = {} if last is None else {"Last-Event-ID": last}
            async with place.reading(headers=headers) as reading:
                target = chance.randint(0, 80) + int(last or 0)
                await reading.until(min(total, target))
                await asyncio.sleep(chance.random() * 0.01)
            heard += reading.jobs
            last = reading.heard[-1].id
        return heard

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        clients = [tasks.create_task(follow()) for _ in range(6)]

    for client in clients:
        heard = client.result()
        assert heard == list(range(heard[0], total + 1))
