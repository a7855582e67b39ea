import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from observatory.core.errors import StoreUnavailable
from observatory.edge.health import Check, readiness_of
from observatory.edge.links import links_of
from observatory.edge.metrics import BoundedLabel, HttpMetrics
from observatory.edge.settings import EdgeSettings

SETTINGS = EdgeSettings(service="gateway", version="1.2.3", read_model_port=18080)


async def fine() -> None:
    return None


async def broken() -> None:
    raise StoreUnavailable("gone")


async def surprising() -> None:
    raise RuntimeError("secret")


async def silent() -> None:
    await asyncio.Event().wait()


async def test_everything_up_is_ready() -> None:
    readiness = await readiness_of([Check("a", fine), Check("b", fine)], service="s", version="1")

    assert readiness.is_ready
    assert readiness.status == "ready"


async def test_what_is_down_is_named_with_a_word_and_without_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observatory.core.limits.READY_CHECK_S_MAX", 0.0)
    checks = [Check("a", fine), Check("b", broken), Check("c", surprising), Check("d", silent)]

    readiness = await readiness_of(checks, service="s", version="1")

    assert readiness.down == ["b", "c", "d"]
    assert [check.reason for check in readiness.checks] == [None, "store_unavailable", "failed", "timed_out"]


def test_labels_from_outside_are_bounded() -> None:
    label = BoundedLabel(values_max=2)

    assert [label.of(value) for value in ("a", "b", "c", "a", "d")] == ["a", "b", "other", "a", "other"]


def test_a_request_is_counted_once_under_its_template() -> None:
    registry = CollectorRegistry()
    metrics = HttpMetrics(registry, SETTINGS)

    metrics.observe(route="/jobs/{job_id}", method="GET", status=200, duration_s=0.02)
    metrics.observe(route=None, method="X" * 100, status=405, duration_s=0.0)

    lines = generate_latest(registry).decode().splitlines()
    labels = 'code="200",method="GET",route="/jobs/{job_id}",service="gateway"'
    assert f"odd_http_requests_total{{{labels}}} 1.0" in lines
    assert f"odd_http_request_duration_seconds_sum{{{labels}}} 0.02" in lines
    assert 'odd_http_requests_total{code="405",method="other",route="unmatched",service="gateway"} 1.0' in lines


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:3000", "localhost"), ("localhost", "localhost"), ("[::1]:3000", "[::1]"), ("[::1]", "[::1]")],
)
def test_links_keep_the_name_and_change_the_port(host: str, name: str) -> None:
    assert links_of(SETTINGS, scheme="http", host=host)["readModel"] == f"http://{name}:18080"
