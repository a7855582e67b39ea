"""The scenarios work, in a size that measures nothing."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import embedded, growth, http, huey_peer, queues, retention
from tests.e2e.process import ROOT, Up


async def test_the_embedded_scenario_gives_every_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("SINGLES", 8), ("BATCH", 5), ("BATCHES", 2), ("DRAINED", 20), ("LATENCIES", 3)):
        monkeypatch.setattr(embedded, name, size)

    figures = await embedded.one_round()

    assert all(value > 0 for value in figures.values())
    assert {name for ratio in embedded.RATIOS for name in ratio} <= figures.keys()


def test_the_comparison_with_huey_gives_every_figure_of_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in (("PAIRS", 1), ("SUBMITTED", 16), ("DRAINED", 20), ("LATENCIES", 3)):
        monkeypatch.setattr(huey_peer, name, size)
    for name, size in (("BATCH", 10), ("BATCHES", 2)):
        monkeypatch.setattr(embedded, name, size)

    huey_peer.main()

    lines = capsys.readouterr().out.splitlines()
    names = (huey_peer.ONE, huey_peer.EIGHT, huey_peer.BATCH, huey_peer.WHOLE, huey_peer.P50, huey_peer.P99)
    assert [name for name in names if not any(line.strip().startswith(name) for line in lines)] == []


def test_the_growth_scenario_asks_every_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in (("JOBS", 60), ("PAIRS", 1), ("DRAINED", 20), ("PIECE", 30), ("QUESTIONS", 2)):
        monkeypatch.setattr(growth, name, size)
    monkeypatch.setattr(embedded, "BATCH", 10)

    growth.main()

    said = capsys.readouterr().out
    assert said.count("target: p95") == 9
    assert "median of 1 pairs" in said


async def test_the_retention_scenario_gives_every_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "JOBS", 20)
    monkeypatch.setattr(retention, "BATCH", 10)

    figures = [await retention.one(retention.as_it_is), await retention.one(retention.without_bookkeeping)]

    assert all(value > 0 for pair in [*figures, await retention.prune()] for value in pair)


def test_the_http_scenario_gives_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("ROUNDS", 1), ("CALLERS", 2), ("REQUESTS", 4), ("BATCH", 3), ("BATCHES", 2)):
        monkeypatch.setattr(http, name, size)
    up = Up(tmp_path / "data").until_ready()

    figures = asyncio.run(http.measured(up))

    assert [len(values) for values in figures.values()] == [1, 1, 1]
    assert len(up.get("/jobs?limit=500")["items"]) == 1 + 4 + 6
    up.kill()


async def test_the_scenario_of_queues_gives_every_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in (("WAITING", 8), ("QUEUES", 3), ("ROUNDS", 2)):
        monkeypatch.setattr(queues, name, size)

    await queues.measure()

    assert len(capsys.readouterr().out.splitlines()) == 7


@pytest.mark.parametrize("name", bench.SCENARIOS)
def test_every_scenario_exists_and_asks_its_question_first(name: str) -> None:
    module = ROOT / "benchmarks" / f"{name}.py"
    text = (module if module.exists() else module.with_suffix("") / "__main__.py").read_text(encoding="utf-8")

    assert bench.SCENARIOS[name] in text[:200]


def test_an_unknown_scenario_is_refused_by_name() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nope"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 2
    assert "there is no scenario nope" in done.stderr
