"""What the gateway counts about jobs."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter

from observatory.core.errors import ObservatoryError
from observatory.edge.metrics import BoundedLabel
from observatory.job_store.port import Submitted


class GatewayMetrics:
    """Accepted and refused submits. A replay accepts nothing and is counted nowhere."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._accepted = Counter("odd_jobs_accepted", "Jobs stored by this gateway.", registry=registry)
        self._submitted = Counter(
            "odd_jobs_submitted", "Jobs stored by this gateway, by type.", ("job_type",), registry=registry
        )
        self._rejected = Counter(
            "odd_jobs_rejected", "Jobs that were asked for and not stored, by reason.", ("code",), registry=registry
        )
        self._types = BoundedLabel()

    def count(self, answers: Sequence[Submitted | ObservatoryError]) -> None:
        """Count what one call achieved."""
        for answer in answers:
            if isinstance(answer, ObservatoryError):
                self.reject(answer)
            elif not answer.is_replay:
                self._accepted.inc()
                self._submitted.labels(self._types.of(answer.job.type)).inc()

    def reject(self, error: ObservatoryError) -> None:
        """Count one job that was not stored."""
        self._rejected.labels(error.code).inc()
