"""The services, as a program that may block sees them."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx2

from observatory.client import calls, transport
from observatory.client.address import Address
from observatory.client.calls import Call, Page, Reply, Submission
from observatory.client.errors import NotReachable, ServiceFailed
from observatory.client.waiting import Waiting, is_final
from observatory.core import limits
from observatory.core.job import JsonObject
from observatory.core.sources import Clock


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


class Api:
    """
    Reads go to the read model, writes to the gateway. Every call has a time-out.

    Jobs, events and lists come back as the JSON that the contracts describe: a newer service may
    add fields and statuses. Not for several threads at once.

    Errors of every method:
        RequestRefused: The service said no; nothing was stored; do not repeat.
        NotReachable, ServiceFailed: Repeat later, a write only with an idempotency key.
        BadAnswer: Something else answered.

    Args:
        clock: For `wait`.
        http: Takes the place of the network; for tests.
        pause: Waits so many seconds; for tests.
    """

    def __init__(
        self,
        address: Address,
        *,
        clock: Clock,
        http: httpx2.BaseTransport | None = None,
        pause: transport.Pause = _pause,
    ) -> None:
        self.address = address
        self._clock = clock
        self._pause = pause
        self._read_model = address.read_model
        self._http = httpx2.Client(transport=http, **transport.options(address))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections. Safe to call twice."""
        self._http.close()

    # --- writes ---

    def submit(self, request: JsonObject, *, idempotency_key: str | None = None) -> Submission:
        """
        Have one job accepted (`contracts/schemas/job-request`). When this returns, the job is durable.

        With an idempotency key a repetition finds the first job; without one it makes another.
        """
        call = calls.submit(request, idempotency_key)
        return calls.submission(call, self._reply(call))

    def submit_batch(self, requests: Sequence[JsonObject]) -> list[JsonObject]:
        """
        Have many jobs accepted: one answer per request, in order, each `{"job": …}` or `{"error": …}`.

        More than `limits.BATCH_JOBS_MAX`, or more bytes than one body holds, go in several requests;
        when one of them fails, those before it took effect.
        """
        answers: list[JsonObject] = []
        for portion in calls.portions(requests):
            call = calls.post("/jobs/batch", portion)
            answers += calls.batch_items(call, self._value(call), len(portion))
        return answers

    def cancel(self, job_id: str) -> JsonObject:
        """Cancel a job that waits, or ask a running one to stop; the job as it is then."""
        return self._object(calls.post(calls.of_job(job_id, "/cancel")))

    # --- reads ---

    def job(self, job_id: str) -> JsonObject:
        """The job. RequestRefused with `unknown_job` when there is none."""
        return self._object(calls.get("read_model", calls.of_job(job_id)))

    def jobs(
        self,
        *,
        status: str | None = None,
        type: str | None = None,
        queue: str | None = None,
        correlation_id: str | None = None,
        cursor: str | None = None,
        count_max: int = limits.PAGE_ITEMS_DEFAULT,
    ) -> Page:
        """Jobs that match, newest first."""
        call = calls.get(
            "read_model",
            "/jobs",
            status=status,
            type=type,
            queue=queue,
            correlationId=correlation_id,
            cursor=cursor,
            limit=count_max,
        )
        return calls.page(call, self._value(call))

    def recent(self, *, count_max: int | None = None) -> list[JsonObject]:
        """The newest jobs."""
        call = calls.get("read_model", "/jobs/recent", limit=count_max)
        return calls.objects(call, self._value(call))

    def events(
        self,
        *,
        job_id: str | None = None,
        cursor: str | None = None,
        count_max: int = limits.PAGE_ITEMS_DEFAULT,
    ) -> Page:
        """Events of all jobs or of one, in order of position."""
        call = calls.get("read_model", "/events", jobId=job_id, cursor=cursor, limit=count_max)
        return calls.page(call, self._value(call))

    def job_events(self, job_id: str, *, cursor: str | None = None) -> Page:
        """The history of one job, from its first event on."""
        call = calls.get("read_model", calls.of_job(job_id, "/events"), cursor=cursor)
        return calls.page(call, self._value(call))

    def explain(self, job_id: str) -> JsonObject:
        """Why the job is where it is."""
        return self._object(calls.get("read_model", calls.of_job(job_id, "/explain")))

    def stats(self) -> JsonObject:
        """What the event history adds up to, with its position and age."""
        return self._object(calls.get("read_model", "/stats"))

    def queues(self) -> Page:
        return self._list("/queues")

    def workers(self) -> Page:
        return self._list("/workers")

    def types(self) -> Page:
        return self._list("/types")

    def wait(self, job_id: str, timeout_s: float | None) -> JsonObject:
        """
        The job once it is final.

        Bears a service that is away for up to `limits.WAIT_UNREACHABLE_S_MAX`.

        Args:
            timeout_s: None means as long as it takes.

        Raises:
            WaitedTooLong: It was not final in time. It goes on.
        """
        waiting = Waiting(job_id, timeout_s, self._clock.monotonic())
        while True:
            try:
                job = self.job(job_id)
            except (NotReachable, ServiceFailed) as error:
                pause_s = waiting.failed(error, self._clock.monotonic())
            else:
                if is_final(job):
                    return job
                pause_s = waiting.seen(job, self._clock.monotonic())
            self._pause(pause_s)

    # --- one call ---

    def _list(self, path: str) -> Page:
        call = calls.get("read_model", path)
        return calls.page(call, self._value(call))

    def _object(self, call: Call) -> JsonObject:
        return calls.an_object(call, self._value(call))

    def _value(self, call: Call) -> Any:
        return calls.understood(call, self._reply(call))

    def _reply(self, call: Call) -> Reply:
        url = self._gateway_url() if call.service == "gateway" else self._read_model_url()
        return self._send(call, url)

    def _send(self, call: Call, url: str) -> Reply:
        try:
            return transport.reply(self._http.send(transport.request(self._http, call, url, self.address.token)))
        except httpx2.RequestError as error:
            raise transport.not_reachable(error, call, url, self.address) from error

    def _gateway_url(self) -> str:
        if self.address.gateway is None:
            raise transport.no_gateway()
        return self.address.gateway

    def _read_model_url(self) -> str:
        """As named, or as the gateway's index says; asked once."""
        if self._read_model is None:
            call = calls.get("gateway", "/")
            reply = self._send(call, self._gateway_url())
            self._read_model = transport.read_model_link(calls.read_model_of(reply), self.address)
        return self._read_model
