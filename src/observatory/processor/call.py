"""One call of a handler: what every isolation needs to make it and to say how it ended."""

from typing import Any

import msgspec

from observatory.core.handler import Handler
from observatory.core.job import JsonObject
from observatory.processor import ending
from observatory.processor.context import AttemptFacts, JobContext, StopFlag, StopReason


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one attempt but where it runs."""

    handler: Handler
    attempt: AttemptFacts
    context: JobContext
    arguments: JsonObject
    """The payload as the handler takes it: converted to the types it declares."""
    stop: StopFlag

    def make(self) -> Any:
        """Call the handler; gives a coroutine if it is an async one."""
        return self.handler.function(self.context, **self.arguments)

    def make_to_the_end(self) -> ending.Ended:
        """Call a handler that is not async. Never raises: a SystemExit is a failed attempt and no more."""
        try:
            return ending.returned(self.make())
        except BaseException as error:  # noqa: BLE001 — see above
            return self.raised(error)

    def raised(self, error: BaseException) -> ending.Ended:
        return ending.raised(error, asked=self.stop.reason, timeout_s=self.attempt.timeout_s)

    def stopped(self, reason: StopReason, how: str) -> ending.Ended:
        return ending.stopped(reason, how, timeout_s=self.attempt.timeout_s)

    def abandoned(self, reason: StopReason, how: str) -> ending.Ended:
        return ending.abandoned(reason, how, timeout_s=self.attempt.timeout_s)


def arguments_of(handler: Handler, payload: JsonObject) -> JsonObject:
    """
    The keyword arguments that *payload* stands for.

    Raises:
        InvalidJob: The payload does not fit the type.
    """
    return payload if handler.check_payload is None else handler.check_payload(payload)
