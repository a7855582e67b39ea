"""Errors of the client, which complete the tree in `core.errors`.

Refused
└── RequestRefused   a service said no (4xx), with its code and pointer
Unavailable
├── NotReachable     no answer: nothing listens, the connection broke, or the address is not known
└── ServiceFailed    a service answered that it cannot (5xx)
ObservatoryError
├── BadAnswer        something answered that is not one of our services
└── WaitedTooLong    the job was not final when the time was up
"""

from observatory.core.errors import ObservatoryError, Refused, Unavailable
from observatory.core.job import JsonObject


class RequestRefused(Refused):
    """
    A service refused the request; nothing was stored, and the same request is refused again.

    Args:
        status: The HTTP status.
        problem: The whole problem document.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str,
        pointer: str | None = None,
        problem: JsonObject | None = None,
    ) -> None:
        super().__init__(detail, code=code, pointer=pointer)
        self.status = status
        self.problem = problem or {}


class NotReachable(Unavailable):
    """
    There was no answer. Whether a write took effect is known only where `was_sent` is False.

    Args:
        problem: What did not work, with the address.
        why: What is known about the reason.
        remedy: What to do.
    """

    code = "not_reachable"

    def __init__(self, problem: str, *, why: str = "", remedy: str = "", was_sent: bool = False) -> None:
        super().__init__(problem)
        self.why = why
        self.remedy = remedy
        self.was_sent = was_sent


class ServiceFailed(Unavailable):
    """
    A service answered that it cannot do it now: repeat later, a write only with an idempotency key.

    Args:
        is_read: True when the request could change nothing.
    """

    def __init__(
        self, detail: str, *, status: int, code: str, problem: JsonObject | None = None, is_read: bool = False
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.problem = problem or {}
        self.is_read = is_read


class BadAnswer(ObservatoryError):
    """Something answered that does not speak our contract."""

    code = "bad_answer"
    remedy = "check the address: another program may listen there, or a much older or newer release"


class WaitedTooLong(ObservatoryError):
    """
    The job was not final when the time was up. It goes on.

    Args:
        job: The job as it was last seen.
    """

    code = "timed_out"

    def __init__(self, detail: str, *, job: JsonObject) -> None:
        super().__init__(detail)
        self.job = job
