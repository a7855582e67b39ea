"""The histories of all jobs in little memory: open ones as JSON, the others as a fingerprint of 21 bytes."""

import contextlib
import struct
from collections.abc import AsyncGenerator, Iterator

import msgspec

from observatory.audit.history import History, fingerprint, normal
from observatory.core import limits
from observatory.core.errors import BadEnvelope
from observatory.core.event import Event
from observatory.core.job import FINAL, JobStatus
from observatory.event_log.port import EventLog

_PACKED = struct.Struct(">16sIB")
_STATUSES = tuple(JobStatus)
_STATUS_NUMBERS: dict[str, int] = {str(status): number for number, status in enumerate(_STATUSES)}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(History).decode


class Summary(msgspec.Struct, frozen=True):
    """What is compared with the row."""

    fingerprint: bytes
    sequence: int
    status: JobStatus


async def events_of(log: EventLog, job_id: str) -> AsyncGenerator[Event]:
    """All events of one job, in order of sequence, in pages."""
    sequence = 0
    while True:
        events = await log.of_job(job_id, after_sequence=sequence, count_max=limits.READ_EVENTS_MAX)
        for event in events:
            yield event
        if not events.has_more:
            return
        sequence = events[-1].sequence


class Histories:
    """
    Every job seen in the log. Only whole histories are kept.

    Memory: about a quarter of a kilobyte per job, and the documents of at most
    `limits.AUDIT_DOCUMENTS_MAX` open ones. An open one beyond that is packed; its next event
    reads what came before from the log again.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._open: dict[str, bytes] = {}
        self._packed: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._open) + len(self._packed)

    async def before(self, event: Event) -> History:
        """The history that *event* goes on with; it is taken out until it is kept again."""
        encoded = self._open.pop(event.job_id, None)
        if encoded is not None:
            return _decode(encoded)
        history = History(event.job_id)
        if self._packed.pop(event.job_id, None) is None:
            return history
        # A history cut short by a damaged event has no place for this one, which makes the job a suspect.
        with contextlib.suppress(BadEnvelope):
            async for earlier in events_of(self._log, event.job_id):
                if earlier.position is None or event.position is None or earlier.position >= event.position:
                    break
                history.take(earlier)
        return history

    def keep(self, history: History) -> None:
        """Put *history* back after its event."""
        if history.status in FINAL:
            self._packed[history.job_id] = _packed(history)
            return
        self._open[history.job_id] = _encode(history)
        if len(self._open) > limits.AUDIT_DOCUMENTS_MAX:
            oldest = next(iter(self._open))
            self._packed[oldest] = _packed(_decode(self._open.pop(oldest)))

    def take_out(self, job_id: str) -> Summary | None:
        """The job's summary, once; None when the log did not tell of it."""
        encoded = self._open.pop(job_id, None)
        packed = self._packed.pop(job_id, None) if encoded is None else _packed(_decode(encoded))
        if packed is None:
            return None
        digest, sequence, number = _PACKED.unpack(packed)
        return Summary(digest, sequence, _STATUSES[int(number)])

    def job_ids(self) -> Iterator[str]:
        """Of the jobs that were not taken out."""
        yield from self._open
        yield from self._packed


def _packed(history: History) -> bytes:
    assert history.document is not None, "only folded histories are kept"
    return _PACKED.pack(fingerprint(normal(history.document)), history.sequence, _STATUS_NUMBERS[history.status])
