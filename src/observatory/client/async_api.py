"""The services, as a program with an event loop sees them. Every guarantee is that of `client.api.Api`."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

import httpx2

from observatory.client import calls, control_calls, log_calls, schedule_calls, transport, view_calls
from observatory.client.address import Address
from observatory.client.calls import Call, EventsAsked, JobsAsked, Page, Reply, Submission
from observatory.client.control_calls import BulkAsked, DeadLettersAsked
from observatory.client.errors import NotReachable, ServiceFailed
from observatory.client.following import FollowAsked, Following, Heard
from observatory.client.schedule_calls import PreviewAsked, StoredSchedule
from observatory.client.waiting import Waiting, is_final
from observatory.core import limits
from observatory.core.job import JsonObject
from observatory.core.sources import Clock, Randomness


class AsyncApi:
    """
    As `Api`, for one event loop; several tasks may use it at once.

    Args:
        clock: For `wait`.
        randomness: Spreads the connections of `follow` after a loss; without it each pause is half of its bound.
        http: Takes the place of the network; for tests.
        pause: Waits so many seconds; for tests.
    """

    def __init__(
        self,
        address: Address,
        *,
        clock: Clock,
        randomness: Randomness | None = None,
        http: httpx2.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.address = address
        self._clock = clock
        self._randomness = randomness
        self._pause = pause
        self._read_model = address.read_model
        self._http = httpx2.AsyncClient(transport=http, **transport.options(address))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def submit(self, request: JsonObject, *, idempotency_key: str | None = None) -> Submission:
        call = calls.submit(request, idempotency_key)
        return calls.submission(call, await self._reply(call))

    async def submit_batch(self, requests: Sequence[JsonObject]) -> list[JsonObject]:
        answers: list[JsonObject] = []
        for portion in calls.portions(requests):
            call = calls.submit_portion(portion)
            answers += calls.batch_items(call, await self._value(call), len(portion))
        return answers

    async def cancel(self, job_id: str) -> JsonObject:
        return await self._object(calls.cancel(job_id))

    async def retry(self, job_id: str, *, idempotency_key: str | None = None) -> Submission:
        call = calls.retry(job_id, idempotency_key)
        return calls.submission(call, await self._reply(call))

    async def put_schedule(self, name: str, request: JsonObject) -> StoredSchedule:
        call = schedule_calls.put(name, request)
        return schedule_calls.stored(call, await self._reply(call))

    async def delete_schedule(self, name: str) -> None:
        call = schedule_calls.delete(name)
        schedule_calls.done(call, await self._reply(call))

    async def pause_schedule(self, name: str, *, by: str | None = None) -> JsonObject:
        return await self._object(schedule_calls.pause(name, by))

    async def resume_schedule(self, name: str) -> JsonObject:
        return await self._object(schedule_calls.resume(name))

    async def schedules(self, *, cursor: str | None = None, count_max: int = limits.PAGE_ITEMS_DEFAULT) -> Page:
        return await self._page(schedule_calls.schedules(cursor, count_max))

    async def schedule(self, name: str) -> JsonObject:
        return await self._object(schedule_calls.schedule(name))

    async def ticks(self, name: str, *, cursor: str | None = None, count_max: int = limits.PAGE_ITEMS_DEFAULT) -> Page:
        return await self._page(schedule_calls.ticks(name, cursor, count_max))

    async def preview_schedule(self, **asked: Unpack[PreviewAsked]) -> JsonObject:
        return await self._object(schedule_calls.preview(**asked))

    async def rebuild_stats(self) -> JsonObject:
        return await self._object(view_calls.REBUILD_STATS)

    async def pause_queue(self, queue: str, *, by: str | None = None, reason: str | None = None) -> JsonObject:
        return await self._object(control_calls.pause_queue(queue, by, reason))

    async def resume_queue(self, queue: str) -> JsonObject:
        return await self._object(control_calls.resume_queue(queue))

    async def limit_queue(self, queue: str, concurrency_max: int | None) -> JsonObject:
        return await self._object(control_calls.limit_queue(queue, concurrency_max))

    async def cancel_jobs(self, **asked: Unpack[BulkAsked]) -> JsonObject:
        return await self._object(control_calls.cancel_jobs(**asked))

    async def retry_jobs(self, **asked: Unpack[BulkAsked]) -> JsonObject:
        return await self._object(control_calls.retry_jobs(**asked))

    async def redrive(self, job_id: str) -> JsonObject:
        return await self._object(control_calls.redrive(job_id))

    async def job(self, job_id: str) -> JsonObject:
        return await self._object(calls.job(job_id))

    async def explain(self, job_id: str) -> JsonObject:
        return await self._object(calls.explain(job_id))

    async def jobs(self, **asked: Unpack[JobsAsked]) -> Page:
        return await self._page(calls.jobs(**asked))

    async def recent(self, *, count_max: int | None = None) -> list[JsonObject]:
        call = calls.recent(count_max)
        return calls.objects(call, await self._value(call))

    async def events(self, **asked: Unpack[EventsAsked]) -> Page:
        return await self._page(calls.events(**asked))

    async def job_events(self, job_id: str, *, cursor: str | None = None) -> Page:
        return await self._page(calls.job_events(job_id, cursor))

    async def attempt_log(self, job_id: str, *, attempt: int | None = None) -> JsonObject:
        return await self._object(log_calls.attempt_log(job_id, attempt))

    async def stats(self) -> JsonObject:
        return await self._object(calls.STATS)

    async def queues(self) -> Page:
        return await self._page(calls.QUEUES)

    async def dead_letters(self, **asked: Unpack[DeadLettersAsked]) -> Page:
        return await self._page(control_calls.dead_letters(**asked))

    async def workers(self) -> Page:
        return await self._page(calls.WORKERS)

    async def types(self) -> Page:
        return await self._page(calls.TYPES)

    async def wait(
        self, job_id: str, timeout_s: float | None, *, on_look: Callable[[JsonObject], object] | None = None
    ) -> JsonObject:
        waiting = Waiting(job_id, timeout_s, self._clock.monotonic())
        while True:
            try:
                job = await self.job(job_id)
            except (NotReachable, ServiceFailed) as error:
                pause_s = waiting.failed(error, self._clock.monotonic())
            else:
                if is_final(job):
                    return job
                if on_look is not None:
                    on_look(job)
                pause_s = waiting.seen(job, self._clock.monotonic())
            await self._pause(pause_s)

    async def follow(self, **asked: Unpack[FollowAsked]) -> AsyncIterator[Heard]:
        following = Following(**asked)
        while True:
            try:
                async with self._stream(following.call()) as response:
                    yield following.connected(transport.reply_of_stream(response))
                    async for chunk in response.aiter_bytes():
                        for heard in following.take(chunk):
                            yield heard
                lost = following.lost(None, transport.chance(self._randomness))
            except (NotReachable, ServiceFailed) as error:
                lost = following.lost(error, transport.chance(self._randomness))
            yield lost
            await self._pause(lost.pause_s)

    @contextlib.asynccontextmanager
    async def _stream(self, call: Call) -> AsyncGenerator[httpx2.Response]:
        url = await self._read_model_url()
        request = transport.request(self._http, call, url, self.address.token, timeout=transport.STREAM_TIMEOUT)
        try:
            response = await self._http.send(request, stream=True)
            async with contextlib.aclosing(response):
                if response.status_code != 200:
                    await response.aread()
                yield response
        except httpx2.RequestError as error:
            raise transport.not_reachable(error, call, url, self.address) from error

    async def _page(self, call: Call) -> Page:
        return calls.page(call, await self._value(call))

    async def _object(self, call: Call) -> JsonObject:
        return calls.an_object(call, await self._value(call))

    async def _value(self, call: Call) -> Any:
        return calls.understood(call, await self._reply(call))

    async def _reply(self, call: Call) -> Reply:
        url = self._gateway_url() if call.service == "gateway" else await self._read_model_url()
        return await self._send(call, url)

    async def _send(self, call: Call, url: str) -> Reply:
        request = transport.request(self._http, call, url, self.address.token)
        try:
            return transport.reply(await self._http.send(request))
        except httpx2.RequestError as error:
            raise transport.not_reachable(error, call, url, self.address) from error

    def _gateway_url(self) -> str:
        if self.address.gateway is None:
            raise transport.no_gateway()
        return self.address.gateway

    async def _read_model_url(self) -> str:
        if self._read_model is None:
            reply = await self._send(calls.INDEX, self._gateway_url())
            self._read_model = transport.read_model_link(calls.read_model_of(reply), self.address)
        return self._read_model
