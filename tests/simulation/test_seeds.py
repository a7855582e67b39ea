"""A few seeds of the whole simulation, and every ablation. `make simulate` runs as many as you like."""

from collections import Counter
from collections.abc import Generator

import pytest

from tests.simulation.ablations import ABLATIONS, SEEDS_MAX, Ablation, hunt
from tests.simulation.campaign import Campaign, replay_text
from tests.simulation.faults import CALL_KINDS
from tests.simulation.quiet import no_logs
from tests.simulation.world import World, run_seed

SEEDS = range(20)


@pytest.fixture(autouse=True)
def _quiet() -> Generator[None]:
    with no_logs():
        yield


@pytest.mark.parametrize("seed", SEEDS)
def test_every_invariant_holds_and_the_run_repeats_itself(seed: int) -> None:
    first = run_seed(seed)
    second = run_seed(seed)

    assert first.failure is None, replay_text(first)
    assert first.digest == second.digest
    assert first.hits == second.hits
    assert first.jobs > 0


def test_the_faults_are_there_and_the_system_has_worked() -> None:
    campaign = Campaign()

    for seed in range(100, 160):
        campaign.add(run_seed(seed))

    assert [outcome.seed for outcome in campaign.failures] == []
    assert campaign.cells_missed == []
    kinds = Counter(kind.split(" ")[0] for kind, _ in campaign.hits.elements())
    assert all(kinds[kind] >= 10 for kind in CALL_KINDS), kinds
    assert campaign.jobs > 300
    assert campaign.events > 4 * campaign.jobs


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda ablation: ablation.name)
def test_a_missing_safeguard_is_noticed_by_the_invariant_that_names_it(ablation: Ablation) -> None:
    catch = hunt(ablation)

    assert catch is not None, f"not noticed in {SEEDS_MAX} seeds"
    assert catch.invariant in ablation.invariants, replay_text(catch.outcome)


def test_a_campaign_without_faults_is_not_green() -> None:
    class Sheltered(World):
        def _plan_disasters(self) -> None:
            self.faults.are_on = False

    campaign = Campaign()
    for seed in range(50):
        campaign.add(run_seed(seed, world_type=Sheltered))

    assert campaign.failures == []
    assert ("power cut", "any step") in campaign.cells_missed


def test_a_failure_says_how_to_repeat_it() -> None:
    class Doomed(World):
        def check_end(self) -> None:
            raise AssertionError("planted")

    text = replay_text(run_seed(3, world_type=Doomed))

    assert "planted" in text
    assert "make simulate SEED=3" in text
    assert ".venv/bin/python -m tests.simulation --seed 3" in text
    assert len(text.splitlines()) > 50
