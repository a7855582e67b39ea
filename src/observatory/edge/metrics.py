"""Metrics that every HTTP service has, in its own registry."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from observatory.core import limits
from observatory.core.folds import OTHER
from observatory.edge.settings import EdgeSettings

KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"
"""The route of a request that no route matches: its path comes from outside and is no label."""

_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class HttpMetrics:
    """Counts requests and their durations, and names the build."""

    def __init__(self, registry: CollectorRegistry, settings: EdgeSettings) -> None:
        self._service = settings.service
        self._requests = Counter(
            "odd_http_requests", "HTTP requests answered.", ("service", "route", "method", "code"), registry=registry
        )
        self._durations = Histogram(
            "odd_http_request_duration_seconds",
            "Time from the head of a request to the end of its answer.",
            ("service", "route", "method", "code"),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        build = Gauge(
            "odd_build_info",
            "Always 1; its labels name the build.",
            ("version", "commit", "service"),
            registry=registry,
        )
        build.labels(settings.version, settings.commit, settings.service).set(1)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, *, route: str | None, method: str, status: int, duration_s: float) -> None:
        """Count one request. Labels are bounded: a route is a template, an unknown method is `other`."""
        key = (route or UNMATCHED, method if method in KNOWN_METHODS else OTHER, status)
        children = self._children.get(key)
        if children is None:
            labels = (self._service, key[0], key[1], str(status))
            children = self._children[key] = (self._requests.labels(*labels), self._durations.labels(*labels))
        children[0].inc()
        children[1].observe(duration_s)


class BoundedLabel:
    """A label value from outside: the first ones stay themselves, the rest become `other`."""

    def __init__(self, values_max: int = limits.LABEL_VALUES_MAX) -> None:
        self._values_max = values_max
        self._known: set[str] = set()

    def of(self, value: str) -> str:
        """*value*, or `other` when as many as allowed are known already."""
        if value in self._known:
            return value
        if len(self._known) >= self._values_max:
            return OTHER
        self._known.add(value)
        return value
