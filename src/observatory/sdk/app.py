"""The application: the job types that a team defines."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from observatory.core import limits
from observatory.core.handler import Handler, Isolation
from observatory.core.job import JsonObject
from observatory.core.retry import ExceptionClasses, RetryPolicy
from observatory.sdk.options import check_options, check_type_name, isolation_of
from observatory.sdk.payload import payload_of
from observatory.sdk.requests import NO_OPTIONS, JobOptions, JobRequest
from observatory.sdk.submitting import Aio, Submitter, TypeOrFunction, requested

if TYPE_CHECKING:
    from observatory.sdk.async_client import AsyncClient
    from observatory.sdk.client import Client, JobHandle
    from observatory.sdk.connection import Place
    from observatory.sdk.many import Submissions

Function = TypeVar("Function", bound=Callable[..., Any])
RunsIn = Literal["async", "thread", "process"]


class Observatory:
    """
    A set of job types, and the way to submit jobs of them.

        app = Observatory()

        @app.job("thumbnail", runs_in="process", timeout_s=30)
        def thumbnail(ctx: JobContext, *, path: str, width: int = 256) -> dict: ...

        handle = app.submit(thumbnail, path="a.jpg")
        handle.result(timeout_s=60)

    Several threads may use it at once, and a forked process goes on with connections of its own.

    Args:
        url: Of the gateway. None is `ODD_GATEWAY_URL`, else the observatory that runs in the data folder. It is
            looked up at the first submit; an application that only defines types needs none.
        token: None is `ODD_TOKEN`, else the data folder's own.
        data_dir: None is `ODD_DATA_DIR`, else the user's data folder.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, data_dir: str | None = None) -> None:
        self._handlers: dict[str, Handler] = {}
        self._target = (url, token, data_dir)
        self._client: Client | None = None
        self._async_client: AsyncClient | None = None
        self.aio = Aio(self)
        """The same calls for coroutines: `await app.aio.submit(...)`."""

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """By type, in the order of their definition; follows later definitions."""
        return MappingProxyType(self._handlers)

    def job(
        self,
        type: str,
        *,
        runs_in: RunsIn | Isolation | None = None,
        max_attempts: int = limits.ATTEMPTS_DEFAULT,
        timeout_s: float = limits.TIMEOUT_S_DEFAULT,
        soft_timeout_s: float | None = None,
        memory_bytes_max: int | None = None,
        retry: RetryPolicy | None = None,
        retry_on: ExceptionClasses | None = None,
        discard_on: ExceptionClasses = (),
    ) -> Callable[[Function], Function]:
        """
        Define a job type; the function stays as it is.

        The function takes the context first. Its other parameters, by their annotations, say what a
        payload may be; together they take at most `limits.TYPE_SCHEMA_BYTES_MAX` as a JSON Schema. A default
        is a value that a payload could give.

        Args:
            type: Letters, digits, `.`, `_`, `-`; at most 50 characters, the first a letter or digit.
            runs_in: None is `async` for a coroutine function and `thread` for any other.
            timeout_s: Hard time-out of an attempt. A thread goes on after it and keeps its slot.
            soft_timeout_s: From here on `ctx.should_stop` is true.
            memory_bytes_max: How far the address space of the child process may grow during an
                attempt. Only with `runs_in="process"`; enforced by Linux.
            retry: The wait between two attempts.
            retry_on: Only attempts that raise one of these are followed by another one; None is any exception.
            discard_on: An attempt that raises one of these ends its job. The nearest class decides between the
                two; what the handler says by `Retry`, `Snooze` or `Discard` goes before both, and neither
                concerns what no exception ended: time-outs, crashes, lost leases, unusable results.

        Raises:
            TypeError: An option is no value of its kind, or the handler is no function.
            ValueError: The type is already there, a value is out of bounds, or the function cannot
                be a handler.
        """

        def define(function: Function) -> Function:
            isolation = isolation_of(type, function, runs_in)
            payload = payload_of(function, type)
            handler = Handler(
                type=type,
                function=function,
                runs_in=isolation,
                max_attempts=max_attempts,
                timeout_s=timeout_s,
                soft_timeout_s=soft_timeout_s,
                memory_bytes_max=memory_bytes_max,
                retry=RetryPolicy() if retry is None else retry,
                retry_on=retry_on,
                discard_on=discard_on,
                payload_schema=payload.schema,
                check_payload=payload.check,
            )
            check_options(handler)
            self._add(handler)
            return function

        check_type_name(type)
        return define

    def include(self, other: "Observatory") -> None:
        """
        Take over all job types of *other*, as they are now.

        Raises:
            ValueError: A type is defined here too; nothing was taken over.
        """
        for type_name in other.handlers:
            self._check_new(type_name)
        self._handlers.update(other.handlers)

    # --- submitting ---------------------------------------------------------------------------

    def submit(self, type: TypeOrFunction, /, **payload: Any) -> "JobHandle":
        """
        Have one job accepted, with the defaults of its type. When this returns, the job is durable.

        Inside a handler the job takes the correlation id of the job that submits it.

        Args:
            type: Its name, or the function that handles it.
            payload: The handler's parameters. Options have a call of their own: `options`.

        Raises:
            UnknownType, InvalidJob: Nothing was sent.
            RequestRefused, NotReachable, ServiceFailed: As `Client.submit`.
        """
        return self.client.send(requested(self, NO_OPTIONS, type, payload))

    def submit_in(self, connection: object, type: TypeOrFunction, /, **payload: Any) -> "JobHandle":
        """
        Have one job accepted in the transaction of *connection*: job and `job.created` appear with its commit, or not
        at all. Nothing is sent to a service, no connection is opened, and nothing is committed or rolled back here.

            with session.begin():
                session.add(Order(id=7))
                app.submit_in(session, send_invoice, order=7)

        What is refused leaves the transaction as it was. An idempotency key that another open transaction uses is
        waited for. The handle answers once the transaction is committed.

        Args:
            connection: To the PostgreSQL database of the observatory, inside a transaction: of psycopg 3, or a
                Connection or Session of SQLAlchemy over psycopg. Those whose calls are awaited: `app.aio.submit_in`.
            type, payload: As `submit`.

        Raises:
            TypeError: *connection* is none of those.
            NotInTransaction: It commits every statement by itself.
            UnknownType, InvalidJob, IdempotencyConflict: The job was refused.
            DatabaseUnusable, DataTooNew: The database has no schema that this release works with.
            WrongPlace: In test mode.

        Errors of the connection's own library are passed on; they abort the transaction as those of any statement.
        """
        return Submitter(self, NO_OPTIONS).submit_in(connection, type, **payload)

    def options(
        self,
        *,
        queue: str | None = None,
        priority: int | None = None,
        run_at: datetime | None = None,
        delay_s: float | None = None,
        idempotency_key: str | None = None,
        max_attempts: int | None = None,
        timeout_s: float | None = None,
        correlation_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Submitter:
        """
        How the jobs that are submitted through what this returns shall run; see `JobOptions`.

            app.options(queue="slow", delay_s=60).submit(thumbnail, path="a.jpg")
        """
        return Submitter(
            self,
            JobOptions(
                queue=queue,
                priority=priority,
                run_at=run_at,
                delay_s=delay_s,
                idempotency_key=idempotency_key,
                max_attempts=max_attempts,
                timeout_s=timeout_s,
                correlation_id=correlation_id,
                metadata=metadata,
            ),
        )

    def request(self, type: TypeOrFunction, /, **payload: Any) -> JobRequest:
        """
        One job to be submitted later, with others, or again: as `submit`, without sending anything.

        It holds an idempotency key, so that it makes one job, however often it is submitted.
        """
        return requested(self, NO_OPTIONS, type, payload)

    def submit_many(self, requests: Iterable[JobRequest]) -> "Submissions[JobHandle]":
        """
        Have many jobs accepted: `app.submit_many(app.request(thumbnail, path=path) for path in paths)`.

        As `Client.submit_many`: one outcome per request, in order; each is accepted or refused by itself.
        """
        return self.client.submit_many(requests)

    def handle(self, job_id: str) -> "JobHandle":
        """The handle of a job by its id. Asks nothing."""
        return self.client.handle(job_id)

    def wait_all(
        self, jobs: "Iterable[JobHandle | str]", timeout_s: float | None = limits.WAIT_S_DEFAULT
    ) -> list[JsonObject]:
        """The jobs once all of them are final, in the order given; as `Client.wait_all`."""
        return self.client.wait_all(jobs, timeout_s)

    @property
    def client(self) -> "Client":
        """The client that the calls above use; it reads lists and numbers, too."""
        if self._client is None:
            from observatory.sdk.client import Client

            url, token, data_dir = self._target
            self._client = Client(url, token=token, data_dir=data_dir)
        return self._client

    @property
    def async_client(self) -> "AsyncClient":
        if self._async_client is None:
            from observatory.sdk.async_client import AsyncClient

            url, token, data_dir = self._target
            self._async_client = AsyncClient(url, token=token, data_dir=data_dir)
        return self._async_client

    def close(self) -> None:
        """End the connections of `client`; the next call opens new ones. `await app.aio.close()` ends the others."""
        if self._client is not None:
            self._client.close()

    def speak_to(self, place: "Place | None") -> None:
        """Reach the services at *place* from now on, as the test mode does; None goes back to the usual ones."""
        from observatory.sdk.async_client import AsyncClient
        from observatory.sdk.client import Client

        self.close()
        self._client = None if place is None else Client.at(place)
        self._async_client = None if place is None else AsyncClient.at(place)

    def _add(self, handler: Handler) -> None:
        self._check_new(handler.type)
        self._handlers[handler.type] = handler

    def _check_new(self, type_name: str) -> None:
        if type_name in self._handlers:
            raise ValueError(f"the job type {type_name} is already defined")
