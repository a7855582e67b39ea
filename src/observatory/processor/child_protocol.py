"""
What a processor and its child say to each other: JSON messages, each behind its length in four bytes.

    processor                                child
    Hello {app, clock, sysPath}   ─────────▶ imports the application
                                  ◀───────── Ready, or NotReady {error} and its end
    Run {attempt, payload, …}     ─────────▶ calls the handler
    Ask {jobId, fence, reason}    ─────────▶ shows it to the handler that runs
                                  ◀───────── Progressed {jobId, fence, progress}, seldom
                                  ◀───────── Done {jobId, fence, ended, …}

What is said about one attempt names it, by job and fence: nothing that is said late, or by somebody
who should not speak, is taken for a word about another attempt. Nothing is pickled, and a message
names a job type, never something to import; only `Hello`, which comes from the settings of the
processor, names the application. What handlers print and log takes another way: a pipe that holds nothing else.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.job import JobError, JsonObject, Progress
from observatory.processor.context import AttemptFacts, StopReason
from observatory.processor.ending import Ended

LENGTH_BYTES = 4


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The first message: what this child is for."""

    app: str
    """`module:attribute` of the application."""
    clock: str
    """`module:attribute` of the class of the processor's clock, which is made without arguments."""
    sys_path: list[str]
    """Where the processor finds its modules; the child finds them in the same places."""


class Run(msgspec.Struct, frozen=True, tag=True):
    """Call the handler of `attempt.type` once."""

    attempt: AttemptFacts
    payload: JsonObject
    memory_bytes_max: int | None


class Ask(msgspec.Struct, frozen=True, tag=True):
    """The running attempt should stop. Without effect when another one runs by now."""

    job_id: str
    fence: int
    reason: StopReason


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The application is imported."""


class NotReady(msgspec.Struct, frozen=True, tag=True):
    """The application could not be imported; the child ends."""

    error: JobError


class Progressed(msgspec.Struct, frozen=True, tag=True):
    """The running attempt says how far it is. No answer to anything."""

    job_id: str
    fence: int
    progress: Progress

    def is_of(self, attempt: AttemptFacts) -> bool:
        """Whether it is about *attempt*."""
        return (self.job_id, self.fence) == (attempt.job_id, attempt.fence)


class Done(msgspec.Struct, frozen=True, tag=True):
    """The handler of this attempt came back."""

    job_id: str
    fence: int
    ended: Ended
    left_behind: str | None = None
    """What the attempt left in the child that no other attempt shall meet; None if the child can be kept."""

    def is_of(self, attempt: AttemptFacts) -> bool:
        """Whether it answers for *attempt*."""
        return (self.job_id, self.fence) == (attempt.job_id, attempt.fence)


ToChild = Hello | Run | Ask
FromChild = Ready | NotReady | Progressed | Done
decode_to_child = msgspec.json.Decoder(ToChild).decode
decode_from_child = msgspec.json.Decoder(FromChild).decode


def framed(message: ToChild | FromChild) -> bytes:
    """*message* as it goes through the pipe."""
    body = msgspec.json.encode(message)
    assert len(body) <= limits.CHILD_MESSAGE_BYTES_MAX, "payload, result and error have their own, smaller limits"
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class Frames:
    """Puts messages together from the pieces in which a pipe gives them."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """
        The bodies that *piece* completes, in order.

        Raises:
            ValueError: A length is above the limit: this is not our protocol.
        """
        self._held += piece
        while len(self._held) >= LENGTH_BYTES:
            length = int.from_bytes(self._held[:LENGTH_BYTES], "big")
            if length > limits.CHILD_MESSAGE_BYTES_MAX:
                raise ValueError(f"a message of {length} bytes was announced")
            if len(self._held) < LENGTH_BYTES + length:
                return
            body = bytes(self._held[LENGTH_BYTES : LENGTH_BYTES + length])
            del self._held[: LENGTH_BYTES + length]
            yield body


def spec_of(cls: type[Any]) -> str:
    """`module:attribute` of *cls*."""
    return f"{cls.__module__}:{cls.__qualname__}"
