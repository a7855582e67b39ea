"""
Streams: each reader's own place in the history, and the few things that all readers share.

A stream pulls: it takes the next events from the ring of newest ones, or from the log when it is further behind, only
after its reader has taken the last. So a slow reader costs one write's worth of memory and holds up nobody.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from observatory.core import limits
from observatory.core.errors import BadEnvelope, ObservatoryError, Unavailable
from observatory.core.sources import Clock
from observatory.event_log.port import EventLog, Events
from observatory.read_model.frames import KEEP_ALIVE, Frame, StreamFilter, Taken, frame_of, notice, opening, take
from observatory.read_model.live import LiveEvents

_log = structlog.get_logger("observatory.read_model")

BEYOND_HEAD: Final = "beyond_head"
OTHER_HISTORY: Final = "other_history"
TOO_FAR_BEHIND: Final = "too_far_behind"
EVENT_UNREADABLE: Final = "event_unreadable"
RESYNC_REASONS: Final = (BEYOND_HEAD, OTHER_HISTORY, TOO_FAR_BEHIND, EVENT_UNREADABLE)

SHUTDOWN: Final = "shutdown"
STALLED: Final = "stalled"
DISCONNECTED: Final = "disconnected"
END_REASONS: Final = (SHUTDOWN, STALLED, DISCONNECTED)


class TooManyStreams(ObservatoryError):
    """As many streams are open as one service keeps. Try again later."""

    code = "too_many_streams"


class Counts:
    """What happened to streams so far, by reason."""

    def __init__(self) -> None:
        self.ended: dict[str, int] = dict.fromkeys(END_REASONS, 0)
        self.resyncs: dict[str, int] = dict.fromkeys(RESYNC_REASONS, 0)
        self.refused = 0
        """Because too many were open."""


class Place(msgspec.Struct, frozen=True):
    """Where a reader is that comes again."""

    position: int
    generation: str | None = None
    """Of the history that the position was given in; None when the reader does not say."""


class Stream:
    """
    One reader's place in the history.

    `next` gives what to send, in order of position, each wanted event once: also across the seam between the log and
    the newest events. What cannot be given is said by a `resync`. A gap in positions alone is none: the events between
    were not wanted, or were pruned.

    Args:
        place: Where its reader is; None means at the newest event.
        abort: Cuts its connection.
    """

    def __init__(
        self, streams: "Streams", wanted: StreamFilter, place: Place | None, abort: Callable[[], None]
    ) -> None:
        self._streams = streams
        self._wanted = wanted
        self._place = place
        self._wake = asyncio.Event()
        self._said: int | None = None
        """The last position that its reader knows; None before the first words."""
        self._silent_from_s = 0.0
        self._count_max = limits.STREAM_READ_EVENTS_MAX
        self.position = 0 if place is None else place.position
        self.abort = abort
        self.end: str | None = None
        """Why it ends; None while it goes on."""
        self.is_over = False

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    def end_by(self, reason: str) -> None:
        """End as soon as what is being sent was sent; the first reason counts."""
        self.end = self.end or reason
        self._wake.set()

    async def next(self) -> bytes | None:
        """What to send next, after as long as it takes; None when nothing will come any more."""
        while not self.is_over:
            self._wake.clear()
            text = await self._words()
            if text is None and self.end is None and not await self._news():
                text = self._sign_of_life()
            if text:
                self._silent_from_s = self._streams.clock.monotonic()
                return text
        return None

    async def _words(self) -> bytes | None:
        """What there is to say now; None when there is nothing, and empty when there may be more at once."""
        if self._said is None:
            return await self._begin()
        if self.end is not None:
            self.is_over = True
            return None if self.end == DISCONNECTED else self._notice("bye", self.end)
        before = self.position
        taken = self._streams.live.after(self.position, self._wanted)
        if taken is None:
            return await self._from_log()
        text = self._give(taken, taken.position)
        return text or (b"" if self.position > before else None)

    def _give(self, taken: Taken, position: int) -> bytes:
        """The text of *taken*; all up to *position* was looked at."""
        self.position = position
        self._said = self._said if taken.told is None else taken.told
        return taken.text

    def _notice(self, kind: str, reason: str | None = None) -> bytes:
        self._said = self.position
        return notice(kind, self.position, reason)

    async def _begin(self) -> bytes:
        head, generation = await self._streams.log.head(), await self._streams.log.generation()
        self._streams.live.reach(head)
        resync = _why_not(self._place, head, generation)
        if resync is not None:
            self._streams.counts.resyncs[resync] += 1
        self._said = self.position = head if self._place is None or resync is not None else self._place.position
        return opening(self.position, generation, resync=resync)

    def _resync(self, reason: str) -> bytes:
        self._streams.counts.resyncs[reason] += 1
        return self._notice("resync", reason)

    # --- the log ------------------------------------------------------------------------------

    async def _from_log(self) -> bytes | None:
        try:
            async with self._streams.reads:
                return await self._read()
        except BadEnvelope as error:
            return self._around(error)
        except Unavailable as error:
            _log.warning("stream waits for the log", code=error.code, reason=str(error))
            return None

    async def _read(self) -> bytes | None:
        """One write's worth from the log. Nothing of what else was read is kept: it is read again when it is due."""
        log = self._streams.log
        head = await log.head()
        if head - self.position > limits.STREAM_BACKLOG_MAX:
            self.position = head
            return self._resync(TOO_FAR_BEHIND)
        if head <= self.position:
            return None  # the log is behind the bus: what was delivered will be there soon
        found = await log.after(self.position, count_max=self._count_max, filter=self._wanted.of_log)
        return self._taken(found, head)

    def _taken(self, found: Events, head: int) -> bytes:
        frames = [frame_of(event) for event in found]
        taken = take(frames, self._wanted, self.position)
        is_end = taken.is_all and not found.has_more
        self._count_max = min(_fitting(frames), self._count_max * 2) if frames else self._count_max
        return self._give(taken, max(taken.position, head) if is_end else taken.position)

    def _around(self, error: BadEnvelope) -> bytes:
        """Read up to an event that cannot be decoded, say so, and go on behind it."""
        bad = self.position + 1 if error.position is None else error.position
        between = bad - self.position - 1
        if between > 0 and self._count_max > 1:  # those between are given first
            self._count_max = min(between, self._count_max // 2)
            return b""
        self.position = bad
        return self._resync(EVENT_UNREADABLE)

    # --- waiting ------------------------------------------------------------------------------

    async def _news(self) -> bool:
        """Wait for something new; False when the reader should hear a sign of life first."""
        silent_s = self._streams.clock.monotonic() - self._silent_from_s
        is_behind = self.position < self._streams.live.head
        left_s = max(limits.STREAM_KEEP_ALIVE_S - silent_s, 0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left_s, limits.POLL_S) if is_behind else left_s):
                await self._wake.wait()
                return True
        return is_behind and left_s > limits.POLL_S

    def _sign_of_life(self) -> bytes:
        """A reader of few events hears how far it is, so that it need not go back when it comes again."""
        return KEEP_ALIVE if self.position == self._said else self._notice("checkpoint")


