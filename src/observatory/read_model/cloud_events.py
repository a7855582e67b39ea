"""Our events as CloudEvents 1.0, for readers that know those."""

from typing import Final

import msgspec

from observatory.contracts import schema_id
from observatory.core.event import Event
from observatory.core.job import JsonObject

MEDIA_TYPE: Final = "application/cloudevents-batch+json"
TYPE_PREFIX: Final = "io.task-observatory."


def cloud_event(event: Event) -> JsonObject:
    """*event* in structured mode. Extension names have lower-case letters and digits only."""
    said: JsonObject = {
        "specversion": "1.0",
        "id": event.event_id,
        "type": TYPE_PREFIX + event.event_type,
        "source": f"/task-observatory/{event.producer.service}/{event.producer.instance_id}",
        "subject": event.job_id,
        "time": msgspec.to_builtins(event.occurred_at),
        "datacontenttype": "application/json",
        "dataschema": schema_id("event-envelope"),
        "data": event.payload,
        "producerversion": event.producer.version,
        "correlationid": event.correlation_id,
        "idempotencykey": event.idempotency_key,
        "sequence": str(event.sequence),
        "position": str(event.position),
        "causationid": event.causation_id,
        "traceparent": event.traceparent,
    }
    return {name: value for name, value in said.items() if value is not None}
