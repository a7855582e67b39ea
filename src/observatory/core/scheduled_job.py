"""The job that a tick makes."""

import hashlib
from datetime import datetime
from typing import Final

import msgspec

from observatory.core import limits
from observatory.core.handler import TypeInfo
from observatory.core.job import JsonObject, NewJob
from observatory.core.options import options_of
from observatory.core.schedule import Schedule, ScheduleDefinition
from observatory.core.sources import Ids
from observatory.core.strict_json import canonical

SCHEDULE_KEY: Final = "schedule"
TICK_KEY: Final = "tickAt"
"""In the metadata of a tick's job: what made it."""


def job_of_tick(schedule: Schedule, tick_at: datetime, *, info: TypeInfo | None, ids: Ids) -> NewJob:
    """
    The job of the tick *tick_at* of *schedule*, under a correlation id of its own.

    What the definition leaves open is decided by `core.options`.

    Args:
        info: Of the type; None when no processor has announced it.
    """
    definition = schedule.definition
    metadata = metadata_of_tick(definition.metadata, schedule.name, tick_at)
    options = options_of(definition, info)
    said: JsonObject = {"type": definition.type, "payload": definition.payload, "metadata": metadata}
    return NewJob(
        id=ids.new_id(),
        event_id=ids.new_id(),
        type=definition.type,
        payload=definition.payload,
        correlation_id=ids.new_id(),
        fingerprint=hashlib.sha256(canonical(said)).hexdigest(),
        queue=options.queue,
        priority=options.priority,
        max_attempts=options.max_attempts,
        timeout_seconds=options.timeout_seconds,
        metadata=metadata,
    )


def jobs_at_once(definition: ScheduleDefinition) -> int:
    """How many jobs of *definition* one transaction may hold."""
    size = len(msgspec.json.encode(definition))
    return min(max(limits.SCHEDULE_FIRE_BYTES_MAX // size, 1), limits.SCHEDULE_CATCH_UP_MAX)


def metadata_of_tick(given: JsonObject | None, name: str, tick_at: datetime) -> JsonObject:
    """*given* with the name of the schedule and the tick."""
    written = tick_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {**(given or {}), SCHEDULE_KEY: name, TICK_KEY: written}
