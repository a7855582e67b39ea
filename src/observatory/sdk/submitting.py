"""Submitting through an application: its types are known here, so a mistake is found before anything is sent."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from observatory.core import limits
from observatory.core.handler import Handler
from observatory.core.job import JsonObject
from observatory.processor.current import current_job
from observatory.sdk.arguments import did_you_mean, payload_for
from observatory.sdk.errors import UnknownType
from observatory.sdk.in_transaction import submit_in, submit_in_awaited
from observatory.sdk.requests import JobOptions, JobRequest

if TYPE_CHECKING:
    from observatory.sdk.async_client import AsyncClient, AsyncJobHandle
    from observatory.sdk.client import Client, JobHandle
    from observatory.sdk.many import Submissions

TypeOrFunction: TypeAlias = str | Callable[..., Any]


class Submits(Protocol):
    """What submitting needs of an application."""

    @property
    def handlers(self) -> Mapping[str, Handler]: ...

    @property
    def client(self) -> "Client": ...

    @property
    def async_client(self) -> "AsyncClient": ...


class Submitter:
    """
    Submits jobs of one application under options: what `Observatory.options` gives.

    Options and payload never meet: every keyword of `submit` is a parameter of the handler.
    """

    def __init__(self, app: Submits, options: JobOptions) -> None:
        self._app = app
        self._options = options

    def request(self, type: TypeOrFunction, /, **payload: Any) -> JobRequest:
        """As `Observatory.request`."""
        return requested(self._app, self._options, type, payload)

    def submit(self, type: TypeOrFunction, /, **payload: Any) -> "JobHandle":
        """As `Observatory.submit`."""
        return self._app.client.send(self.request(type, **payload))

    def submit_in(self, connection: object, type: TypeOrFunction, /, **payload: Any) -> "JobHandle":
        """As `Observatory.submit_in`."""
        request = self.request(type, **payload)
        return submit_in(self._app.client, connection, self._app.handlers[request.type], request)


class AsyncSubmitter:
    """As `Submitter`, awaited."""

    def __init__(self, app: Submits, options: JobOptions) -> None:
        self._app = app
        self._options = options

    def request(self, type: TypeOrFunction, /, **payload: Any) -> JobRequest:
        return requested(self._app, self._options, type, payload)

    async def submit(self, type: TypeOrFunction, /, **payload: Any) -> "AsyncJobHandle":
        return await self._app.async_client.send(self.request(type, **payload))

    async def submit_in(self, connection: object, type: TypeOrFunction, /, **payload: Any) -> "AsyncJobHandle":
        """As `Observatory.submit_in`, for an asyncpg connection and for the async ones of psycopg and SQLAlchemy."""
        request = self.request(type, **payload)
        return await submit_in_awaited(self._app.async_client, connection, self._app.handlers[request.type], request)


class Aio(AsyncSubmitter):
    """`app.aio`: the calls of `Observatory` that speak to the services, awaited, under the same names."""

    def __init__(self, app: Submits) -> None:
        super().__init__(app, JobOptions())

    @property
    def client(self) -> "AsyncClient":
        return self._app.async_client

    def options(self, **options: Any) -> AsyncSubmitter:
        """As `Observatory.options`, with the same keywords."""
        return AsyncSubmitter(self._app, JobOptions(**options))

    async def submit_many(self, requests: Iterable[JobRequest]) -> "Submissions[AsyncJobHandle]":
        return await self.client.submit_many(requests)

    def handle(self, job_id: str) -> "AsyncJobHandle":
        return self.client.handle(job_id)

    async def wait_all(
        self, jobs: Iterable["AsyncJobHandle | str"], timeout_s: float | None = limits.WAIT_S_DEFAULT
    ) -> list[JsonObject]:
        return await self.client.wait_all(jobs, timeout_s)

    async def close(self) -> None:
        """End the connections of the running loop, before it ends."""
        await self.client.close()


def requested(app: Submits, options: JobOptions, type: TypeOrFunction, payload: Mapping[str, Any]) -> JobRequest:
    """
    The checked request for one job.

    Raises:
        UnknownType: The application has no such type.
        InvalidJob: The payload does not fit the type, or an option is out of its bounds.
    """
    handler = handler_of(app.handlers, type)
    job = current_job.get()
    return app.client.request(
        handler.type,
        payload_for(handler, payload),
        options,
        correlation_id=None if job is None else job.correlation_id,
    )


def handler_of(handlers: Mapping[str, Handler], type: TypeOrFunction) -> Handler:
    """Raises UnknownType, with a type whose name is close."""
    if isinstance(type, str):
        if type in handlers:
            return handlers[type]
        raise UnknownType(f"this application has no job type {type!r}{did_you_mean(type, handlers)}{_REMEDY}")
    found = [handler for handler in handlers.values() if handler.function == type]
    name = getattr(type, "__name__", repr(type))
    if not found:
        raise UnknownType(f'{name} is no job of this application: decorate it with @app.job("{name}")')
    if len(found) > 1:
        types = ", ".join(handler.type for handler in found)
        raise UnknownType(f"{name} is the handler of several job types ({types}): submit one of them by its name")
    return found[0]


_REMEDY = " (a type that another application defines is submitted with observatory.Client)"
