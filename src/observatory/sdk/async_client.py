"""The services as a program with an event loop uses them. Every guarantee is that of `sdk.client`."""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, Unpack

from observatory.client.async_api import AsyncApi
from observatory.client.calls import EventsAsked, JobsAsked, Page
from observatory.client.errors import NotReachable, RequestRefused, ServiceFailed
from observatory.core import limits
from observatory.core.errors import ObservatoryError
from observatory.core.job import JsonObject
from observatory.sdk.connection import AsyncConnection, Network, Place, Target
from observatory.sdk.errors import result_of
from observatory.sdk.many import Portions, Submissions
from observatory.sdk.requests import NO_OPTIONS, JobOptions, JobRequest, request_of
from observatory.sdk.waiting import Watch


class AsyncClient:
    """
    As `Client`, awaited. Several tasks and event loops may use one; each loop has connections of its own.

        async with AsyncClient() as client:
            handle = await client.submit("thumbnail", {"path": "a.jpg"})
            await handle.result(timeout_s=60)
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, data_dir: str | None = None) -> None:
        self._connection = AsyncConnection(Network(Target(url=url, token=token, data_dir=data_dir)))

    @classmethod
    def at(cls, place: Place) -> "AsyncClient":
        client = cls()
        client._connection = AsyncConnection(place)
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def place(self) -> Place:
        return self._connection.place

    async def close(self) -> None:
        """End the connections of the running loop, before it ends; the next call opens new ones."""
        await self._connection.close()

    async def submit(
        self, type: str, payload: JsonObject | None = None, options: JobOptions = NO_OPTIONS
    ) -> "AsyncJobHandle":
        return await self.send(self.request(type, payload, options))

    def request(
        self,
        type: str,
        payload: JsonObject | None = None,
        options: JobOptions = NO_OPTIONS,
        *,
        correlation_id: str | None = None,
    ) -> JobRequest:
        place = self.place
        return request_of(
            type, payload or {}, options, clock=place.clock, ids=place.ids, correlation_id=correlation_id
        )  # fmt: skip

    async def send(self, request: JobRequest) -> "AsyncJobHandle":
        submission = await self._connection.persist(lambda api: api.submit(request.document))
        return self._handle_of(submission.job, submission.warning)

    async def submit_many(self, requests: Iterable[JobRequest]) -> "Submissions[AsyncJobHandle]":
        portions: Portions[AsyncJobHandle] = Portions(requests)
        for portion in portions:
            try:
                items = await self._connection.persist(lambda api, sent=portion: api.submit_batch(sent))
            except ObservatoryError as error:
                portions.failed(error)
            else:
                portions.answered(items, [self._handle_in(item) for item in items])
        return portions.outcomes()

    def handle(self, job_id: str) -> "AsyncJobHandle":
        return AsyncJobHandle(self, job_id)

    async def job(self, job_id: str) -> JsonObject:
        return await self._connection.ask(lambda api: api.job(job_id))

    async def explain(self, job_id: str) -> JsonObject:
        return await self._connection.ask(lambda api: api.explain(job_id))

    async def job_events(self, job_id: str) -> list[JsonObject]:
        async def read(api: AsyncApi) -> list[JsonObject]:
            page = await api.job_events(job_id)
            events = page.items
            while page.next_cursor is not None:
                page = await api.job_events(job_id, cursor=page.next_cursor)
                events += page.items
            return events

        return await self._connection.ask(read)

    async def cancel(self, job_id: str) -> JsonObject:
        return await self._connection.persist(lambda api: api.cancel(job_id))

    async def retry(self, job_id: str) -> "AsyncJobHandle":
        key = f"sdk:{self.place.ids.new_id()}"
        submission = await self._connection.persist(lambda api: api.retry(job_id, idempotency_key=key))
        return self._handle_of(submission.job)

    async def wait(self, job_id: str, timeout_s: float | None = limits.WAIT_S_DEFAULT) -> JsonObject:
        return (await self.wait_all([job_id], timeout_s))[0]

    async def wait_all(
        self, jobs: Iterable["AsyncJobHandle | str"], timeout_s: float | None = limits.WAIT_S_DEFAULT
    ) -> list[JsonObject]:
        watch = Watch([one if isinstance(one, str) else one.id for one in jobs], timeout_s, self.place.clock)
        while (job_id := watch.job_id) is not None:
            try:
                watch.saw(await self.job(job_id))
            except (NotReachable, ServiceFailed) as error:
                watch.failed(error)
            if watch.pause_s:
                await self.place.pause_async(watch.pause_s)
        return watch.found

    async def jobs(self, **asked: Unpack[JobsAsked]) -> Page:
        return await self._connection.ask(lambda api: api.jobs(**asked))

    async def events(self, **asked: Unpack[EventsAsked]) -> Page:
        return await self._connection.ask(lambda api: api.events(**asked))

    async def stats(self) -> JsonObject:
        return await self._connection.ask(lambda api: api.stats())

    async def queues(self) -> Page:
        return await self._connection.ask(lambda api: api.queues())

    async def workers(self) -> Page:
        return await self._connection.ask(lambda api: api.workers())

    async def types(self) -> Page:
        return await self._connection.ask(lambda api: api.types())

    def _handle_of(self, job: JsonObject, warning: str | None = None) -> "AsyncJobHandle":
        return AsyncJobHandle(self, str(job["id"]), job.get("type"), warning)

    def _handle_in(self, item: JsonObject) -> "AsyncJobHandle | None":
        return self._handle_of(item["job"], item.get("warning")) if "job" in item else None


class AsyncJobHandle:
    """As `JobHandle`, awaited."""

    def __init__(self, client: AsyncClient, job_id: str, type: str | None = None, warning: str | None = None) -> None:
        self._client = client
        self.id = job_id
        self.type = type
        self.warning = warning

    def __repr__(self) -> str:
        return f"<job {self.id}{f' ({self.type})' if self.type else ''}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncJobHandle) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        place = self._client.place
        if not isinstance(place, Network):
            raise TypeError("the handle of a job in test mode cannot be pickled: its job lives in this process alone")
        return async_handle_at, (place.target.url, place.target.data_dir, self.id, self.type)

    async def job(self) -> JsonObject:
        return await self._client.job(self.id)

    async def status(self) -> str:
        return str((await self.job()).get("status"))

    async def explain(self) -> JsonObject:
        return await self._client.explain(self.id)

    async def wait(self, timeout_s: float | None = limits.WAIT_S_DEFAULT) -> JsonObject:
        return await self._client.wait(self.id, timeout_s)

    async def result(self, timeout_s: float | None = limits.WAIT_S_DEFAULT) -> Any:
        return result_of(await self.wait(timeout_s))

    async def cancel(self) -> bool:
        try:
            await self._client.cancel(self.id)
        except RequestRefused as error:
            if error.status == 409:
                return False
            raise
        return True

    async def retry(self) -> "AsyncJobHandle":
        return await self._client.retry(self.id)

    async def events(self) -> list[JsonObject]:
        return await self._client.job_events(self.id)


_clients: dict[tuple[str | None, str | None], AsyncClient] = {}


def async_handle_at(url: str | None, data_dir: str | None, job_id: str, type: str | None) -> AsyncJobHandle:
    """A handle that was pickled; those of one address share a client."""
    client = _clients.setdefault((url, data_dir), AsyncClient(url, data_dir=data_dir))
    return AsyncJobHandle(client, job_id, type)
