"""
What a stream says, as text in the form of Server-Sent Events.

A frame of kind `job` carries one envelope, every other one a `StreamNotice`. Each has the position up to which its
reader has then heard everything that it asked for, as its id: so a reader goes on from the last id that it saw.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from observatory.contracts.wire import StreamNotice
from observatory.core import limits
from observatory.core.event import Event
from observatory.event_log.port import EventFilter

KEEP_ALIVE: Final = b": keep-alive\n\n"
"""A comment: says that the connection lives, and nothing else."""

_encode: Final = msgspec.json.Encoder().encode


class Frame(msgspec.Struct, frozen=True):
    """One event, ready to be sent to any number of readers."""

    position: int
    job_id: str
    event_type: str
    job_type: str
    text: bytes


class StreamFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a reader wants; every field that is not None must match."""

    job_id: str | None = None
    event_type: str | None = None
    job_type: str | None = None

    @property
    def of_log(self) -> EventFilter | None:
        """The part that the log can look for; None when it is nothing."""
        if self.job_id is None and self.event_type is None:
            return None
        return EventFilter(job_id=self.job_id, event_type=self.event_type)

    def wants(self, frame: Frame) -> bool:
        return (
            self.job_id in {None, frame.job_id}
            and self.event_type in {None, frame.event_type}
            and self.job_type in {None, frame.job_type}
        )


def frame_of(event: Event) -> Frame:
    """The frame of an event that has its position."""
    assert event.position is not None, "an event without a position was committed by nobody"
    text = b"id: %d\nevent: job\ndata: %b\n\n" % (event.position, _encode(event))  # JSON holds no line break
    return Frame(event.position, event.job_id, str(event.event_type), str(event.payload.get("type")), text)


def notice(kind: str, position: int, reason: str | None = None, *, generation: str | None = None) -> bytes:
    """The frame of a notice: `checkpoint`, `resync` or `bye`."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (
        position,
        kind.encode(),
        _encode(StreamNotice(position=position, reason=reason, generation=generation)),
    )


def opening(position: int, generation: str, *, resync: str | None = None) -> bytes:
    """
    The beginning of every stream: how soon to come back, where it begins, and in which history.

    Args:
        resync: Why its reader cannot go on where it was; None when it can. One notice says all of it, so that no
            broken connection comes between a new position and the reason for it.
    """
    kind = "checkpoint" if resync is None else "resync"
    retry = b"retry: %d\n\n" % round(limits.STREAM_RETRY_S * 1000)
    return retry + notice(kind, position, resync, generation=generation)


class Taken(msgspec.Struct, frozen=True):
    """The beginning of some frames."""

    text: bytes
    """Of those that were wanted."""
    position: int
    """Up to which they were looked at."""
    told: int | None
    """The position of the last wanted one, which its reader hears; None when there is none."""
    is_all: bool


def take(frames: Iterable[Frame], wanted: StreamFilter, position: int) -> Taken:
    """As many of *frames*, which begin behind *position*, as fit into one write; at least the first wanted one."""
    texts: list[bytes] = []
    size = 0
    told: int | None = None
    for frame in frames:
        if wanted.wants(frame):
            if texts and size + len(frame.text) > limits.STREAM_CHUNK_BYTES:
                return Taken(b"".join(texts), position, told, is_all=False)
            texts.append(frame.text)
            size += len(frame.text)
            told = frame.position
        position = frame.position
    return Taken(b"".join(texts), position, told, is_all=True)
