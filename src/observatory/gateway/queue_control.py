"""What can be set for a queue, without HTTP."""

import re
from typing import Any, Final

import msgspec
import structlog

from observatory.contracts import is_valid, schema, validate
from observatory.contracts.wire import QueueConcurrencyRequest, QueuePauseRequest
from observatory.core.errors import Refused
from observatory.core.queue import QueueSetting
from observatory.edge.problem import InvalidRequest
from observatory.event_bus.port import EventBus
from observatory.gateway.submit import UNNAMED
from observatory.gateway.wakes import Wakes
from observatory.job_store.queues import Queues

_log = structlog.get_logger("observatory.gateway")

_NAME: Final = schema("job-request")["$defs"]["queueName"]
_IS_NAME: Final = re.compile(_NAME["pattern"].removesuffix("$") + r"\Z")


class QueueControl:
    """
    Pauses, resumes and limits queues. A queue exists by its name alone: one that has no job yet can be set as well.

    Every method may raise `StoreUnavailable` and may be repeated.
    """

    def __init__(self, queues: Queues, bus: EventBus) -> None:
        self._queues = queues
        self._wakes = Wakes(bus)

    async def pause(self, queue: str, document: Any) -> QueueSetting:
        """
        Let nothing more be claimed from *queue*. When this returns, nothing is; what runs goes on.

        One that is paused already keeps its first instant, caller and reason.

        Raises:
            Refused: `bad_queue_name`, `invalid_request`, or `TooManyQueues`.
        """
        _check_name(queue)
        said = _checked("queue-pause-request", document, QueuePauseRequest)
        setting = await self._queues.pause(queue, by=said.by or UNNAMED, reason=said.reason)
        _log.info("queue paused", queue=queue, by=setting.paused_by, reason=setting.pause_reason)
        return setting

    async def resume(self, queue: str) -> QueueSetting:
        """
        Let *queue* be claimed from again, at once. One that is not paused stays as it is.

        Raises:
            Refused: `bad_queue_name`.
        """
        _check_name(queue)
        setting = await self._queues.resume(queue)
        _log.info("queue resumed", queue=queue)
        await self._wakes.ready()
        return setting

    async def set_concurrency(self, queue: str, document: Any) -> QueueSetting:
        """
        Let at most so many jobs of *queue* be leased at the same time, over all processors.

        Raises:
            Refused: `bad_queue_name`, `invalid_request`, or `TooManyQueues`.
        """
        _check_name(queue)
        said = _checked("queue-concurrency-request", document, QueueConcurrencyRequest)
        setting = await self._queues.set_concurrency(queue, said.concurrency_max)
        _log.info("queue limited", queue=queue, concurrency_max=setting.concurrency_max)
        await self._wakes.ready()
        return setting


def _check_name(queue: str) -> None:
    if _IS_NAME.match(queue) is None:
        raise Refused(f"the name of a queue {_NAME['x-rule']}", code="bad_queue_name")


def _checked(contract: str, document: Any, into: Any) -> Any:
    if not is_valid(contract, document):
        raise InvalidRequest(validate(contract, document))
    return msgspec.convert(document, into, strict=False)
