"""Twenty seeds on every run; `make simulate SEEDS=` for any number. A failure prints its replay command."""

import os
import subprocess
import sys
from collections.abc import Generator

import pytest

from tests.e2e.process import ROOT
from tests.simulation.ablations import ABLATIONS, hunt
from tests.simulation.quiet import no_logs
from tests.simulation.world import run_seed

SEEDS = range(20)
NAMED = {"fence": "L3", "rescue-recheck": "L5", "outbox-atomicity": "S5", "retry-bound": "R1", "idempotency": "A2"}


@pytest.fixture(autouse=True)
def quiet() -> Generator[None]:
    with no_logs():
        yield


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_keeps_every_invariant_and_runs_the_same_way_twice(seed: int) -> None:
    first, second = run_seed(seed), run_seed(seed)

    replay = f"make simulate SEED={seed}"
    assert first.failure is None, f"{first.failure}; replay: {replay}"
    assert first.digest == second.digest, f"not deterministic; replay: {replay}"


def test_another_process_with_another_hash_seed_runs_the_same_way() -> None:
    digest = run_seed(3).digest

    code = "from tests.simulation.quiet import no_logs\nfrom tests.simulation.world import run_seed\n"
    code += "with no_logs():\n    print(run_seed(3).digest)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "17"}, capture_output=True,
        text=True, timeout=60, check=True,
    )  # fmt: skip

    assert done.stdout.strip() == digest


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_safeguard_that_is_taken_away_is_missed(name: str) -> None:
    (ablation,) = [ablation for ablation in ABLATIONS if ablation.name == name]

    catch = hunt(ablation, seeds_max=200)

    assert catch is not None, f"nothing noticed that {name} is absent"
    assert catch.invariant == NAMED[name]
