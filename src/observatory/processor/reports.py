"""The reports of a processor: what its running attempts say, recorded while they run."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from observatory.core import limits
from observatory.core.command import Report
from observatory.core.errors import Unavailable
from observatory.core.job import Progress
from observatory.core.sources import Clock
from observatory.job_store.attempt_logs import AttemptLogs
from observatory.job_store.port import JobStore, Order
from observatory.processor.attempts import Attempt, Attempts

_log = structlog.get_logger("observatory.processor")


class Reports:
    """
    Records the progress of running attempts as it comes, each at most once in `limits.PROGRESS_EVERY_S`, and
    saves their logs every `limits.ATTEMPT_LOG_SAVE_S`.

    What an attempt says last goes with its settle.

    Args:
        logs: None means that logs are kept nowhere.
    """

    name = "processor reports"

    def __init__(self, store: JobStore, logs: AttemptLogs | None, attempts: Attempts, clock: Clock) -> None:
        self._store = store
        self._logs = logs
        self._attempts = attempts
        self._clock = clock
        self._has_news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._save_at_s = 0.0

    def wake(self) -> None:
        """An attempt has new progress. May be called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # a loop that is closed has nobody left who records it
                self._loop.call_soon_threadsafe(self._has_news.set)

    async def run_once(self) -> int:
        """
        Record what is due; returns how many attempts it concerned.

        A log that cannot be saved is tried again at its next turn and costs nothing else.
        """
        self._loop = asyncio.get_running_loop()
        self._has_news.clear()
        now_s = self._clock.monotonic()
        count = await self._record([one for one in self._attempts if one.is_running and one.report_at_s <= now_s])
        if now_s >= self._save_at_s:
            self._save_at_s = now_s + limits.ATTEMPT_LOG_SAVE_S
            count += await self._save([one for one in self._attempts if one.is_running and one.said.log.has_news])
        return count

    async def _record(self, attempts: Sequence[Attempt]) -> int:
        news = [(one, progress) for one in attempts if (progress := one.said.progress.take()) is not None]
        for begin in range(0, len(news), limits.APPLY_BATCH_MAX):
            await self._record_batch(news[begin : begin + limits.APPLY_BATCH_MAX])
        return len(news)

    async def _record_batch(self, news: Sequence[tuple[Attempt, Progress]]) -> None:
        """What the store was not there for stays news; what it refuses, for whatever reason, does not."""
        orders = [Order(one.job.id, Report(fence=one.job.fence, progress=progress)) for one, progress in news]
        try:
            await self._store.apply(orders)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 — one progress must not keep the others from being recorded
            if len(news) > 1:
                for single in news:
                    await self._record_batch([single])
                return
            _log.error("progress not recorded", job=news[0][0].job.id, exc_info=error)
        now_s = self._clock.monotonic()
        for one, progress in news:
            one.report_at_s = now_s + limits.PROGRESS_EVERY_S
            one.said.progress.recorded = progress

    async def _save(self, attempts: Sequence[Attempt]) -> int:
        if not attempts or self._logs is None:
            return 0
        written = [one.said.log.written_bytes for one in attempts]
        try:
            await self._logs.save([one.said.log_of(one.job, is_complete=False) for one in attempts])
        except Unavailable as error:
            _log.warning("logs of attempts not saved", error=str(error))
            return 0
        for one, written_bytes in zip(attempts, written, strict=True):
            one.said.log.note_saved(written_bytes)
        return len(attempts)

    async def wait(self) -> None:
        """Until there is news, until news that came too early is due, or until the next look at the logs."""
        now_s = self._clock.monotonic()
        due_s = [one.report_at_s for one in self._attempts if one.is_running and one.said.progress.has_news]
        until_s = min([now_s + limits.ATTEMPT_LOG_SAVE_S, *due_s])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until_s - now_s)):
                await self._has_news.wait()
