"""Submitting many jobs: which portion answered what, in the order of the requests."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar, cast

from observatory.client import calls
from observatory.client.errors import RequestRefused, ServiceFailed
from observatory.core.errors import ObservatoryError
from observatory.core.job import JsonObject
from observatory.sdk.requests import JobRequest, NotAccepted

H = TypeVar("H")


class Submissions(Generic[H]):
    """
    What came of many requests: one outcome per request, in their order.

    A refused request costs the others nothing. Everything that has a handle is durable.
    """

    def __init__(self, outcomes: list[H | NotAccepted]) -> None:
        self.outcomes = outcomes
        """A handle, or why there is none."""

    def __len__(self) -> int:
        return len(self.outcomes)

    def __iter__(self) -> Iterator[H | NotAccepted]:
        return iter(self.outcomes)

    def __repr__(self) -> str:
        return f"<{len(self.handles)} of {len(self.outcomes)} jobs accepted>"

    @property
    def handles(self) -> list[H]:
        """Of the accepted ones, in order."""
        return [cast("H", one) for one in self.outcomes if not isinstance(one, NotAccepted)]

    @property
    def not_accepted(self) -> list[NotAccepted]:
        """
        The others, in order. `submit_many(one.request for one in ....not_accepted)` repeats them; each makes at
        most one job, even if it is only not known whether it made one already.
        """
        return [one for one in self.outcomes if isinstance(one, NotAccepted)]

    def raise_if_any(self) -> None:
        """Raise the error of the first request that was not accepted, with a note of how many there are."""
        missing = self.not_accepted
        if missing:
            error = missing[0].error
            error.add_note(f"request {missing[0].index}; {len(missing)} of {len(self)} were not accepted")
            raise error


class Portions(Generic[H]):
    """
    Requests on their way, portion by portion. Whoever sends says what came back.

    After a portion failed as a whole nothing more is sent: what is wrong with it, a token or a service that is
    away, is wrong with the rest.
    """

    def __init__(self, requests: Iterable[JobRequest]) -> None:
        self._requests = [_checked(index, one) for index, one in enumerate(requests)]
        self._outcomes: list[H | NotAccepted] = []

    def __iter__(self) -> Iterator[list[JsonObject]]:
        for portion in calls.portions([request.document for request in self._requests]):
            if self._is_over:
                return
            yield portion

    @property
    def _is_over(self) -> bool:
        return len(self._outcomes) == len(self._requests)

    def answered(self, items: Sequence[JsonObject], handles: Sequence[H | None]) -> None:
        """What the portion that is on its way was answered; *handles* has None where the answer is an error."""
        for item, handle in zip(items, handles, strict=True):
            if handle is None:
                self._miss(_error_of(cast("JsonObject", item["error"])))
            else:
                self._outcomes.append(handle)

    def failed(self, error: ObservatoryError) -> None:
        """The portion that is on its way was not answered, or was refused as a whole."""
        while not self._is_over:
            self._miss(error)

    def outcomes(self) -> Submissions[H]:
        assert self._is_over, "every portion was answered or failed"
        return Submissions(self._outcomes)

    def _miss(self, error: ObservatoryError) -> None:
        index = len(self._outcomes)
        self._outcomes.append(NotAccepted(index, self._requests[index], error))


def _checked(index: int, request: object) -> JobRequest:
    """
    Raises:
        TypeError: It is none; nothing was sent.
    """
    if not isinstance(request, JobRequest):
        kind = type(request).__name__
        raise TypeError(f"item {index} of submit_many is a {kind}; make requests with app.request(job, parameter=…)")
    return request


def _error_of(problem: JsonObject) -> ObservatoryError:
    status = problem.get("status")
    status = status if isinstance(status, int) else 0
    code = str(problem.get("code", f"http_{status}"))
    detail = str(problem.get("detail") or problem.get("title") or f"the gateway answered {status}")
    if status >= 500:
        return ServiceFailed(detail, status=status, code=code, problem=problem)
    faults = problem.get("errors")
    first = cast("JsonObject", faults[0]) if isinstance(faults, list) and faults else {}
    pointer = first.get("pointer")
    return RequestRefused(
        f"{detail} (at {pointer})" if pointer else detail, status=status, code=code, pointer=pointer, problem=problem
    )
