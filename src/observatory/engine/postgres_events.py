"""The row form of an event in PostgreSQL: staged by the job store, moved by the relay, read by bus and log."""

from collections.abc import Sequence
from typing import Any

import msgspec

from observatory.core import limits
from observatory.core.errors import BadEnvelope
from observatory.core.event import CONTRACT_VERSION, Event
from observatory.engine.postgres_database import Connection, Row
from observatory.engine.postgres_reads import bounded, has_more
from observatory.engine.producers import producer_of_text, text_of_producer

VALUE_COLUMNS = (
    "job_id, sequence, event_type, event_id, occurred_at, producer, correlation_id, causation_id, traceparent, payload"
)
"""Every column but the position or number, which the database gives."""
EVENT_COLUMNS = f"position, {VALUE_COLUMNS}"

VALUE_TYPES = ("text", "bigint", "text", "text", "timestamptz", "text", "text", "text", "text", "text")
"""Of `VALUE_COLUMNS`."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def event_values(event: Event) -> tuple[Any, ...]:
    """Values of `VALUE_COLUMNS`."""
    return (
        event.job_id,
        event.sequence,
        str(event.event_type),
        event.event_id,
        event.occurred_at,
        text_of_producer(event.producer),
        event.correlation_id,
        event.causation_id,
        event.traceparent,
        _encode(event.payload).decode(),
    )


def event_of_row(row: Row) -> Event:
    """
    The event of a row of `EVENT_COLUMNS`; its position is None while it waits in the outbox.

    Raises:
        BadEnvelope: The row is damaged.
    """
    try:
        return _event_of_row(row)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise BadEnvelope(f"the event at position {row[0]} cannot be read ({error})", position=row[0]) from error


def _event_of_row(row: Row) -> Event:
    position, job_id, sequence, event_type, event_id, occurred_at, producer, correlation_id, cause, trace, payload = row
    return Event(
        contract_version=CONTRACT_VERSION,
        event_type=event_type,
        event_id=event_id,
        occurred_at=occurred_at,
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


async def read_events(
    connection: Connection,
    condition: str,
    order: str,
    values: Sequence[Any],
    *,
    count_max: int,
    source: str = "observatory.events",
) -> tuple[list[Event], bool]:
    """
    The first events in *order* of those that meet *condition*, and whether there are more. One statement.

    At most *count_max*, and at most `limits.READ_BYTES_MAX` of payload; but always the first. What lies beyond the
    bounds is left at the server, and the payloads of it are not even looked up there.

    Args:
        condition: Over `EVENT_COLUMNS`, with *values* as `$1`, `$2`, …
        order: Columns of which no two events have the same, such as `position DESC`.
        source: A table or a subselect in parentheses that has `EVENT_COLUMNS`.

    Raises:
        BadEnvelope: A row is damaged.
    """
    count, bytes_ = f"${len(values) + 1}", f"${len(values) + 2}"
    chosen = (
        f"SELECT {EVENT_COLUMNS} FROM {source} AS events WHERE {condition} ORDER BY {order} LIMIT {count}::bigint + 1"  # noqa: S608
    )
    sql = bounded(chosen, columns=EVENT_COLUMNS, texts=["payload"], order=order, count_max=count, bytes_max=bytes_)
    found = await connection.fetch(sql, *values, count_max, limits.READ_BYTES_MAX)
    events = [event_of_row(row[:-1]) for row in found]
    return events, has_more(found)
