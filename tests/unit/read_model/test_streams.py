"""One reader's place in the history: every event once and in order, whatever the bus does, within bounds."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observatory.client.sse import Message, SseParser
from observatory.core import limits
from observatory.core.errors import BadEnvelope, LogUnavailable
from observatory.core.event import Event
from observatory.event_bus.in_process import InProcessBus
from observatory.event_log.port import EventFilter, Events
from observatory.read_model.frames import StreamFilter, frame_of
from observatory.read_model.live import LiveEvents
from observatory.read_model.stream import Place, Stream, Streams, TooManyStreams
from observatory.testing.factories import JobFactory
from observatory.testing.manual_sources import ManualClock

ALL = StreamFilter()


def nothing() -> None:
    """No connection to cut."""


@dataclass
class Log:
    """The history in memory: the part of `EventLog` that streams use. Positions may be missing, as after pruning."""

    events: list[Event] = field(default_factory=list)
    damaged: set[int] = field(default_factory=set)
    reads: int = 0
    failures_left: int = 0
    """It heals after so many."""

    async def generation(self) -> str:
        return "g1"

    async def head(self) -> int:
        await asyncio.sleep(0)
        if self.failures_left:
            self.failures_left -= 1
            raise LogUnavailable("down")
        return self.events[-1].position or 0 if self.events else 0

    async def after(self, position: int, *, count_max: int, filter: EventFilter | None = None) -> Events:
        self.reads += 1
        wanted = [e for e in self.events if (e.position or 0) > position and (filter is None or matches(e, filter))]
        await asyncio.sleep(0)
        given = wanted[:count_max]
        for event in given:
            if event.position in self.damaged:
                raise BadEnvelope("damaged", position=event.position)
        return Events(given, has_more=len(wanted) > count_max)


def matches(event: Event, filter: EventFilter) -> bool:
    return filter.job_id in {None, event.job_id} and filter.event_type in {None, event.event_type}


class Installation:
    """Log, bus and streams, with commits that a test makes."""

    def __init__(self) -> None:
        self.log, self.bus, self.clock, self.factory = Log(), InProcessBus(), ManualClock(), JobFactory()
        log: Any = self.log
        self.live = LiveEvents(bus=self.bus, log=log)
        self.streams = Streams(self.live, log, clock=self.clock)
        self._published = 0

    def commit(self, count: int, **fields: Any) -> None:
        """Jobs that are cancelled at once: two events each."""
        for _ in range(count):
            self.log.events += self.factory.cancelled(**fields).events

    async def publish(self, *, lost: bool = False) -> None:
        """As the relay does, in batches; *lost* ones never arrive."""
        waiting = [event for event in self.log.events if (event.position or 0) > self._published]
        for begin in range(0, len(waiting), limits.RELAY_BATCH_MAX):
            batch = waiting[begin : begin + limits.RELAY_BATCH_MAX]
            if not lost:
                await self.bus.publish(batch)
            self._published = batch[-1].position or 0

    def open(self, wanted: StreamFilter = ALL, after: int | None = None, generation: str | None = None) -> "Reader":
        place = None if after is None else Place(after, generation)
        return Reader(self.streams, self.streams.open(wanted, place=place, abort=nothing))


class Reader:
    """What somebody read of one stream."""

    def __init__(self, streams: Streams, stream: Stream) -> None:
        self._streams = streams
        self.stream = stream
        self._parser = SseParser()
        self.messages: list[Message] = []
        self.sizes: list[int] = []

    async def read(self) -> list[Message]:
        """The next words."""
        text = await self.stream.next()
        if text is None:
            return []
        self.sizes.append(len(text))
        found = self._parser.feed(text)
        self.messages += found
        return found

    async def until(self, position: int) -> None:
        """Read until all up to *position* was heard."""
        while self.position < position:
            await self.read()

    @property
    def position(self) -> int:
        return int(self.messages[-1].id) if self.messages else -1

    @property
    def jobs(self) -> list[int]:
        return [int(message.id) for message in self.messages if message.name == "job"]

    def close(self) -> None:
        self._streams.close(self.stream)


@pytest.fixture
def here() -> Installation:
    return Installation()


@asynccontextmanager
async def live(here: Installation) -> AsyncIterator[None]:
    """Its loop runs."""

    async def run() -> None:
        while True:
            if not await here.live.run_once():
                await here.live.wait()

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()


async def test_without_a_place_it_begins_now_and_says_where_that_is(here: Installation) -> None:
    here.commit(3)
    reader = here.open()

    first = await reader.read()

    assert [(one.name, one.data, one.id) for one in first] == [("checkpoint", '{"position":6,"generation":"g1"}', "6")]


async def test_events_come_in_the_order_of_their_positions_with_the_envelope_as_data(here: Installation) -> None:
    here.commit(2)
    reader = here.open(after=1)

    await reader.until(4)

    assert reader.jobs == [2, 3, 4]
    assert reader.messages[1].data.encode() in frame_of(here.log.events[1]).text


async def test_a_reader_at_the_front_is_served_without_the_log(here: Installation) -> None:
    async with live(here):
        reader = here.open(after=0)
        await reader.read()
        await asyncio.sleep(0)
        for _ in range(5):
            here.commit(10)
            await here.publish()
            await reader.until(here.log.events[-1].position or 0)

    assert reader.jobs == list(range(1, 101))
    assert here.log.reads == 0


async def test_while_nobody_reads_nothing_is_kept(here: Installation) -> None:
    async with live(here):
        here.commit(5)
        await here.publish()
        await asyncio.sleep(0.01)
        assert (here.live.head, here.live._ring, here.live._subscription) == (0, {}, None)
        reader = here.open()
        await reader.read()
        here.commit(5)
        await here.publish()
        await reader.until(20)
        assert len(here.live._ring) == 10
        reader.close()

    assert (here.live._ring, here.live._bytes) == ({}, 0)
    await here.live.run_once()
    assert here.live._subscription is None


@pytest.mark.parametrize("bound", ["count", "bytes"])
async def test_the_ring_keeps_the_newest_within_its_bounds(
    here: Installation, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = here.open(after=0)
    async with live(here):
        await asyncio.sleep(0.01)
        here.commit(50)
        newest = sum(len(frame_of(event).text) for event in here.log.events[-30:])
        monkeypatch.setattr(
            limits, *{"count": ("STREAM_RING_EVENTS_MAX", 30), "bytes": ("STREAM_RING_BYTES_MAX", newest)}[bound]
        )
        await here.publish()
        await asyncio.sleep(0.01)
        assert list(here.live._ring) == list(range(71, 101))

        await reader.until(100)

    assert reader.jobs == list(range(1, 101))


async def test_one_write_is_bounded_and_a_larger_event_goes_alone(here: Installation) -> None:
    here.commit(200)
    here.commit(3, payload={"text": "a" * limits.STREAM_CHUNK_BYTES})
    here.commit(200)
    reader = here.open(after=0)

    await reader.until(806)

    assert reader.jobs == list(range(1, 807))
    assert [size for size in reader.sizes if size > limits.STREAM_CHUNK_BYTES] == [
        len(frame_of(event).text) for event in here.log.events[400:406:2]
    ]


async def test_of_large_events_few_are_read_at_once(here: Installation) -> None:
    here.commit(60, payload={"text": "a" * limits.STREAM_CHUNK_BYTES})
    reader = here.open(after=0)

    counts = set[int]()
    await reader.read()
    await reader.read()
    while reader.position < 120:
        counts.add(reader.stream._count_max)
        await reader.read()

    assert counts == {1, 2}


# --- filters --------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["log", "bus"])
@pytest.mark.parametrize("wanted", ["job_id", "event_type", "job_type"])
async def test_filters_choose_events(
    here: Installation, wanted: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_KEEP_ALIVE_S", 0.01)
    async with live(here):
        reader_of: dict[str, StreamFilter] = {}
        here.commit(1, type="first")
        here.commit(2)
        reader_of["job_id"] = StreamFilter(job_id=here.log.events[2].job_id)
        reader_of["event_type"] = StreamFilter(event_type="job.cancelled")
        reader_of["job_type"] = StreamFilter(job_type="first")
        reader = here.open(reader_of[wanted], after=0)
        if source == "bus":
            await here.live.run_once()
            await here.publish()
            await here.live.run_once()
        await reader.until(6)

    assert reader.jobs == {"job_id": [3, 4], "event_type": [2, 4, 6], "job_type": [1, 2]}[wanted]


async def test_who_wants_few_events_hears_how_far_it_is(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAM_KEEP_ALIVE_S", 0.01)
    async with live(here):
        reader = here.open(StreamFilter(job_type="other"), after=0)
        await reader.read()
        here.commit(100)
        await here.publish()

        await reader.until(200)

    assert [(one.name, one.id) for one in reader.messages] == [("checkpoint", "0"), ("checkpoint", "200")]


async def test_a_silent_stream_shows_that_it_lives(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAM_KEEP_ALIVE_S", 0.01)
    reader = here.open()
    await reader.read()

    assert await reader.stream.next() == b": keep-alive\n\n"


# --- resync ---------------------------------------------------------------------------------------


async def test_a_place_beyond_the_head_is_told_to_read_anew_and_goes_on_from_the_head(here: Installation) -> None:
    here.commit(2)
    reader = here.open(after=5)

    await reader.read()
    here.commit(1)
    here.live.reach(6)
    await reader.until(6)

    assert [(one.name, one.data) for one in reader.messages[:1]] == [
        ("resync", '{"position":4,"reason":"beyond_head","generation":"g1"}'),
    ]
    assert reader.jobs == [5, 6]


async def test_a_place_of_another_history_is_told_to_read_anew_although_the_history_has_grown_past_it(
    here: Installation,
) -> None:
    here.commit(2)
    reader = here.open(after=1, generation="g0")

    await reader.read()
    here.commit(1)
    here.live.reach(6)
    await reader.until(6)

    assert [(one.name, one.data) for one in reader.messages[:1]] == [
        ("resync", '{"position":4,"reason":"other_history","generation":"g1"}'),
    ]
    assert reader.jobs == [5, 6]
    assert here.streams.counts.resyncs["other_history"] == 1


async def test_a_place_of_this_history_goes_on_there(here: Installation) -> None:
    here.commit(2)
    reader = here.open(after=1, generation="g1")

    await reader.until(4)

    assert reader.messages[0].data == '{"position":1,"generation":"g1"}'
    assert reader.jobs == [2, 3, 4]


async def test_the_head_itself_is_no_place_beyond_it(here: Installation) -> None:
    here.commit(2)

    assert [one.name for one in await here.open(after=4).read()] == ["checkpoint"]


@pytest.mark.parametrize("more", [0, 1])
async def test_who_is_too_far_behind_is_told_so_and_goes_on_from_the_head(
    here: Installation, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_BACKLOG_MAX", 10)
    here.commit(5)
    reader = here.open(after=0)
    if more:
        reader = here.open(after=0)
        here.log.events += here.factory.pending().events
    here.live.reach(10 + more)

    await reader.until(10 + more)

    expected = (
        [("checkpoint", "0"), ("resync", "11")]
        if more
        else [("checkpoint", "0"), *[("job", str(n)) for n in range(1, 11)]]
    )
    assert [(one.name, one.id) for one in reader.messages] == expected


async def test_a_gap_of_pruned_events_is_none_of_its_reader(here: Installation) -> None:
    here.commit(5)
    del here.log.events[2:6]
    reader = here.open(after=0)

    await reader.until(10)

    assert reader.jobs == [1, 2, 7, 8, 9, 10]
    assert {one.name for one in reader.messages} == {"checkpoint", "job"}


@pytest.mark.parametrize("wanted", [ALL, StreamFilter(event_type="job.created")])
@pytest.mark.parametrize("damaged", [{1}, {7}, {7, 9}, {29}])
async def test_an_event_that_cannot_be_read_costs_no_other(
    here: Installation, damaged: set[int], wanted: StreamFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_KEEP_ALIVE_S", 0.01)
    here.commit(15)
    here.log.damaged = damaged
    reader = here.open(wanted, after=0)

    await reader.until(30)

    heard = [int(one.id) for one in reader.messages if one.name == "resync"]
    assert heard == sorted(damaged)
    step = 1 if wanted == ALL else 2
    assert reader.jobs == [n for n in range(1, 31, step) if n not in damaged]


# --- the log fails --------------------------------------------------------------------------------


async def test_without_the_log_no_stream_begins(here: Installation) -> None:
    here.log.failures_left = 1

    with pytest.raises(LogUnavailable):
        await here.open().read()


async def test_a_stream_outlives_a_log_that_does_not_answer(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "POLL_S", 0.005)
    here.commit(1)
    reader = here.open(after=0)
    await reader.read()
    here.log.failures_left = 3

    await reader.until(2)

    assert (reader.jobs, here.log.failures_left) == ([1, 2], 0)


async def test_events_that_nobody_delivers_are_looked_for(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "POLL_S", 0.005)
    reader = here.open()
    await reader.read()
    async with live(here):
        here.commit(2)
        await here.publish(lost=True)

        await reader.until(4)

    assert reader.jobs == [1, 2, 3, 4]


# --- opening and ending ---------------------------------------------------------------------------


def test_as_many_streams_as_allowed_are_open_and_no_more(here: Installation) -> None:
    readers = [here.open() for _ in range(limits.STREAMS_MAX)]

    with pytest.raises(TooManyStreams):
        here.open()
    readers[0].close()
    readers[0].close()
    here.open()

    assert (here.streams.open_count, here.streams.counts.refused) == (limits.STREAMS_MAX, 1)


async def test_a_stop_ends_every_stream_with_a_bye(here: Installation) -> None:
    reader = here.open(after=0)
    await reader.read()
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0)

    stopping = asyncio.create_task(here.streams.stop())
    (bye,) = await reading
    assert await reader.read() == []
    reader.close()
    await stopping

    assert (bye.name, bye.data) == ("bye", '{"position":0,"reason":"shutdown"}')
    assert here.streams.counts.ended["shutdown"] == 1


async def test_a_stop_cuts_who_does_not_take_its_bye(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAM_BYE_S", 0.01)
    cut: list[str] = []
    here.streams.open(ALL, place=None, abort=lambda: cut.append("it"))

    await here.streams.stop()

    assert cut == ["it"]


async def test_a_stream_that_is_opened_during_a_stop_ends_right_after_its_beginning(here: Installation) -> None:
    await here.streams.stop()
    reader = here.open()

    await reader.read()
    await reader.read()

    assert [one.name for one in reader.messages] == ["checkpoint", "bye"]
    assert await reader.read() == []


async def test_who_went_away_is_told_nothing_more(here: Installation) -> None:
    reader = here.open()
    await reader.read()

    reader.stream.end_by("disconnected")
    reader.stream.end_by("shutdown")

    assert await reader.stream.next() is None
    reader.close()
    assert here.streams.counts.ended == {"shutdown": 0, "stalled": 0, "disconnected": 1}


# --- the proof ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    ring=st.sampled_from([1, 3, 20, 4_096]),
    chunk=st.sampled_from([1, 2_000, 65_536]),
    lost=st.sampled_from([0.0, 0.2, 0.7]),
)
async def test_no_event_is_missed_or_repeated_while_commits_race_with_connects(seed, ring, chunk, lost) -> None:
    """Readers come and go at any place, slow and fast, while events are committed, delivered and lost."""
    here, chance = Installation(), random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "STREAM_RING_EVENTS_MAX", ring)
        patch.setattr(limits, "STREAM_CHUNK_BYTES", chunk)
        patch.setattr(limits, "POLL_S", 0.002)
        total = 120

        async def commit() -> None:
            while len(here.log.events) < total:
                here.commit(chance.randint(1, 4))
                await here.publish(lost=chance.random() < lost)
                for _ in range(chance.randint(0, 3)):
                    await asyncio.sleep(0)

        async def follow() -> list[int]:
            """One reader over several connections; each goes on where the one before was."""
            heard: list[int] = []
            place: int | None = None
            while place is None or place < total:
                reader = here.open(after=place)
                for _ in range(chance.randint(1, 20)):
                    await reader.read()
                    place = reader.position
                    for _ in range(chance.choice([0, 0, 5, 20])):
                        await asyncio.sleep(0)
                    if place >= total:
                        break
                heard += reader.jobs
                reader.close()
            return heard

        async with live(here), asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(commit())
            following = [tasks.create_task(follow()) for _ in range(6)]

    for task in following:
        heard = task.result()
        assert heard == list(range(heard[0], heard[0] + len(heard))) if heard else True
        assert not heard or heard[-1] >= total
