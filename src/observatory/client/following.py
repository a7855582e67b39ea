"""What a reader of the stream hears, and how it comes back after a loss: pure, for both clients."""

import json
from typing import Any, Literal, TypedDict, cast

import msgspec

from observatory.client import calls
from observatory.client.calls import Call, Reply
from observatory.client.errors import BadAnswer, NotReachable, ServiceFailed
from observatory.client.sse import Message, SseParser
from observatory.core import limits
from observatory.core.job import JsonObject
from observatory.core.retry import RetryPolicy

MEDIA_TYPE = "text/event-stream"
_PAUSE_S_MIN = 0.1

HeardKind = Literal["connected", "job", "checkpoint", "resync", "bye", "lost"]


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a reader of the stream hears."""

    kind: HeardKind
    """
    `job`: an event. `checkpoint`: nothing else was wanted up to its position. `resync`: events between were not given;
    read the lists anew, then go on from its position. `bye`: the service ends the stream; a new connection follows.
    `lost`: the connection broke; after `pause_s` a new one is tried. `connected`: it is there, for the first time or
    again.
    """
    position: int | None
    """Up to which everything that was asked for was heard; None before the first word."""
    event: JsonObject | None = None
    """The envelope, of a `job`."""
    reason: str | None = None
    """Of a `resync`, `bye` or `lost`."""
    generation: str | None = None
    """Of the history that the position belongs to; None until the service has said it. Keep it with the position."""
    pause_s: float = 0.0


class FollowAsked(TypedDict, total=False):
    """The arguments of `follow`, for the clients that hand them on."""

    after: int | None
    generation: str | None
    job_id: str | None
    event_type: str | None
    job_type: str | None


class Following:
    """
    One reader's place in the stream, over any number of connections.

    Args:
        after: The first event has a greater position; None means those from now on.
        generation: Of the history that *after* is a position of, as an earlier `Heard` said; None when not known.
    """

    def __init__(
        self,
        *,
        after: int | None = None,
        generation: str | None = None,
        job_id: str | None = None,
        event_type: str | None = None,
        job_type: str | None = None,
    ) -> None:
        self._asked = calls.get("read_model", "/stream", jobId=job_id, type=event_type, jobType=job_type)
        self._parser = SseParser()
        self._retry_s = limits.STREAM_RETRY_S
        self._was_connected = False
        self._failures = 0
        self.position = after
        self.generation = generation

    def call(self) -> Call:
        """What to ask for next."""
        headers, params = {"Accept": MEDIA_TYPE}, self._asked.params
        if self.position is not None:
            headers["Last-Event-ID"] = str(self.position)
            if self.generation is not None:
                params = params | {"generation": self.generation}
        return msgspec.structs.replace(self._asked, headers=headers, params=params)

    def connected(self, reply: Reply) -> Heard:
        """
        There is an answer; of a good one the body is not read yet.

        Raises:
            RequestRefused, ServiceFailed, BadAnswer: It is no stream.
        """
        if reply.status != 200:
            calls.understood(self._asked, reply)
        media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if reply.status != 200 or media_type != MEDIA_TYPE:
            raise BadAnswer("GET /stream was answered with something that is no event stream")
        self._parser = SseParser()
        self._was_connected = True
        return self._heard("connected")

    def take(self, chunk: bytes) -> list[Heard]:
        """
        What *chunk* says.

        Raises:
            BadAnswer: It is not our stream.
        """
        messages = self._parser.feed(chunk)
        self._retry_s = self._parser.retry_s or self._retry_s
        heard = [one for one in map(self._understood, messages) if one is not None]
        if heard:
            self._failures = 0
        return heard

    def lost(self, error: NotReachable | ServiceFailed | None, chance: float) -> Heard:
        """
        The connection broke, or ended (*error* None). Its pause grows with every failure in a row.

        Args:
            chance: From 0 to 1; spreads the readers of one service that broke.

        Raises:
            NotReachable, ServiceFailed: *error*, when there has been no connection yet.
        """
        if error is not None and not self._was_connected:
            raise error
        self._failures += 1
        policy = RetryPolicy(base_s=self._retry_s, factor=2.0, cap_s=limits.STREAM_PAUSE_S_MAX)
        pause_s = max(policy.delay_s(self._failures, chance), _PAUSE_S_MIN)
        reason = "the stream ended" if error is None else str(error)
        return self._heard("lost", reason=reason, pause_s=pause_s)

    def _understood(self, message: Message) -> Heard | None:
        """None for what a newer service may say and we do not know, and for an event that was heard before."""
        if message.name == "job":
            return self._event(_object(message))
        if message.name not in {"checkpoint", "resync", "bye"}:
            return None
        notice = _object(message)
        self.position = _position(notice)
        generation, reason = notice.get("generation"), notice.get("reason")
        if isinstance(generation, str):
            self.generation = generation
        return self._heard(cast("HeardKind", message.name), reason=reason if isinstance(reason, str) else None)

    def _event(self, event: JsonObject) -> Heard | None:
        position = _position(event)
        if self.position is not None and position <= self.position:
            return None
        self.position = position
        return self._heard("job", event=event)

    def _heard(
        self, kind: HeardKind, *, event: JsonObject | None = None, reason: str | None = None, pause_s: float = 0.0
    ) -> Heard:
        return Heard(
            kind=kind, position=self.position, event=event, reason=reason, generation=self.generation, pause_s=pause_s
        )


def _object(message: Message) -> JsonObject:
    try:
        value: Any = json.loads(message.data)
    except ValueError:
        raise BadAnswer(f"the stream sent a {message.name} that is not JSON") from None
    if not isinstance(value, dict):
        raise BadAnswer(f"the stream sent a {message.name} that is no object")
    return cast("JsonObject", value)


def _position(document: JsonObject) -> int:
    position = document.get("position")
    if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position <= limits.JSON_INTEGER_MAX:
        raise BadAnswer("the stream sent something without a position")
    return position
