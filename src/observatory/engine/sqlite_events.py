"""The row form of an event in the SQLite file: written by the job store, read by outbox and log."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from observatory.core.errors import BadEnvelope
from observatory.core.event import CONTRACT_VERSION, Event
from observatory.engine.bounded_reads import take
from observatory.engine.instants import from_us, to_us
from observatory.engine.producers import producer_of_text, text_of_producer
from observatory.engine.sqlite_rows import insert_rows
from observatory.engine.sqlite_text import DamagedRow

EVENT_COLUMNS = (
    "position, job_id, sequence, event_type, event_id, occurred_at, producer, correlation_id, causation_id, "
    "traceparent, payload"
)
VALUE_COLUMNS = EVENT_COLUMNS.split(", ")[1:]
"""Every column but the position, which the table gives."""
_TEXTS = slice(-1, None)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def event_values(event: Event) -> tuple[Any, ...]:
    """Values of `VALUE_COLUMNS`."""
    return (
        event.job_id,
        event.sequence,
        str(event.event_type),
        event.event_id,
        to_us(event.occurred_at),
        text_of_producer(event.producer),
        event.correlation_id,
        event.causation_id,
        event.traceparent,
        _encode(event.payload).decode(),
    )


def insert_events(connection: sqlite3.Connection, events: Sequence[Event]) -> list[tuple[Event, int]]:
    """Write *events* in order; gives each with its position, and the bytes of its payload."""
    rows = [event_values(event) for event in events]
    if not rows:
        return []
    last = insert_rows(connection, "events", VALUE_COLUMNS, rows)
    # AUTOINCREMENT counts on from the last position, and nobody else writes: the rows stand without a gap.
    first = last - len(rows) + 1
    return [
        (msgspec.structs.replace(event, position=position), len(row[-1]))
        for position, (event, row) in enumerate(zip(events, rows, strict=True), start=first)
    ]


def event_of_row(row: tuple[Any, ...]) -> Event:
    """The event of a row of `EVENT_COLUMNS`."""
    if type(row) is DamagedRow:
        raise ValueError("a text is not UTF-8")
    position, job_id, sequence, event_type, event_id, occurred_at, producer, correlation_id, cause, trace, payload = row
    return Event(
        contract_version=CONTRACT_VERSION,
        event_type=event_type,
        event_id=event_id,
        occurred_at=from_us(occurred_at),
        producer=producer_of_text(producer),
        correlation_id=correlation_id,
        idempotency_key=f"{job_id}:{sequence}",
        payload=_decode(payload),
        job_id=job_id,
        sequence=sequence,
        position=position,
        causation_id=cause,
        traceparent=trace,
    )


def read_events(
    connection: sqlite3.Connection, where_and_order: str, values: tuple[Any, ...], *, count_max: int
) -> tuple[list[Event], bool]:
    """
    The first events of `SELECT … FROM events` with what follows it, and whether there are more.

    At most *count_max*, and at most `limits.READ_BYTES_MAX` of payload; but always the first.

    Raises:
        BadEnvelope: A row is damaged.
    """
    sql = f"SELECT {EVENT_COLUMNS} FROM events {where_and_order} LIMIT ?"  # noqa: S608 — our text
    rows, has_more = take(connection.execute(sql, (*values, count_max + 1)), texts=_TEXTS, count_max=count_max)
    events: list[Event] = []
    for row in rows:
        try:
            events.append(event_of_row(row))
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
            raise BadEnvelope(f"the event at position {row[0]} cannot be read ({error})", position=row[0]) from error
    return events, has_more
