"""One call of a handler: what every isolation needs to make it and to say how it ended."""

from typing import Any

import msgspec

from observatory.core.command import Refuse
from observatory.core.errors import InvalidJob
from observatory.core.handler import Handler
from observatory.core.job import Job, JsonObject
from observatory.processor import ending
from observatory.processor.context import AttemptFacts, JobContext, StopFlag, StopReason
from observatory.processor.current import current_job
from observatory.processor.said import Said


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one attempt but where it runs."""

    handler: Handler
    attempt: AttemptFacts
    context: JobContext
    arguments: JsonObject
    """The payload as the handler takes it: converted to the types it declares."""
    stop: StopFlag
    said: Said

    def make(self) -> Any:
        """Call the handler, in a context of its own; gives a coroutine if it is an async one."""
        current_job.set(self.context)
        return self.handler.function(self.context, **self.arguments)

    def make_to_the_end(self) -> ending.Ended:
        """Call a handler that is not async. Never raises: a SystemExit is a failed attempt and no more."""
        try:
            return ending.returned(self.make())
        except BaseException as error:  # noqa: BLE001 — see above
            return self.raised(error)

    def raised(self, error: BaseException) -> ending.Ended:
        return ending.raised(error, asked=self.stop.reason, timeout_s=self.attempt.timeout_s, handler=self.handler)

    def stopped(self, reason: StopReason, how: str) -> ending.Ended:
        return ending.stopped(reason, how, timeout_s=self.attempt.timeout_s)

    def abandoned(self, reason: StopReason, how: str) -> ending.Ended:
        return ending.abandoned(reason, how, timeout_s=self.attempt.timeout_s)


def refusal_of(handler: Handler, job: Job) -> Refuse | None:
    """What refuses *job* before it begins; None when its payload fits, or when the check itself fails."""
    try:
        arguments_of(handler, job.payload)
    except InvalidJob as fault:
        error = ending.refused(fault).error
        assert error is not None, "a refusal says why"
        return Refuse(fence=job.fence, error=error)
    except Exception:  # noqa: BLE001 — a check may call code of the handler's author; its attempt will tell
        return None
    return None


def arguments_of(handler: Handler, payload: JsonObject) -> JsonObject:
    """
    The keyword arguments that *payload* stands for.

    Raises:
        InvalidJob: The payload does not fit the type.
    """
    return payload if handler.check_payload is None else handler.check_payload(payload)
