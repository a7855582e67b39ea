"""The services as a program uses them: jobs go in, handles come back."""

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, Unpack

from observatory.client.api import Api
from observatory.client.calls import EventsAsked, JobsAsked, Page
from observatory.client.errors import NotReachable, RequestRefused, ServiceFailed
from observatory.core import limits
from observatory.core.errors import ObservatoryError
from observatory.core.job import JsonObject
from observatory.sdk.connection import Connection, Network, Place, Target
from observatory.sdk.errors import result_of
from observatory.sdk.many import Portions, Submissions
from observatory.sdk.requests import NO_OPTIONS, JobOptions, JobRequest, request_of
from observatory.sdk.waiting import Watch


class Client:
    """
    Submits jobs of any type and asks about them, without an application.

        with Client() as client:
            handle = client.submit("thumbnail", {"path": "a.jpg"}, JobOptions(queue="slow"))
            handle.result(timeout_s=60)

    The address is *url*, else `ODD_GATEWAY_URL`, else that of the observatory that runs in the data folder; it is
    looked up at the first call, and again when nothing answers there. Jobs, events and lists are the JSON that the
    contracts describe: a newer service may add fields and statuses.

    Several threads may use one client. A forked process goes on with connections of its own.

    Errors of every method:
        RequestRefused: The service said no; nothing was stored; do not repeat.
        NotReachable, ServiceFailed: No answer, or none that helps. Reads may be repeated.
        BadAnswer: Something else answered.
        WrongPlace: It would block the loop of the coroutine handler that calls; use `AsyncClient` there.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, data_dir: str | None = None) -> None:
        self._connection = Connection(Network(Target(url=url, token=token, data_dir=data_dir)))

    @classmethod
    def at(cls, place: Place) -> "Client":
        """The client of a place that is not on the network, such as that of the test mode."""
        client = cls()
        client._connection = Connection(place)
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def place(self) -> Place:
        return self._connection.place

    def close(self) -> None:
        """End the connections; the next call opens new ones. Safe to call twice."""
        self._connection.close()

    # --- jobs go in ---

    def submit(self, type: str, payload: JsonObject | None = None, options: JobOptions = NO_OPTIONS) -> "JobHandle":
        """
        Have one job accepted. When this returns, the job is durable.

        It is one job, however often the request had to be sent: it goes under an idempotency key, by default a fresh
        one, and is repeated for up to `limits.SUBMIT_PATIENCE_S` when a service does not answer.

        Raises:
            InvalidJob: An option or the payload is wrong; nothing was sent.
            NotReachable, ServiceFailed: It is not known whether the job exists. To be able to repeat the submit,
                make a `request` first and `send` it.
        """
        return self.send(self.request(type, payload, options))

    def request(
        self,
        type: str,
        payload: JsonObject | None = None,
        options: JobOptions = NO_OPTIONS,
        *,
        correlation_id: str | None = None,
    ) -> JobRequest:
        """One job to `send` or to `submit_many`, with its idempotency key. Sends nothing."""
        place = self.place
        return request_of(
            type, payload or {}, options, clock=place.clock, ids=place.ids, correlation_id=correlation_id
        )  # fmt: skip

    def send(self, request: JobRequest) -> "JobHandle":
        """As `submit`. Sending the same request again, whenever, gives the handle of the same job."""
        submission = self._connection.persist(lambda api: api.submit(request.document))
        return self._handle_of(submission.job, submission.warning)

    def submit_many(self, requests: Iterable[JobRequest]) -> "Submissions[JobHandle]":
        """
        Have many jobs accepted, in portions of at most `limits.BATCH_JOBS_MAX`; one outcome per request, in order.

        Each request is accepted or refused by itself. When a portion is not answered, its outcomes and all later
        ones carry the error, and `not_accepted` can be submitted again safely.
        """
        portions: Portions[JobHandle] = Portions(requests)
        for portion in portions:
            try:
                items = self._connection.persist(lambda api, sent=portion: api.submit_batch(sent))
            except ObservatoryError as error:
                portions.failed(error)
            else:
                portions.answered(items, [self._handle_in(item) for item in items])
        return portions.outcomes()

    # --- one job ---

    def handle(self, job_id: str) -> "JobHandle":
        """The handle of a job by its id. Asks nothing: whether there is such a job, its first use shows."""
        return JobHandle(self, job_id)

    def job(self, job_id: str) -> JsonObject:
        """The job as it is now. RequestRefused with `unknown_job` when there is none."""
        return self._connection.ask(lambda api: api.job(job_id))

    def explain(self, job_id: str) -> JsonObject:
        """Why the job is where it is: a `code`, a `summary`, the `evidence`, and the `change` that it waits for."""
        return self._connection.ask(lambda api: api.explain(job_id))

    def job_events(self, job_id: str) -> list[JsonObject]:
        """The whole history of one job, in order."""

        def read(api: Api) -> list[JsonObject]:
            page = api.job_events(job_id)
            events = page.items
            while page.next_cursor is not None:
                page = api.job_events(job_id, cursor=page.next_cursor)
                events += page.items
            return events

        return self._connection.ask(read)

    def cancel(self, job_id: str) -> JsonObject:
        """
        Cancel a job that waits, or ask a running one to stop; the job as it is then. May be repeated.

        RequestRefused with `illegal_transition` when it is COMPLETED or FAILED.
        """
        return self._connection.persist(lambda api: api.cancel(job_id))

    def retry(self, job_id: str) -> "JobHandle":
        """
        Have a new job accepted that does again what the final one did; it is one job, as with `submit`.

        RequestRefused with `job_not_final` when the job is not final.
        """
        key = f"sdk:{self.place.ids.new_id()}"
        return self._handle_of(self._connection.persist(lambda api: api.retry(job_id, idempotency_key=key)).job)

    def wait(self, job_id: str, timeout_s: float | None = limits.WAIT_S_DEFAULT) -> JsonObject:
        """
        The job once it is final, whatever its status is then.

        Looks often at first and once a second later. Bears services that are away, also at another address
        afterwards, for up to `limits.WAIT_UNREACHABLE_S_MAX`.

        Args:
            timeout_s: None means as long as it takes.

        Raises:
            ResultTimeout: It was not final in time. It goes on.
        """
        return self.wait_all([job_id], timeout_s)[0]

    def wait_all(
        self, jobs: Iterable["JobHandle | str"], timeout_s: float | None = limits.WAIT_S_DEFAULT
    ) -> list[JsonObject]:
        """
        The jobs once all of them are final, in the order given; as `wait`, with one time-out for all.

        One request is under way at a time, and about as many are made as there are jobs.
        """
        watch = Watch([one if isinstance(one, str) else one.id for one in jobs], timeout_s, self.place.clock)
        while (job_id := watch.job_id) is not None:
            try:
                watch.saw(self.job(job_id))
            except (NotReachable, ServiceFailed) as error:
                watch.failed(error)
            if watch.pause_s:
                self.place.pause(watch.pause_s)
        return watch.found

    # --- lists and numbers ---

    def jobs(self, **asked: Unpack[JobsAsked]) -> Page:
        """A page of the jobs that match, newest first; `next_cursor` leads to the next one."""
        return self._connection.ask(lambda api: api.jobs(**asked))

    def events(self, **asked: Unpack[EventsAsked]) -> Page:
        """A page of the events of all jobs or of one, in order of position."""
        return self._connection.ask(lambda api: api.events(**asked))

    def stats(self) -> JsonObject:
        """What the event history adds up to, with its position and age."""
        return self._connection.ask(lambda api: api.stats())

    def queues(self) -> Page:
        return self._connection.ask(lambda api: api.queues())

    def workers(self) -> Page:
        return self._connection.ask(lambda api: api.workers())

    def types(self) -> Page:
        return self._connection.ask(lambda api: api.types())

    def _handle_of(self, job: JsonObject, warning: str | None = None) -> "JobHandle":
        return JobHandle(self, str(job["id"]), job.get("type"), warning)

    def _handle_in(self, item: JsonObject) -> "JobHandle | None":
        return self._handle_of(item["job"], item.get("warning")) if "job" in item else None


class JobHandle:
    """
    One job, seen from the program that submitted it, or knows its id.

    Small: it holds the id and asks when it is used. It can be pickled; the one that reads it reaches the same address
    or data folder, with the token that is found there, for a token is never pickled. Errors: as `Client` says.
    """

    def __init__(self, client: Client, job_id: str, type: str | None = None, warning: str | None = None) -> None:
        self._client = client
        self.id = job_id
        self.type = type
        """None when the handle was made from an id alone."""
        self.warning = warning
        """What the gateway wanted the submitter to know, such as that no processor knows the type; usually None."""

    def __repr__(self) -> str:
        return f"<job {self.id}{f' ({self.type})' if self.type else ''}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobHandle) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        place = self._client.place
        if not isinstance(place, Network):
            raise TypeError("the handle of a job in test mode cannot be pickled: its job lives in this process alone")
        return handle_at, (place.target.url, place.target.data_dir, self.id, self.type)

    def job(self) -> JsonObject:
        """The job as it is now."""
        return self._client.job(self.id)

    def status(self) -> str:
        """PENDING, EXECUTING, COMPLETED…: `core.job.JobStatus` has them all; a newer service may have more."""
        return str(self.job().get("status"))

    def explain(self) -> JsonObject:
        """Why the job is where it is; see `Client.explain`."""
        return self._client.explain(self.id)

    def wait(self, timeout_s: float | None = limits.WAIT_S_DEFAULT) -> JsonObject:
        """The job once it is final, whatever came of it. ResultTimeout when the time is up."""
        return self._client.wait(self.id, timeout_s)

    def result(self, timeout_s: float | None = limits.WAIT_S_DEFAULT) -> Any:
        """
        What the handler returned, as JSON values; waits for it as `Client.wait` does.

        Raises:
            JobFailed: With the error of the last attempt and its traceback.
            JobCancelled: It was cancelled.
            ResultTimeout: It was not final in time. It goes on.
        """
        return result_of(self.wait(timeout_s))

    def cancel(self) -> bool:
        """Cancel the job, or ask its running attempt to stop. False when it was COMPLETED or FAILED already."""
        try:
            self._client.cancel(self.id)
        except RequestRefused as error:
            if error.status == 409:
                return False
            raise
        return True

    def retry(self) -> "JobHandle":
        """A new job that does again what this final one did."""
        return self._client.retry(self.id)

    def events(self) -> list[JsonObject]:
        """The whole history of the job, in order."""
        return self._client.job_events(self.id)


_clients: dict[tuple[str | None, str | None], Client] = {}
_clients_lock = threading.Lock()


def handle_at(url: str | None, data_dir: str | None, job_id: str, type: str | None) -> JobHandle:
    """A handle that was pickled; those of one address share a client."""
    with _clients_lock:
        client = _clients.setdefault((url, data_dir), Client(url, data_dir=data_dir))
    return JobHandle(client, job_id, type)
