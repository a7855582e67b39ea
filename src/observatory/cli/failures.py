"""Which exit code and which three lines each error means."""

from typing import cast

import msgspec

from observatory.cli.exit_codes import ExitCode
from observatory.client.errors import BadAnswer, NotReachable, RequestRefused, ServiceFailed, WaitedTooLong
from observatory.core.errors import BadSettings, CannotStart, ObservatoryError, Refused, Unavailable

_REJECTED = frozenset({400, 409, 413, 415, 422})
"""The statuses that speak about what was sent."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Why a command did not do what it was asked."""

    exit_code: ExitCode
    code: str
    """Stable word for machines."""
    what: str
    why: str = ""
    remedy: str = ""
    pointer: str | None = None
    """Place in the body at fault; None when it concerns the whole."""


class UsageError(Exception):
    """The command is written wrongly in a way that only we can see."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy


class OutputLost(OSError):
    """Standard output does not take the data: the disk behind it is full, or it is broken."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written ({(error.strerror or str(error)).lower()})")


def failure_of(error: Exception) -> Failure | None:
    """What *error* means; None when it is a fault of this program."""
    if isinstance(error, ExceptionGroup):
        leaves = [failure_of(leaf) for leaf in cast("ExceptionGroup[Exception]", error).exceptions]
        return next((leaf for leaf in leaves if leaf is not None), None)
    if isinstance(error, UsageError):
        return Failure(exit_code=ExitCode.USAGE, code="usage", what=str(error), remedy=error.remedy)
    if isinstance(error, OutputLost):
        why = "what the command did before it printed stays done"
        return Failure(exit_code=ExitCode.FAILED, code="output_failed", what=str(error), why=why)
    if isinstance(error, RequestRefused):
        return _refused(error)
    if isinstance(error, ObservatoryError):
        why = error.why if isinstance(error, NotReachable) else ""
        pointer = error.pointer if isinstance(error, Refused) else None
        return Failure(
            exit_code=_exit_code(error),
            code=error.code,
            what=str(error),
            why=why,
            remedy=error.remedy or _remedy(error),
            pointer=pointer,
        )
    return None


def _exit_code(error: ObservatoryError) -> ExitCode:
    if isinstance(error, Unavailable | BadAnswer):
        return ExitCode.NOT_REACHABLE
    if isinstance(error, WaitedTooLong):
        return ExitCode.TIMED_OUT
    # A refusal without a service is one of ours: a bad address, an unknown schema.
    if isinstance(error, BadSettings | Refused) and not isinstance(error, RequestRefused):
        return ExitCode.USAGE
    assert isinstance(error, CannotStart | RequestRefused | ObservatoryError)
    return ExitCode.FAILED


def _remedy(error: ObservatoryError) -> str:
    if isinstance(error, ServiceFailed):
        if error.is_read:
            return "ask again in a moment"
        return "try again in a moment; a submit only with the same --key"
    if isinstance(error, WaitedTooLong):
        return f"it goes on; look again:  odd-dashboard job {error.job.get('id', 'ID')}"
    return ""


def _refused(error: RequestRefused) -> Failure:
    at = f" (at {error.pointer})" if error.pointer else ""
    return Failure(
        exit_code=ExitCode.REJECTED if error.status in _REJECTED else ExitCode.FAILED,
        code=error.code,
        what=f"{error.detail}{at}",
        why=f"refused with {error.status} {error.code}",
        remedy=_cure(error),
        pointer=error.pointer,
    )


def _cure(error: RequestRefused) -> str:
    if error.status in {401, 403}:
        return "writes need the token of the data folder: name it with --data-dir, or set ODD_TOKEN"
    if error.code == "unknown_schedule":
        return "see which there are:  odd-dashboard schedules"
    if error.status == 404:
        return "see which there are:  odd-dashboard jobs"
    return ""
