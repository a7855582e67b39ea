"""The stats view as Prometheus metrics, read right before they are exported or not exported at all; and the streams."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from observatory.core.errors import Unavailable
from observatory.read_model.read_model import ReadModel, StatsAt
from observatory.read_model.stream import Streams

_OUTCOMES = ("completed", "failed", "cancelled")


class StatsCollector(Collector):
    """
    Exports the newest view.

    The library asks for metrics without waiting, so `refresh` is awaited before. After a refresh that failed
    nothing but the failure is exported: a missing number, never a zero.
    """

    def __init__(self, read_model: ReadModel, registry: CollectorRegistry) -> None:
        self._read_model = read_model
        self._found: StatsAt | None = None
        self._late_s: float | None = None
        registry.register(self)

    async def refresh(self) -> None:
        """Read the view."""
        try:
            self._found = await self._read_model.stats_at()
            self._late_s = await self._read_model.pruning_late_s()
        except Unavailable:
            self._found = self._late_s = None

    def describe(self) -> list[Metric]:
        """No promise before the first refresh; without this the library would collect to find out."""
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "odd_dependency_up", "1 when the dependency answered the last time.", labels=("dependency",)
        )
        up.add_metric(("view_store",), 0.0 if self._found is None else 1.0)
        yield up
        if self._found is not None:
            yield from _families(self._found)
        if self._late_s is not None:
            yield GaugeMetricFamily(
                "odd_pruning_late_seconds",
                "Overdue time of the job that waits longest to be pruned.",
                value=self._late_s,
            )


def _families(found: StatsAt) -> Iterator[Metric]:
    view = found.view
    jobs = GaugeMetricFamily("odd_jobs", "Jobs by status, as of odd_view_position.", labels=("state",))
    for status, count in view.by_status.items():
        jobs.add_metric((str(status).lower(),), count)
    yield jobs
    finished = CounterMetricFamily("odd_jobs_finished", "Jobs that became final.", labels=("job_type", "outcome"))
    retried = CounterMetricFamily("odd_job_retries", "Attempts that will be repeated.", labels=("job_type",))
    for job_type, counts in view.by_type.items():
        for outcome in _OUTCOMES:
            finished.add_metric((job_type, outcome), getattr(counts, outcome))
        retried.add_metric((job_type,), counts.retried)
    yield finished
    yield retried
    attempts = CounterMetricFamily("odd_job_attempts", "Attempts that ended.", labels=("outcome",))
    for outcome, count in view.attempts_by_outcome.items():
        attempts.add_metric((outcome,), count)
    yield attempts
    yield from _sums_and_places(found)


def _sums_and_places(found: StatsAt) -> Iterator[Metric]:
    view = found.view
    yield CounterMetricFamily(
        "odd_job_wait_seconds", "Time that attempts waited to begin.", value=view.wait_seconds_sum
    )
    yield CounterMetricFamily("odd_job_run_seconds", "Time that attempts ran.", value=view.run_seconds_sum)
    yield CounterMetricFamily("odd_events_folded", "Events in these numbers.", value=view.events)
    yield CounterMetricFamily("odd_jobs_pruned", "Jobs removed by retention.", value=found.pruned_jobs)
    yield GaugeMetricFamily("odd_view_position", "Log position of these numbers.", value=found.position)
    pending = max(found.log_position - found.position, 0)
    yield GaugeMetricFamily(
        "odd_outbox_pending",
        "Committed events that the views lack: at least those that the relay has not published.",
        value=pending,
    )
    yield GaugeMetricFamily(
        "odd_view_lag_seconds", "Age of the oldest event that is not in these numbers yet.", value=found.lag_s or 0.0
    )


class StreamsCollector(Collector):
    """Exports how many streams are open, and what became of the others."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        counts = self._streams.counts
        yield GaugeMetricFamily("odd_streams_open", "Streams that are open now.", value=self._streams.open_count)
        yield CounterMetricFamily(
            "odd_streams_refused", "Streams refused because too many were open.", value=counts.refused
        )
        ended = CounterMetricFamily("odd_streams_ended", "Streams that ended.", labels=("reason",))
        for reason, count in counts.ended.items():
            ended.add_metric((reason,), count)
        yield ended
        resyncs = CounterMetricFamily(
            "odd_stream_resyncs", "Times a reader was told to read the lists anew.", labels=("reason",)
        )
        for reason, count in counts.resyncs.items():
            resyncs.add_metric((reason,), count)
        yield resyncs
