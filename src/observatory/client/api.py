"""The services, as a program that may block sees them."""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
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


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


class Api:
    """
    Reads go to the read model, writes to the gateway. Every call has a time-out.

    Jobs, events and lists come back as the JSON that the contracts describe: a newer service may
    add fields and statuses. Several threads may use it at once.

    Errors of every method:
        RequestRefused: The service said no; nothing was stored; do not repeat.
        NotReachable, ServiceFailed: Repeat later, a write only with an idempotency key.
        BadAnswer: Something else answered.

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
        http: httpx2.BaseTransport | None = None,
        pause: transport.Pause = _pause,
    ) -> None:
        self.address = address
        self._clock = clock
        self._randomness = randomness
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
            call = calls.submit_portion(portion)
            answers += calls.batch_items(call, self._value(call), len(portion))
        return answers

    def cancel(self, job_id: str) -> JsonObject:
        """Cancel a job that waits, or ask a running one to stop; the job as it is then."""
        return self._object(calls.cancel(job_id))

    def retry(self, job_id: str, *, idempotency_key: str | None = None) -> Submission:
        """
        Have a new job accepted that does again what the final one did; `retryOf` links them.

        RequestRefused with `job_not_final` when it is not final.
        """
        call = calls.retry(job_id, idempotency_key)
        return calls.submission(call, self._reply(call))

    # --- schedules: calls that change one may all be repeated ---

    def put_schedule(self, name: str, request: JsonObject) -> StoredSchedule:
        """Create the schedule *name* or replace its definition; an equal one changes nothing. As it is then."""
        call = schedule_calls.put(name, request)
        return schedule_calls.stored(call, self._reply(call))

    def delete_schedule(self, name: str) -> None:
        """Remove the schedule and its ticks; its jobs stay. RequestRefused with `unknown_schedule` for none."""
        call = schedule_calls.delete(name)
        schedule_calls.done(call, self._reply(call))

    def pause_schedule(self, name: str, *, by: str | None = None) -> JsonObject:
        """Fire nothing until it is resumed; ticks that come meanwhile are skipped."""
        return self._object(schedule_calls.pause(name, by))

    def resume_schedule(self, name: str) -> JsonObject:
        return self._object(schedule_calls.resume(name))

    def schedules(self, *, cursor: str | None = None, count_max: int = limits.PAGE_ITEMS_DEFAULT) -> Page:
        """Schedules in the order of their creation."""
        return self._page(schedule_calls.schedules(cursor, count_max))

    def schedule(self, name: str) -> JsonObject:
        """The schedule with its next ticks."""
        return self._object(schedule_calls.schedule(name))

    def ticks(self, name: str, *, cursor: str | None = None, count_max: int = limits.PAGE_ITEMS_DEFAULT) -> Page:
        """What became of the ticks of a schedule, newest first."""
        return self._page(schedule_calls.ticks(name, cursor, count_max))

    def preview_schedule(self, **asked: Unpack[PreviewAsked]) -> JsonObject:
        """When a timing would fire; stores nothing."""
        return self._object(schedule_calls.preview(**asked))

    def rebuild_stats(self) -> JsonObject:
        """Have the counters made anew from the history; they are complete once `stats` reaches the position."""
        return self._object(view_calls.REBUILD_STATS)

    # --- queues, and many jobs at once ---

    def pause_queue(self, queue: str, *, by: str | None = None, reason: str | None = None) -> JsonObject:
        """Let nothing more be claimed from a queue; what is set for it then. A second pause keeps the first one."""
        return self._object(control_calls.pause_queue(queue, by, reason))

    def resume_queue(self, queue: str) -> JsonObject:
        """Let a queue be claimed from again; what is set for it then."""
        return self._object(control_calls.resume_queue(queue))

    def limit_queue(self, queue: str, concurrency_max: int | None) -> JsonObject:
        """Let at most so many jobs of a queue be leased at the same time; None lifts the limit."""
        return self._object(control_calls.limit_queue(queue, concurrency_max))

    def cancel_jobs(self, **asked: Unpack[BulkAsked]) -> JsonObject:
        """Cancel the jobs that match, or count them; the answer, whose `nextCursor` goes on."""
        return self._object(control_calls.cancel_jobs(**asked))

    def retry_jobs(self, **asked: Unpack[BulkAsked]) -> JsonObject:
        """Repeat the final jobs that match, each once, or count them; the answer, whose `nextCursor` goes on."""
        return self._object(control_calls.retry_jobs(**asked))

    def redrive(self, job_id: str) -> JsonObject:
        """Have a dead job done again by a new one; the new job. Refused with 409 when that was done already."""
        return self._object(control_calls.redrive(job_id))

    # --- reads ---

    def job(self, job_id: str) -> JsonObject:
        """The job. RequestRefused with `unknown_job` when there is none."""
        return self._object(calls.job(job_id))

    def explain(self, job_id: str) -> JsonObject:
        """
        Why the job is where it is (`contracts/schemas/explanation`): one code, a sentence, facts, what will change it.

        RequestRefused with `unknown_job` when there is none.
        """
        return self._object(calls.explain(job_id))

    def jobs(self, **asked: Unpack[JobsAsked]) -> Page:
        """Jobs that match, newest first."""
        return self._page(calls.jobs(**asked))

    def recent(self, *, count_max: int | None = None) -> list[JsonObject]:
        """The newest jobs; fewer than *count_max* when they are large."""
        call = calls.recent(count_max)
        return calls.objects(call, self._value(call))

    def events(self, **asked: Unpack[EventsAsked]) -> Page:
        """Events of all jobs or of one, in order of position."""
        return self._page(calls.events(**asked))

    def job_events(self, job_id: str, *, cursor: str | None = None) -> Page:
        """The history of one job, from its first event on."""
        return self._page(calls.job_events(job_id, cursor))

    def attempt_log(self, job_id: str, *, attempt: int | None = None) -> JsonObject:
        """
        What one attempt logged and printed, its end (`contracts/schemas/attempt-log`); the last one if none is named.

        While the attempt runs it is a few seconds old.
        """
        return self._object(log_calls.attempt_log(job_id, attempt))

    def stats(self) -> JsonObject:
        """What the event history adds up to, with its position and age."""
        return self._object(calls.STATS)

    def queues(self) -> Page:
        return self._page(calls.QUEUES)

    def dead_letters(self, **asked: Unpack[DeadLettersAsked]) -> Page:
        """Jobs that ended FAILED and that no other job repeats, newest accepted first."""
        return self._page(control_calls.dead_letters(**asked))

    def workers(self) -> Page:
        return self._page(calls.WORKERS)

    def types(self) -> Page:
        return self._page(calls.TYPES)

    def wait(
        self, job_id: str, timeout_s: float | None, *, on_look: Callable[[JsonObject], object] | None = None
    ) -> JsonObject:
        """
        The job once it is final.

        Bears a service that is away for up to `limits.WAIT_UNREACHABLE_S_MAX`.

        Args:
            timeout_s: None means as long as it takes.
            on_look: Called with the job as it is at every look before it is final.

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
                if on_look is not None:
                    on_look(job)
                pause_s = waiting.seen(job, self._clock.monotonic())
            self._pause(pause_s)

    def follow(self, **asked: Unpack[FollowAsked]) -> Iterator[Heard]:
        """
        Every event that matches, in order of position, as it is committed; for as long as the caller iterates.

        A connection that breaks is replaced, and the stream goes on where it was without a gap; what cannot be given is
        said by a `resync`. A caller that is slow holds up nobody else. See `Heard` for what comes beside events.

        Args:
            after: The first event has a greater position; None means those from now on.
            generation: As heard with that position: after a restore a `resync` comes first.

        Raises:
            NotReachable, ServiceFailed: The first connection failed. Later ones are tried again and again.
        """
        following = Following(**asked)
        while True:
            try:
                with self._stream(following.call()) as response:
                    yield following.connected(transport.reply_of_stream(response))
                    for chunk in response.iter_bytes():
                        yield from following.take(chunk)
                lost = following.lost(None, transport.chance(self._randomness))
            except (NotReachable, ServiceFailed) as error:
                lost = following.lost(error, transport.chance(self._randomness))
            yield lost
            self._pause(lost.pause_s)

    # --- one call ---

    @contextlib.contextmanager
    def _stream(self, call: Call) -> Generator[httpx2.Response]:
        url = self._read_model_url()
        request = transport.request(self._http, call, url, self.address.token, timeout=transport.STREAM_TIMEOUT)
        try:
            response = self._http.send(request, stream=True)
            with contextlib.closing(response):
                if response.status_code != 200:
                    response.read()
                yield response
        except httpx2.RequestError as error:
            raise transport.not_reachable(error, call, url, self.address) from error

    def _page(self, call: Call) -> Page:
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
            reply = self._send(calls.INDEX, self._gateway_url())
            self._read_model = transport.read_model_link(calls.read_model_of(reply), self.address)
        return self._read_model