def _why_not(place: Place | None, head: int, generation: str) -> str | None:
    """Why a reader cannot go on at *place*; None when it can."""
    if place is None:
        return None
    if place.generation not in {None, generation}:
        return OTHER_HISTORY
    return BEYOND_HEAD if place.position > head else None


def _fitting(frames: list[Frame]) -> int:
    """How many events of this size fit into one write."""
    mean = sum(len(frame.text) for frame in frames) // len(frames)
    return min(max(limits.STREAM_CHUNK_BYTES // mean, 1), limits.STREAM_READ_EVENTS_MAX)


class Streams:
    """
    All streams of one service.

    Args:
        live: Its loop runs for as long as there are streams.
    """

    def __init__(self, live: LiveEvents, log: EventLog, *, clock: Clock) -> None:
        self.live = live
        self.log = log
        self.clock = clock
        self.reads = asyncio.Semaphore(1)
        """One stream reads the log at a time: beside them there is always a reader for questions."""
        self.counts = Counts()
        self._open: set[Stream] = set()
        self.is_stopping = False
        """True once every stream ends right after its beginning."""
        self._none_left = asyncio.Event()

    @property
    def open_count(self) -> int:
        return len(self._open)

    def open(self, wanted: StreamFilter, *, place: Place | None, abort: Callable[[], None]) -> Stream:
        """
        A stream; close it. While the service stops it says so at once.

        Raises:
            TooManyStreams: `limits.STREAMS_MAX` are open.
        """
        if len(self._open) >= limits.STREAMS_MAX:
            self.counts.refused += 1
            raise TooManyStreams(f"{limits.STREAMS_MAX} streams are open")
        stream = Stream(self, wanted, place, abort)
        if self.is_stopping:
            stream.end_by(SHUTDOWN)
        self._open.add(stream)
        self.live.join(stream.wake)
        return stream

    def close(self, stream: Stream) -> None:
        """Forget it. Safe to call twice."""
        if stream not in self._open:
            return
        self._open.discard(stream)
        self.live.leave(stream.wake)
        self.counts.ended[stream.end or DISCONNECTED] += 1
        if not self._open:
            self._none_left.set()

    async def stop(self) -> None:
        """End every stream, with a `bye` to who takes it within `limits.STREAM_BYE_S`. Safe to call twice."""
        self.is_stopping = True
        self._none_left.clear()
        for stream in self._open:
            stream.end_by(SHUTDOWN)
        if not self._open:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.STREAM_BYE_S):
                await self._none_left.wait()
        for stream in tuple(self._open):
            stream.abort()
